"""`make connect`: registers the stack's address at the platforms, where they have an API for it."""

import argparse
from collections.abc import Iterator

from chalicelib import platforms
from chalicelib.apps import Account, App
from chalicelib.platforms.base import ReplyError, Step
from chalicelib.platforms.read import PayloadError
from chalicelib.services import Services
from infra.ops.given import account_named
from infra.ops.stage import OpsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", default="", help="product:id; every account without it")
    parser.add_argument("--do", action="store_true", help="does it; without it, only says what would be done")


def run(given: argparse.Namespace, services: Services) -> int:
    failed = False
    if given.account:
        account_named(given.account)
    for app, account in _chosen(services, given.account):
        name, address = f"{account.product}:{account.id}", services.settings.public_url + app.path
        try:
            steps = platforms.product(account.product).connect(services.http, app, account, address)
            if not steps:
                print(f"{name}: nothing to do")
            for step in steps:
                print(f"{name}: {_taken(step, do=given.do)}")
        except (ReplyError, PayloadError) as error:  # of one account: the others go on
            print(f"{name}: the platform refused or did not answer ({error}): see make doctor")
            failed = True
    if not given.do:
        print("nothing was changed; with DO=1 all but what is by hand is done")
    return 1 if failed else 0


def _chosen(services: Services, name: str) -> Iterator[tuple[App, Account]]:
    if not services.settings.public_url.startswith("https://"):
        raise OpsError("this stage has no public https address to register")
    accounts = [(app, account) for app in services.apps.apps for account in app.accounts]
    chosen = [(p, a) for p, a in accounts if name in ("", f"{a.product}:{a.id}")]
    if not chosen:
        raise OpsError(f"the apps file has no account {name}" if name else "the apps file is empty")
    yield from chosen


def _taken(step: Step, *, do: bool) -> str:
    """The step as it is told, done where it can be and `do` says so. Raises ReplyError."""
    if step.do is None:
        return f"by hand: {step.what}"
    if not do:
        return f"would {step.what}"
    step.do()
    return f"done: {step.what}"
