"""What an operator does with a running Earshot, `python -m infra.ops COMMAND`: one file a command beside this one.

Each works on the stack of STAGE with the operator's own credentials, or, where EARSHOT_TABLE is set, on what the
environment names (the embedded AWS). No command prints a customer's words, a token or a secret, except export, which is
there to do it.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Protocol

from chalicelib.apps import AppsError
from chalicelib.aws.client import AwsError
from chalicelib.aws.secret_text import TooLong
from chalicelib.keys import KeysError
from chalicelib.playbook.parts import PlaybookError
from chalicelib.services import Services
from chalicelib.settings import Settings, SettingsError
from infra.ops import (
    access,
    apps,
    backfill,
    connect,
    doctor,
    erase,
    export,
    link,
    playbook,
    redrive,
    restore,
    rotate_key,
    rotate_secret,
)
from infra.ops.stage import OpsError, check_stage, settings_of
from infra.stack.said import AWS


class Command(Protocol):
    """A command's module; the first line of its text says what it does."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds what the command takes."""

    def run(self, given: argparse.Namespace, services: Services) -> int:
        """Does it and prints what came of it; the exit status."""


class StageServices(Services):
    """The services of a stage, which is looked for when the first of them is needed: what was written wrong is said
    before anybody is asked for credentials. On the stage "local" every client of the command speaks to the running
    `make run`, also one that is made before a service is needed."""

    def __init__(self, stage: str) -> None:
        access.enter_local(stage)
        super().__init__(lean_aws=access.operators_aws())
        self._stage = stage

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = settings_of(self._stage)
        return self._settings


COMMANDS: Mapping[str, Command] = {
    "doctor": doctor,
    "redrive": redrive,
    "rotate-secret": rotate_secret,
    "rotate-key": rotate_key,
    "apps": apps,
    "playbook": playbook,
    "erase": erase,
    "export": export,
    "link": link,
    "backfill": backfill,
    "connect": connect,
    "restore": restore,
}
REFUSED = (OpsError, AppsError, PlaybookError, AwsError, SettingsError, TooLong, KeysError, *AWS)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.ops", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", default="prod")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.arguments(commands.add_parser(name, help=(command.__doc__ or "").splitlines()[0]))
    given = parser.parse_args(arguments)
    try:
        return COMMANDS[given.command].run(given, StageServices(check_stage(given.stage)))
    except REFUSED as error:
        print(f"{given.command}: {access.told(given.stage, error)}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, EOFError):
        print(f"\n{given.command}: stopped; it is safe to run it again", file=sys.stderr)
        return 130
