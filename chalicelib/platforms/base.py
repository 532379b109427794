"""What platforms and handlers speak of: requests, parts of deliveries, replies, the errors; and what every platform's
file needs for signatures and for posting once."""

import base64
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict, Unpack

from chalicelib.conversations.interaction import Interaction
from chalicelib.platforms.http import Answer, ApiCall, ConnectionRefused, Http, NoAnswer, json_body
from chalicelib.platforms.read import PayloadError


class SignatureError(Exception):
    """The delivery is not proven to come from the platform."""


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


class Blocked(ReplyError):
    """The platform holds the account's replies for a while (a temporary block, credits used up): a definite no. Nothing
    is to be posted for `wait`, because trying would prolong it."""

    def __init__(self, code: str = "", wait: timedelta = timedelta(hours=2)) -> None:
        super().__init__(code)
        self.wait = wait


class OutcomeUnknown(ReplyError):
    """The reply may have been posted: never post it again."""


class Unsupported(Exception):
    """The platform has no way to do this (list what was missed, for example)."""


class Request(NamedTuple):
    """A delivery as it came: header names in lower case, the body's raw bytes."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    received_at: datetime


class Response(NamedTuple):
    status: int
    body: str = ""
    content_type: str = "text/plain"


class Skipped(NamedTuple):
    """A part of a delivery with nothing to answer (a reaction, a status) or of no concern; counted by `reason`."""

    reason: str
    product: str = ""
    account: str = ""


class Poison(NamedTuple):
    """A part that could not be understood: quarantined with the `reason`, while the rest of the delivery goes on."""

    reason: str
    raw: str
    product: str = ""
    account: str = ""

    def __repr__(self) -> str:
        return f"Poison({self.reason!r}, {self.product!r}, {self.account!r})"  # `raw` is a customer's


Parsed = Interaction | Skipped | Poison

FOREIGN = "foreign_account"  # a part for an account that does not belong to the app which signed it
TEST = "test_delivery"  # sent by the platform's own test button


class Reply(NamedTuple):
    """One automatic reply. `token` is its claim, to be carried along where the platform hands it back; `private`
    asks for a private message where the interaction is public; `at` is now, for a platform that has it signed."""

    interaction: Interaction
    text: str
    token: str
    at: datetime
    private: bool = False


class Finding(NamedTuple):
    """What `check` found wrong with a registration, and how to fix it."""

    account: str
    what: str
    fix: str


class Step(NamedTuple):
    """What is left to do before deliveries of an account come: `do` does it through the platform's API and raises
    ReplyError; without one a person has to."""

    what: str
    do: Callable[[], object] | None = None


def in_place_of(before: str, address: str) -> str:
    """`address`, and which other one it replaces; `before` is "" where there was none."""
    return f"{address}, in place of {before}" if before and before != address else address


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


class Carried(TypedDict, total=False):
    """What a call may carry: `data` is sent as JSON, `body` as it is."""

    headers: Mapping[str, str] | None
    query: Mapping[str, str] | None
    data: Mapping[str, Any] | None
    body: bytes | None


def call_once(http: Http, method: str, url: str, **carried: Unpack[Carried]) -> Answer:
    """One request; its answer whatever the status. Raises NotSent or OutcomeUnknown when there is none."""
    data = carried.get("data")
    body = carried.get("body") if data is None else json_body(data)
    try:
        return http.request(ApiCall(method, url, carried.get("headers") or {}, carried.get("query") or {}, body or b""))
    except ConnectionRefused:
        raise NotSent("connection_refused") from None
    except NoAnswer:
        raise OutcomeUnknown("no_answer") from None


# --- signatures: over the raw bytes, in constant time, with every secret ---------------------------------------------


def hmac_hex(secret: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), body, "sha256").hex()


def hmac_base64(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def same(given: str, expected: str) -> bool:
    """Constant-time comparison that any header value survives."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def verify_any(given: str | None, expected: Iterable[str]) -> None:
    """Raises SignatureError unless `given` is one of `expected`; no secret means that nothing passes."""
    if given is None:
        raise SignatureError("the signature is missing")
    if not any([same(given, candidate) for candidate in expected]):
        raise SignatureError("the signature does not match")
