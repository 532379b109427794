"""`make playbook`: a playbook checked, kept as a version, and served within five minutes without a deployment."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Final

from chalicelib.apps import Apps
from chalicelib.playbook.accounts import check_accounts
from chalicelib.playbook.live import FRESH_FOR, PACKAGED_VERSION, PlaybookVersions
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.reader import load_playbook, read_playbook
from chalicelib.services import Services
from chalicelib.storage.table import Conflict, Table
from chalicelib.textfile import NotText, read_text
from infra.ops.stage import OpsError

_MEANWHILE: Final = "somebody else put or chose one at this moment: look with make playbook, then try again"
_SOON: Final = f"is served everywhere within {int(FRESH_FOR.total_seconds()) // 60} minutes"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", default="", help="checks it and serves it within five minutes")
    parser.add_argument("--version", default="", help="serves this older one again; 0: the deployment's own")


def run(given: argparse.Namespace, services: Services) -> int:
    if given.file and given.version:
        raise OpsError("FILE serves a playbook of yours, VERSION an older one again: name one of them")
    if given.file:
        read_playbook(Path(given.file))  # what is wrong in it is said before the stage is looked for
    if given.version:
        _number(given.version)
    if file := services.settings.playbook_file:
        raise OpsError(f"this stage serves the file {file}: change that one, and start it again")
    table = services.store.table
    if given.file:
        print(put(table, Path(given.file), services.apps, services.now()))
    elif given.version:
        print(serve(table, given.version))
    else:
        print(listed(table))
    return 0


def put(table: Table, file: Path, apps: Apps, now: datetime) -> str:
    """Serves the playbook in `file`, whose accounts have to be among those of `apps`; what to tell. Raises OSError, and
    PlaybookError with file and line of each mistake."""
    try:
        text = read_text(file)
    except NotText as error:
        raise PlaybookError(str(error)) from None
    playbook, versions = load_playbook(text, file.name, file.parent), PlaybookVersions(table)
    check_accounts(playbook, apps)
    before = versions.served()
    try:
        number = versions.put(playbook, text, file.name, now)
    except Conflict:
        raise PlaybookError(_MEANWHILE) from None
    return f"version {number}, {file.name}, {_SOON}; back to the one before: make playbook VERSION={before}"


def serve(table: Table, version: str) -> str:
    """Serves an older version again (0: the deployment's own); what to tell. Raises PlaybookError."""
    number = _number(version)
    try:
        PlaybookVersions(table).serve(number)
    except Conflict:
        raise PlaybookError(_MEANWHILE) from None
    called = "the deployment's own playbook" if number == PACKAGED_VERSION else f"version {number}"
    return f"{called} {_SOON}"


def _number(version: str) -> int:
    """Raises PlaybookError where it is none."""
    if not (version.isascii() and version.isdigit()):
        raise PlaybookError("VERSION is a number that make playbook lists, or 0 for the deployment's own")
    return int(version)


def listed(table: Table) -> str:
    """Every version as a line, and which is served."""
    versions = PlaybookVersions(table).all()
    own = "" if any(v.served for v in versions) else "  served"
    rows = [f"{v.number:>5}  {v.at[:16]}Z  {v.file}{'  served' if v.served else ''}" for v in versions]
    return "\n".join([f"{PACKAGED_VERSION:>5}  the deployment's own{own}", *rows])
