"""The apps file: which registrations (secrets, verify token) and which accounts of the brand Earshot speaks for.

The same JSON stands in a local file and in the secret store: see README, "The apps file".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class AppsError(ValueError):
    """The apps file is wrong; the message names the place and what is expected there, never a value."""


@dataclass(frozen=True, slots=True)
class Account:
    """A page, profile or number of the brand. `token` authorises replies; `options` are the platform's own extras."""

    id: str
    product: str
    name: str = ""
    token: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class App:
    """A registration at a platform; its first secret signs, every one of them verifies."""

    platform: str
    key: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    verify_token: str = field(default="", repr=False)
    app_id: str = ""
    accounts: tuple[Account, ...] = ()

    def account(self, product: str, id: str) -> Account | None:
        """The account of this app with that product and id, if it has one."""
        return next((a for a in self.accounts if a.id == id and a.product == product), None)


@dataclass(frozen=True, slots=True)
class Apps:
    """All registrations."""

    apps: tuple[App, ...]

    def get(self, platform: str, key: str) -> App | None:
        """The registration that `/webhooks/{platform}/{key}` names, if there is one."""
        return next((a for a in self.apps if a.platform == platform and a.key == key), None)

    def owner(self, product: str, account: str) -> tuple[App, Account] | None:
        """The registration and account that replies for `product` and `account` go through."""
        for app in self.apps:
            if found := app.account(product, account):
                return app, found
        return None


def load_apps(text: str) -> Apps:
    """The registrations in the JSON `text`; raises AppsError naming the place that is wrong."""
    try:
        data = json.loads(text)
    except ValueError as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise AppsError(f"apps file: not JSON{line}") from None
    rows = data.get("apps") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise AppsError('apps file: expected {"apps": [...]}')
    apps = tuple(_app(row, f"apps[{n}]") for n, row in enumerate(rows))
    names = [(a.platform, a.key) for a in apps]
    if len(set(names)) < len(names):
        raise AppsError("apps file: two apps have the same platform and app key; give each a key of its own")
    return Apps(apps)


def _app(row: Any, place: str) -> App:
    if not isinstance(row, dict):
        raise AppsError(f"apps file: {place} must be an object")
    secrets = row.get("secrets", [])
    if not isinstance(secrets, list) or not secrets or not all(isinstance(s, str) and s for s in secrets):
        raise AppsError(f"apps file: {place}.secrets must be a list of at least one non-empty string")
    accounts = row.get("accounts", [])
    if not isinstance(accounts, list):
        raise AppsError(f"apps file: {place}.accounts must be a list")
    return App(
        platform=_text(row, "platform", place),
        key=_text(row, "app", place),
        secrets=tuple(secrets),
        verify_token=str(row.get("verify_token", "")),
        app_id=str(row.get("app_id", "")),
        accounts=tuple(_account(a, f"{place}.accounts[{n}]") for n, a in enumerate(accounts)),
    )


def _account(row: Any, place: str) -> Account:
    if not isinstance(row, dict):
        raise AppsError(f"apps file: {place} must be an object")
    known = {"id", "product", "name", "token"}
    return Account(
        id=_text(row, "id", place),
        product=_text(row, "product", place),
        name=str(row.get("name", "")),
        token=str(row.get("token", "")),
        options={k: v for k, v in row.items() if k not in known},
    )


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    value = row.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise AppsError(f"apps file: {place}.{name} must be a non-empty string")
    return str(value)
