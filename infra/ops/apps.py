"""`make apps`: checks the apps file and puts it into the secret store."""

import argparse
from pathlib import Path

from chalicelib.apps import read_apps
from chalicelib.aws import secret_text
from chalicelib.playbook.accounts import check_accounts
from chalicelib.playbook.policy import Playbook
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.textfile import read_text
from infra.ops.stage import OpsError, client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", required=True)


def run(given: argparse.Namespace, services: Services) -> int:
    if not given.file:
        raise OpsError("FILE is the apps file to store, such as FILE=apps.json (README.md, The apps file)")
    file = Path(given.file)
    read_apps(file)  # what is wrong in it is said before the stage is looked for
    count = put_apps(services.settings, file, services.playbook)
    print(f"{count} accounts are registered; in use within five minutes")
    return 0


def put_apps(settings: Settings, file: Path, playbook: Playbook) -> int:
    """Puts the apps file into the secret store after checking it, also for the accounts that the playbook names; how
    many accounts it has. Raises AppsError, PlaybookError."""
    found, text = read_apps(file), read_text(file)
    check_accounts(playbook, found)
    secret_text.put(client("secretsmanager"), settings.apps_secret, text)
    return sum(len(app.accounts) for app in found.apps)
