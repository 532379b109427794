"""The apps file: which registrations (secrets, verify token) and which accounts of the brand Earshot speaks for.

The same JSON stands in a local file and in the secret store: see README, "The apps file".
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib import ids
from chalicelib.registry import PRODUCTS, WEBHOOKS
from chalicelib.textfile import NotText, read_text

APPS_FILE = "apps file"  # what messages call it where it has no name of its own


class AppsError(ValueError):
    """The apps file is wrong; the message names file, line and place and what is expected there, never a secret."""


@dataclass(frozen=True, slots=True)
class Account:
    """A page, profile or number of the brand. `token` authorises replies; `options` are the platform's own extras."""

    id: str
    product: str
    name: str = ""
    token: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def webhook_path(platform: str, key: str) -> str:
    """Where the deliveries of that registration come, below the address of the stack."""
    return f"/webhooks/{platform}/{key}"


@dataclass(frozen=True, slots=True)
class App:
    """A registration at a platform; its first secret signs, every one of them verifies. `brand` is (product, id) of
    every account in the file, also of other apps; `census` is another one as soon as an account joins or leaves."""

    platform: str
    key: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    verify_token: str = field(default="", repr=False)
    app_id: str = ""
    accounts: tuple[Account, ...] = ()
    brand: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False, compare=False)
    census: str = field(default="", repr=False, compare=False)

    @property
    def path(self) -> str:
        """Where its deliveries come, below the address of the stack."""
        return webhook_path(self.platform, self.key)

    def account(self, product: str, id: str) -> Account | None:
        """The account of this app with that product and id, if it has one."""
        return next((a for a in self.accounts if a.id == id and a.product == product), None)

    def only(self, product: str) -> Account | None:
        """The app's account of `product` where it has just one: for deliveries that name none."""
        found = [a for a in self.accounts if a.product == product]
        return found[0] if len(found) == 1 else None

    def is_brand(self, product: str, id: str) -> bool:
        """Whether `id` is an account of the brand, of this app or of another one in the same file."""
        return (product, id) in self.brand or self.account(product, id) is not None


class Owner(NamedTuple):
    """The registration and account that replies go through."""

    app: App
    account: Account


@dataclass(frozen=True, slots=True)
class Apps:
    """All registrations."""

    apps: tuple[App, ...]

    def __post_init__(self) -> None:
        brand = frozenset((a.product, a.id) for app in self.apps for a in app.accounts)
        apps = tuple(replace(app, brand=brand, census=_census(app.accounts)) for app in self.apps)
        object.__setattr__(self, "apps", apps)

    def get(self, platform: str, key: str) -> App | None:
        """The registration that `/webhooks/{platform}/{key}` names, if there is one."""
        return next((a for a in self.apps if a.platform == platform and a.key == key), None)

    def owner(self, product: str, account: str) -> Owner | None:
        """The registration and account that replies for `product` and `account` go through."""
        for app in self.apps:
            if found := app.account(product, account):
                return Owner(app, found)
        return None

    def account_name(self, product: str, account: str) -> str:
        """What people call the account; its id where the file has no name for it."""
        owner = self.owner(product, account)
        return owner.account.name if owner and owner.account.name else account


def _census(accounts: Iterable[Account]) -> str:
    names = sorted(f"{a.product}:{a.id}" for a in accounts)
    return sha256("\0".join(names).encode()).hexdigest()[:8]


# --- the file --------------------------------------------------------------------------------------------------------

_APP_KEYS = ("platform", "app", "secrets", "verify_token", "app_id", "accounts")
_ACCOUNT_KEYS = ("id", "product", "name", "token")
_KEY = r"[A-Za-z0-9._~-]+"
_COMMENT = "_"  # keys that begin so are for people


def read_apps(path: Path) -> Apps:
    """The registrations in the file at `path`. Raises AppsError, OSError."""
    try:
        return load_apps(read_text(path), str(path))
    except NotText as error:
        raise AppsError(str(error)) from None


def load_apps(text: str, name: str = APPS_FILE, *, strict: bool = True) -> Apps:
    """The registrations in the JSON `text` of the file called `name`. Raises AppsError naming the place.

    What people hand in is read strictly. What was stored is not: a release may find there what only a later one knows,
    and must go on receiving.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise AppsError(f"{name}:{error.lineno}: not JSON ({error.msg})") from None
    except (ValueError, RecursionError):
        raise AppsError(f"{name}: not JSON") from None
    file = _File(name, text, strict)
    if strict and (repeated := _twice(text, _skip(text, 0))):
        key, at = repeated
        raise AppsError(f'{name}:{line_of(text, at)}: "{key}" stands twice in one object; keep one of the two')
    if not isinstance(data, dict):
        raise file.wrong((), 'expected {"apps": [...]}')
    file.check_keys((), data, ("apps",))
    if not isinstance(data.get("apps"), list):
        raise file.wrong((), 'expected {"apps": [...]}')
    apps = tuple(_app(file, row, ("apps", n)) for n, row in enumerate(data["apps"]))
    names = [(a.platform, a.key) for a in apps]
    if (twice := _repeated(names)) is not None:
        raise file.wrong(("apps", twice), "two apps have the same platform and app key; give each a key of its own")
    places = [("apps", n, "accounts", m) for n, app in enumerate(apps) for m in range(len(app.accounts))]
    accounts = [(a.product, a.id) for app in apps for a in app.accounts]
    if (twice := _repeated(accounts)) is not None:
        raise file.wrong(places[twice], "this product and id stands in the file before; an account belongs to one app")
    return Apps(apps)


class _File(NamedTuple):
    """The file's name and text, to say where in it something is wrong; `strict`: unknown names are mistakes."""

    name: str
    text: str
    strict: bool

    def wrong(self, path: tuple[str | int, ...], what: str) -> AppsError:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
        line = line_of(self.text, _offset(self.text, path))
        return AppsError(f"{self.name}:{line}: {place}{' ' if place else ''}{what}")

    def check_ends(self, path: tuple[str | int, ...], value: str) -> None:
        """White space at an end comes with copying, and makes another secret or token of it."""
        if self.strict and value != value.strip():
            raise self.wrong(path, "begins or ends with white space; write it without")

    def check_keys(self, path: tuple[str | int, ...], row: Mapping[str, Any], known: Iterable[str]) -> None:
        names = tuple(known)
        for key in row:
            if self.strict and key not in names and not key.startswith(_COMMENT):
                raise self.wrong((*path, key), f"is no key that is known here; {_nearest(key, names)}")


def _nearest(word: str, known: Collection[str]) -> str:
    """What to write instead of `word`."""
    found = _close(word, known)
    return f'do you mean "{found[0]}"?' if found else f"write one of {', '.join(known)}"


def _close(word: str, known: Collection[str]) -> list[str]:
    """The one that looks most like `word`, if any does."""
    from difflib import get_close_matches  # only for mistakes: no function's start needs it

    return get_close_matches(word.casefold(), known, 1)


def _repeated(names: list[tuple[str, str]]) -> int | None:
    """The place of the first that stands before."""
    seen: set[tuple[str, str]] = set()
    for number, name in enumerate(names):
        if name in seen:
            return number
        seen.add(name)
    return None


def _offset(text: str, path: tuple[str | int, ...]) -> int:
    """Where in the JSON `text` the value at `path` begins; as far as the path leads."""
    decoder, at = json.JSONDecoder(), _skip(text, 0)
    for step in path:
        number, inside = 0, _skip(text, at + 1)
        while text[inside] not in "]}":
            key: str | int = number
            if text[at] == "{":
                key, inside = decoder.raw_decode(text, inside)
                inside = _skip(text, inside)
            if key == step:
                break
            _, inside = decoder.raw_decode(text, inside)
            inside, number = _skip(text, inside), number + 1
        else:
            return at
        at = inside
    return at


def line_of(text: str, at: int) -> int:
    """The number of the line in which the character `at` stands."""
    return text.count("\n", 0, at) + 1


def _twice(text: str, at: int) -> tuple[str, int] | None:
    """The first key that stands twice in one object of the JSON at `at`, and where: readers take the last one, so that
    what a person changed above it would have no effect."""
    decoder, seen = json.JSONDecoder(), set[str]()
    if text[at] not in "{[":
        return None
    inside = _skip(text, at + 1)
    while text[inside] not in "]}":
        if text[at] == "{":
            key, end = decoder.raw_decode(text, inside)
            if key in seen:
                return key, inside
            seen.add(key)
            inside = _skip(text, end)
        if found := _twice(text, inside):
            return found
        inside = _skip(text, decoder.raw_decode(text, inside)[1])
    return None


def _skip(text: str, at: int) -> int:
    """Past white space and what separates."""
    while at < len(text) and text[at] in " \t\r\n,:":
        at += 1
    return at


def _app(file: _File, row: Any, path: tuple[str | int, ...]) -> App:
    if not isinstance(row, dict):
        raise file.wrong(path, "must be an object")
    platform = _text(file, row, "platform", path)
    if file.strict and platform not in WEBHOOKS:
        products = _close(platform, PRODUCTS)
        meant = PRODUCTS[products[0]].platform if products else ""
        write = f'do you mean "{meant}"?' if meant else _nearest(platform, tuple(WEBHOOKS))
        raise file.wrong((*path, "platform"), f'"{platform}" is no platform; {write}')
    file.check_keys(path, row, _APP_KEYS)
    secrets = row.get("secrets", [])
    if not isinstance(secrets, list) or not secrets or not all(isinstance(s, str) and s for s in secrets):
        raise file.wrong((*path, "secrets"), "must be a list of at least one non-empty string")
    for number, secret in enumerate(secrets):
        file.check_ends((*path, "secrets", number), secret)
    accounts = row.get("accounts", [])
    if not isinstance(accounts, list):
        raise file.wrong((*path, "accounts"), "must be a list")
    return App(
        platform=platform,
        key=_key(file, row, path),
        secrets=tuple(secrets),
        verify_token=_optional(file, row, "verify_token", path),
        app_id=_optional(file, row, "app_id", path),
        accounts=tuple(_account(file, platform, a, (*path, "accounts", n)) for n, a in enumerate(accounts)),
    )


def _account(file: _File, platform: str, row: Any, path: tuple[str | int, ...]) -> Account:
    if not isinstance(row, dict):
        raise file.wrong(path, "must be an object")
    id, product = _text(file, row, "id", path), _text(file, row, "product", path)
    products = [name for name, registered in PRODUCTS.items() if registered.platform == platform]
    if file.strict and product not in products:
        what = f'"{product}" is no product of {platform}; {_nearest(product, products)}'
        raise file.wrong((*path, "product"), what)
    file.check_keys(path, row, (*_ACCOUNT_KEYS, *(PRODUCTS[product].options if product in products else ())))
    for key, value in row.items():
        if isinstance(value, str):
            file.check_ends((*path, key), value)
    try:
        if "#" in ids.checked(id):
            raise ids.IdError('an id holds "#"')
    except ids.IdError as error:
        raise file.wrong((*path, "id"), f"cannot be used: {error}") from None
    return Account(
        id=id,
        product=product,
        name=_optional(file, row, "name", path),
        token=_optional(file, row, "token", path),
        options={k: v for k, v in row.items() if k not in _ACCOUNT_KEYS},
    )


def _optional(file: _File, row: Mapping[str, Any], name: str, path: tuple[str | int, ...]) -> str:
    return _text(file, row, name, path) if row.get(name) not in (None, "") else ""


def _key(file: _File, row: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    """The app's key, which is a part of its webhook's address."""
    key = _text(file, row, "app", path)
    if file.strict and not re.fullmatch(_KEY, key):
        raise file.wrong((*path, "app"), "is a part of the webhook's address: write letters, digits, - and _ only")
    return key


def _text(file: _File, row: Mapping[str, Any], name: str, path: tuple[str | int, ...]) -> str:
    value = row.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise file.wrong((*path, name), "must be a non-empty string")
    file.check_ends((*path, name), str(value))
    return str(value)
