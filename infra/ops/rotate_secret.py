"""`make rotate-secret`: a new secret of an app, beside the old one until the platform has changed over."""

import argparse
import json
import sys
from getpass import getpass
from typing import Any

from chalicelib.apps import load_apps
from chalicelib.aws import secret_text
from chalicelib.services import Services
from chalicelib.settings import Settings
from infra.ops.stage import OpsError, client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--platform", required=True)
    parser.add_argument("--app", required=True)
    parser.add_argument("--finish", action="store_true")


def run(given: argparse.Namespace, services: Services) -> int:
    if not (given.platform and given.app):
        raise OpsError("APP is platform/key, such as APP=meta/main")
    _stored(services.settings, given.platform, given.app)  # before anybody looks for the secret
    ask = getpass if sys.stdin.isatty() else lambda prompt: sys.stdin.readline()
    new = "" if given.finish else ask("the new secret: ").strip()
    if not new and not given.finish:
        raise OpsError("no secret was given")
    count = rotate_secret(services.settings, given.platform, given.app, new, finish=given.finish)
    then = "" if given.finish else "; when the platform has changed over, run it again with FINISH=1"
    print(
        f"{given.platform}/{given.app} has {count} secret{'s' if count > 1 else ''}; in use within five minutes{then}"
    )
    return 0


def rotate_secret(settings: Settings, platform: str, key: str, new: str, *, finish: bool) -> int:
    """Puts `new` in front of the app's secrets, or with `finish` drops all but the first; how many it has then.

    Both verify in between, so that no delivery is refused while the platform changes over. Raises OpsError, AppsError.
    """
    data, row = _stored(settings, platform, key)
    row["secrets"] = row["secrets"][:1] if finish else [new, *(s for s in row["secrets"] if s != new)]
    load_apps(text := json.dumps(data), strict=False)
    secret_text.put(client("secretsmanager"), settings.apps_secret, text)
    return len(row["secrets"])


def _stored(settings: Settings, platform: str, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The stored registrations, and the row of the app in them. Raises OpsError."""
    data: dict[str, Any] = json.loads(secret_text.get(client("secretsmanager"), settings.apps_secret))
    row = next((a for a in data["apps"] if (a["platform"], str(a["app"])) == (platform, key)), None)
    if row is None:
        known = ", ".join(f"{a['platform']}/{a['app']}" for a in data["apps"]) or "none yet: make apps FILE=apps.json"
        raise OpsError(f"there is no app {platform}/{key} among the registrations ({known})")
    return data, row
