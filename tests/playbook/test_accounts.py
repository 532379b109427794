"""An account that a playbook names and nobody has is refused wherever the apps are known, with file and line."""

from datetime import date
from pathlib import Path

import pytest

from chalicelib.apps import Account, App, Apps
from chalicelib.playbook.accounts import check_accounts
from chalicelib.playbook.compiled import compiled, load_compiled
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from infra.local.demo_apps import demo_text
from infra.replay.command import main as replay
from tests.world import PAGE, MemoryWorld

APPS = Apps((App("meta", "main", ("s",), accounts=(Account("123", "facebook"), Account("456", "instagram"))),))
TEXT = DEFAULT_PLAYBOOK.read_text("utf-8")
LINE = next(n for n, line in enumerate(TEXT.splitlines(), 1) if line.strip().startswith("accounts: []"))


def stopping(*accounts: str) -> str:
    return TEXT.replace("accounts: []", f"accounts: [{', '.join(map(repr, accounts))}]", 1)


@pytest.mark.parametrize(
    ("account", "advice"),
    [("facebook:12", '"facebook:123"'), ("facebook:456", '"instagram:456"'), ("x:9", "facebook:123, instagram:456")],
)
def test_an_account_that_nobody_has_is_refused_with_file_and_line(account: str, advice: str) -> None:
    with pytest.raises(PlaybookError) as refused:
        check_accounts(load_playbook(stopping("facebook:123", account), "mine.yaml"), APPS)
    assert str(refused.value).startswith(f"mine.yaml:{LINE}: ")
    assert account in str(refused.value) and advice in str(refused.value) and "[2]" in str(refused.value)


def test_known_accounts_are_right_and_without_any_app_nothing_is_known() -> None:
    check_accounts(load_playbook(stopping("facebook:123", "instagram:456")), APPS)
    check_accounts(load_playbook(stopping("facebook:12")), Apps(()))


def test_a_compiled_playbook_still_knows_the_line() -> None:
    packed = load_compiled(compiled(load_playbook(stopping("facebook:12"), "mine.yaml"), date(2026, 11, 23)))
    with pytest.raises(PlaybookError, match=rf"mine\.yaml:{LINE}: "):
        check_accounts(packed, APPS)


def test_replay_refuses_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"p.yaml": stopping("facebook:1"), "apps.json": demo_text(), "d.jsonl": ""}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    options = {"--apps": "apps.json", "--playbook": "p.yaml", "--out": "out.jsonl"}
    given = [part for option, name in options.items() for part in (option, str(tmp_path / name))]
    assert replay([str(tmp_path / "d.jsonl"), *given]) == 2
    assert f"p.yaml:{LINE}: " in capsys.readouterr().err


def test_doctor_tells_of_one_that_left_the_apps_since() -> None:
    world = MemoryWorld(load_playbook(stopping(f"facebook:{PAGE}", "facebook:1"), "mine.yaml"))
    (finding,) = [f for f in world.services.doctor.registrations() if f.account == "playbook"]
    assert "mine.yaml" in finding.what and "facebook:1" in finding.what
