"""What every platform's file provides, the errors it raises, and the few things that all of them need.

A platform is a module. Its webhook side is `challenge`, `verify` and `parse`; its reply side is `reply` and what goes
with it. ADDING_A_PLATFORM.md walks through one.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypedDict, Unpack

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction
from chalicelib.platforms.http import Answer, ConnectionRefused, Http, NoAnswer, json_body

MAX_BODY = 1024 * 1024  # bytes; a platform that sends more says so in its own file
MAX_DEPTH = 40  # levels of JSON; the deepest documented payload has 9
MAX_TEXT = 10_000  # characters of one interaction that are kept; no platform allows a customer more
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class SignatureError(Exception):
    """The delivery is not proven to come from the platform."""


class PayloadError(Exception):
    """The body, or one part of it, is not what the platform documents. The message never quotes the payload."""


class TooLarge(PayloadError):
    """The body is larger than the platform ever sends."""


class ReplyError(Exception):
    """A reply was not sent; `code` is the platform's own error code."""

    def __init__(self, code: str = "") -> None:
        super().__init__(code)
        self.code = code


class NotSent(ReplyError):
    """A definite no that may be tried again after `wait`: rate limits, connections refused, temporary failures."""

    def __init__(self, code: str = "", wait: timedelta = timedelta(seconds=60)) -> None:
        super().__init__(code)
        self.wait = wait


class Refused(ReplyError):
    """A definite no for this reply, for good."""


class WindowClosed(Refused):
    """The platform's messaging window for this customer is closed."""


class TokenInvalid(ReplyError):
    """The account's token is expired or lacks a permission: stop replying for that account until it is renewed."""


class OutcomeUnknown(ReplyError):
    """The reply may have been posted: never post it again."""


class Unsupported(Exception):
    """The platform has no way to do this (list what was missed, for example)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A delivery as it came: header names in lower case, the body's raw bytes."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a delivery with nothing to answer (a reaction, a status) or of no concern; counted by `reason`."""

    reason: str
    product: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Poison:
    """A part that could not be understood: quarantined with the `reason`, while the rest of the delivery goes on."""

    reason: str
    raw: str = field(repr=False)
    product: str = ""
    account: str = ""


Parsed = Interaction | Skipped | Poison

FOREIGN = "foreign_account"  # a part for an account that does not belong to the app which signed it
TEST = "test_delivery"  # sent by the platform's own test button


@dataclass(frozen=True, slots=True)
class Reply:
    """One automatic reply. `token` is its claim, to be carried along where the platform hands it back; `private`
    asks for a private message where the interaction is public; `at` is now, for a platform that has it signed."""

    interaction: Interaction
    text: str
    token: str
    private: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What `check` found wrong with a registration, and how to fix it."""

    account: str
    what: str
    fix: str


class Webhook(Protocol):
    """The webhook side of a platform's module. It may also have

    - `prepare(http, app, request) -> None`: called before `verify` where keys must be fetched first; raises nothing;
    - `content(request) -> bytes`: called after `verify`, what `parse` gets instead of the raw body, where only the
      headers say what happened.
    """

    def challenge(self, app: App, query: Mapping[str, str]) -> Response:
        """The answer to the platform's handshake (GET)."""

    def verify(self, app: App, request: Request) -> None:
        """Returns when `request` is proven to come from the platform; raises SignatureError."""

    def parse(self, app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
        """Every part of the delivery; raises PayloadError when the body as a whole is not one."""


class Product(Protocol):
    """The reply side of a product's module. It may also have

    - `fetch(http, account, interaction) -> dict`: author, author_name and text where a delivery leaves them out;
    - `wording(account, interaction, words, private) -> str`: `words` as `reply` will post them (cut, links removed), so
      that a claim holds the text that an echo will bring back;
    - `INBOX`: the address where people read and answer direct messages, with {account} for the account's id;
    - `check(http, app, account) -> list[Finding]`: what is wrong with the registration, and how to fix it;
    - `backfill(http, app, account, since, now) -> Iterator[Interaction]`: what the platform can list of a time when
      no deliveries came; raises Unsupported where it cannot.
    - `TAGS_PEOPLE = True`: a comment that begins with a name calls that person, also below the brand's own posts;
    - `THREADS_HAVE_AN_OWNER = True`: a thread belongs to who began it, and others answer each other there.

    All that take `http` raise ReplyError.
    """

    MAX_REPLY: int

    def reply(self, http: Http, app: App, account: Account, reply: Reply) -> str | None:
        """Posts once and returns the platform's id of the reply; raises ReplyError."""


# --- reading payloads: tolerant of integers for ids, missing fields and hostile text ---------------------------------

MALFORMED = (PayloadError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; raises PayloadError when it is not one or is nested deeper than MAX_DEPTH."""
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise PayloadError("the body is not JSON") from None
    if not isinstance(data, dict):
        raise PayloadError("the body is not a JSON object")
    if _depth(data, MAX_DEPTH) > MAX_DEPTH:
        raise PayloadError("the body is nested too deeply")
    return data


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _depth(value: Any, most: int) -> int:
    level, values = 0, [value]
    while values and level <= most:
        level += 1
        values = [
            v
            for parent in values
            for v in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(v, dict | list)
        ]
    return level


def obj(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Any]:
    """`value` if it is a JSON array, an empty list if it is missing; raises PayloadError on anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise PayloadError("expected a list")
    return value


def text(value: Any) -> str:
    """`value` as text that can be stored: lone surrogates replaced, MAX_TEXT characters at most; "" if it is none."""
    if not isinstance(value, str):
        return ""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode()


def ident(value: Any) -> str:
    """An id, whether sent as integer or string; "" when there is none; raises PayloadError when it cannot be one."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 512:
        raise PayloadError("not an id")
    return text(str(value))


def given_id(value: Any) -> str | None:
    """The id that a platform gave to a reply. The reply is out by then, so an odd or missing id must not raise."""
    return text(str(value))[:512] or None if isinstance(value, str | int) and not isinstance(value, bool) else None


def need_ident(value: Any) -> str:
    """Like `ident`, but raises PayloadError when there is none."""
    found = ident(value)
    if not found:
        raise PayloadError("an id is missing")
    return found


def when(value: Any, default: datetime) -> datetime:
    """The time that a platform wrote as seconds or milliseconds since 1970 or as ISO 8601; `default` when missing or
    impossible. A time outside EARLIEST…LATEST is impossible: arithmetic with it would overflow."""
    try:
        if isinstance(value, str) and not value.isdigit():
            time = datetime.fromisoformat(value)
            time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        else:
            seconds = int(value)
            time = datetime.fromtimestamp(seconds / 1000 if seconds > 100_000_000_000 else seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return default
    return time if EARLIEST <= time <= LATEST else default


def only_account(app: App, product: str) -> str:
    """The id of the app's account of `product` where it has just one, else "": for deliveries that name none."""
    ids = [a.id for a in app.accounts if a.product == product]
    return ids[0] if len(ids) == 1 else ""


def reason(error: Exception) -> str:
    """Why a part could not be understood, without quoting it."""
    return str(error) if isinstance(error, PayloadError) else type(error).__name__


def raw(value: Any) -> str:
    """The platform's own JSON of one part, to keep beside what was understood of it."""
    return json.dumps(value, separators=(",", ":"))


# --- replying: once, and short enough --------------------------------------------------------------------------------


def fit(words: str, limit: int, size: Callable[[str], int] = len) -> str:
    """`words`, cut at the end of a word with an ellipsis where its `size` is more than `limit`."""
    if size(words) <= limit:
        return words
    low, high = 0, len(words)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        if size(words[:middle] + "…") <= limit:
            low = middle
        else:
            high = middle - 1
    cut = words[:low]
    if low < len(words) and not words[low].isspace() and " " in cut[low // 2 :]:
        cut = cut[: cut.rindex(" ")]
    return cut.rstrip(" \n,;:–-") + "…"


class Call(TypedDict, total=False):
    """What a call may carry: `data` is sent as JSON, `body` as it is."""

    headers: Mapping[str, str] | None
    query: Mapping[str, str] | None
    data: Mapping[str, Any] | None
    body: bytes | None


def call_once(http: Http, method: str, url: str, **call: Unpack[Call]) -> Answer:
    """One request; its answer whatever the status. Raises NotSent or OutcomeUnknown when there is none."""
    data = call.get("data")
    body = call.get("body") if data is None else json_body(data)
    try:
        return http.request(method, url, headers=call.get("headers"), query=call.get("query"), body=body)
    except ConnectionRefused:
        raise NotSent("connection_refused") from None
    except NoAnswer:
        raise OutcomeUnknown("no_answer") from None


# --- signatures: over the raw bytes, in constant time, with every secret ---------------------------------------------


def hmac_hex(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def hmac_base64(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def same(given: str, expected: str) -> bool:
    """Constant-time comparison that any header value survives."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def verify_any(given: str | None, expected: Iterable[str]) -> None:
    """Raises SignatureError unless `given` is one of `expected`; no secret means that nothing passes."""
    if given is None:
        raise SignatureError("the signature is missing")
    if not any([same(given, candidate) for candidate in expected]):
        raise SignatureError("the signature does not match")
