"""The invented shop's registration on every platform, as its own file says it: the apps file of the local run.

`python -m infra.local.demo_apps` writes it to build/demo_apps.json, for the commands that take an apps file. The copy
beside this file is an example to begin one's own with; a test holds it against what the platforms' files say.
"""

import json
import sys
from pathlib import Path
from typing import Any

from chalicelib import platforms
from chalicelib.apps import Apps, load_apps

FILE = Path("build/demo_apps.json")
EXAMPLE = Path(__file__).with_name("demo_apps.json")


def demo_text() -> str:
    """The apps file."""
    return json.dumps({"apps": [_registration(name) for name in platforms.PLATFORMS]}, indent=2, ensure_ascii=False)


def demo_apps() -> Apps:
    return load_apps(demo_text(), "the demo's apps file")


def _registration(platform: str) -> dict[str, Any]:
    """Whatever goes without saying is left out in the platform's file."""
    webhook = platforms.webhook(platform)
    assert webhook
    accounts = [{"product": platform, **account} for account in webhook.demo["accounts"]]
    return {"platform": platform, "app": "main", **webhook.demo, "accounts": accounts}


def write(path: Path = FILE) -> Path:
    """Writes the file; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(demo_text(), encoding="utf-8")
    return path


if __name__ == "__main__":
    print(write())
    sys.exit(0)
