"""`make apps`: checks the apps file and puts it into the secret store."""

import argparse
from pathlib import Path

from chalicelib.apps import read_apps
from chalicelib.aws import secret_text
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.textfile import read_text
from infra.ops.stage import client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", required=True)


def run(given: argparse.Namespace, services: Services) -> int:
    count = put_apps(services.settings, Path(given.file))
    print(f"{count} accounts are registered; in use within five minutes")
    return 0


def put_apps(settings: Settings, file: Path) -> int:
    """Puts the apps file into the secret store after checking it; how many accounts it has. Raises AppsError."""
    found, text = read_apps(file), read_text(file)
    secret_text.put(client("secretsmanager"), settings.apps_secret, text)
    return sum(len(app.accounts) for app in found.apps)
