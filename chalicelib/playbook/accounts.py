"""The accounts that a playbook names, held against those of an apps file: one that nobody has would be a protection
without effect."""

from difflib import get_close_matches

from chalicelib.apps import Apps
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook


def unknown_accounts(playbook: Playbook, apps: Apps) -> list[str]:
    """A line, `file:line: what is wrong; what to write instead`, for each account that `apps` do not have. Nothing is
    known of any while there are no apps at all."""
    known = sorted(f"{a.product}:{a.id}" for app in apps.apps for a in app.accounts)
    if not known:
        return []
    return [
        f'{place}: the apps file has no account "{account}"; {_advice(account, known)}'
        for account, place in playbook.stopped_at.items()
        if account not in known
    ]


def check_accounts(playbook: Playbook, apps: Apps) -> None:
    """Raises PlaybookError where the playbook names an account that `apps` do not have."""
    if wrong := unknown_accounts(playbook, apps):
        raise PlaybookError("\n".join(wrong))


def _advice(account: str, known: list[str]) -> str:
    id = account.partition(":")[2]
    found = [name for name in known if name.partition(":")[2] == id] or get_close_matches(account, known, 1)
    return f'do you mean "{found[0]}"?' if found else f"write one of {', '.join(known)}, or take it out"
