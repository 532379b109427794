"""What a platform's own file provides: `WEBHOOK`, and `PRODUCT` for each product that its accounts can be of.

Members without a default are what every platform has; each default says what holds where the platform says nothing.
ADDING_A_PLATFORM.md walks through one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from chalicelib import ids
from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import (
    FOREIGN,
    Finding,
    Parsed,
    Poison,
    Reply,
    Request,
    Response,
    Skipped,
    Step,
    Unsupported,
    verify_any,
)
from chalicelib.platforms.http import Http
from chalicelib.platforms.read import MALFORMED, is_friendly, kept, raw, reason
from chalicelib.platforms.simulation import Sender, Simulation

MAX_BODY = 1024 * 1024  # bytes


class PartContext(NamedTuple):
    """Where a part of a delivery stands: the registration that signed it, the account that it is for, when its entry
    says that it happened, and when it came."""

    app: App
    account: Account
    entry_at: datetime
    received_at: datetime

    def same(self, part: Any) -> dict[str, Any]:
        """The fields of an Interaction that are the same for every one that `part` tells of."""
        account, app = self.account, self.app
        return {
            "product": account.product,
            "account": account.id,
            "received_at": self.received_at,
            "app": app.key,
            "raw": kept(part),
        }

    def interaction(self, part: Any, id: str, kind: Kind, at: datetime) -> Interaction:
        """What `part` tells of the object `id`, with all that is the same for every part; the rest by `replace`."""
        return Interaction(id=id, kind=kind, at=at, text_at=at, **self.same(part))

    def skipped(self, reason: str) -> Skipped:
        """Nothing to do in this part; `reason` is a label with at most 40 characters of the payload's own."""
        return Skipped(reason, self.account.product, self.account.id)

    def is_brand(self, author: str | None) -> bool:
        """Whether `author` is an account of the brand."""
        return author is not None and self.app.is_brand(self.account.product, author)


# --- the webhook side ------------------------------------------------------------------------------------------------


def no_keys(http: Http, app: App, request: Request) -> None:
    """Nothing has to be fetched before `verify`."""


def whole_body(request: Request) -> bytes:
    """The body says everything."""
    return request.body


def posts_only(app: App, query: Mapping[str, str]) -> Response:
    """There is no handshake."""
    return Response(405, "deliveries are posted here")


def signature(header: str, sign: Callable[[str, bytes], str], prefix: str = "") -> Callable[[App, Request], None]:
    """The `verify` of a platform that signs the raw bytes: `header` (lower case) holds `prefix` and what `sign` makes
    of one of the secrets and the body."""

    def verify(app: App, request: Request) -> None:
        verify_any(request.headers.get(header), [prefix + sign(secret, request.body) for secret in app.secrets])

    return verify


def each(
    parts: Iterable[Any], read_part: Callable[[Any], Parsed | Iterator[Parsed]], product: str = "", account: str = ""
) -> Iterator[Parsed]:
    """What `read_part` makes of each part; one that cannot be understood is poison and stops no other. `product` and
    `account` are whose they are, as far as it is known before they are read."""
    for part in parts:
        try:
            found = read_part(part)
            yield from (found,) if isinstance(found, Interaction | Skipped | Poison) else tuple(found)
        except MALFORMED as error:
            yield Poison(reason(error), raw(part), product, account)


Listed = Interaction | Poison


def listed(
    context: PartContext, rows: Iterable[Any], read_row: Callable[[Any], Parsed | Iterator[Parsed]]
) -> Iterator[Listed]:
    """What a `backfill` gives: the interactions in the rows of a list, and what could not be understood of them."""
    found = each(rows, read_row, context.account.product, context.account.id)
    return (f for f in found if not isinstance(f, Skipped))


def for_the_account(
    app: App,
    product: str,
    received_at: datetime,
    payload: dict[str, Any],
    read_payload: Callable[[PartContext, dict[str, Any]], Parsed | Iterator[Parsed]],
) -> Iterator[Parsed]:
    """What `read_payload` makes of a delivery that names no account: it is for the one that the app has."""
    account = next((a for a in app.accounts if a.product == product), None)
    if account is None:
        yield Skipped(FOREIGN, product)
        return
    context = PartContext(app, account, received_at, received_at)
    yield from each([payload], partial(read_payload, context), product, account.id)


class Webhook(NamedTuple):
    """Both what comes in at /webhooks/{platform}/{app} and how the local run makes it.

    - `verify(app, request)` returns when the request is proven to come from the platform; raises SignatureError;
    - `parse(app, body, received_at)`: every part of the delivery; raises PayloadError when the body is none as a whole;
    - `send(app, said, secret)`: headers and body of one signed delivery that tells what was `said`;
    - `demo`: the invented shop's registration on this machine, as in the apps file;
    - `challenge(app, query)`: the answer to the platform's handshake (GET), where it has one;
    - `asks_erasure(app, body)`: who asks to be erased in what is posted to /erasure/{platform}/{app}, by an id of the
      app's own; raises SignatureError, PayloadError; None where the platform tells of no such wish;
    - `prepare(http, app, request)` is called before `verify` where keys must be fetched first; raises nothing;
    - `content(request)` is called after `verify`: what `parse` gets instead of the raw body, where only the headers say
      what happened;
    - `max_body`: the largest body in bytes.
    """

    verify: Callable[[App, Request], None]
    parse: Callable[[App, bytes, datetime], Iterator[Parsed]]
    send: Sender
    demo: Mapping[str, Any]
    challenge: Callable[[App, Mapping[str, str]], Response] = posts_only
    asks_erasure: Callable[[App, bytes], str] | None = None
    prepare: Callable[[Http, App, Request], None] = no_keys
    content: Callable[[Request], bytes] = whole_body
    max_body: int = MAX_BODY

    def read(self, app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
        """The parts in what `content` made of a verified delivery, each with ids that can be stored: receive, respond
        and replay read through this. Raises PayloadError."""
        return map(_tapped, map(storable, self.parse(app, body, received_at)))


def _tapped(parsed: Parsed) -> Parsed:
    """A customer's thumbs, hearts and smiles alone are no question, wherever they stand."""
    friendly = isinstance(parsed, Interaction) and not parsed.brand and is_friendly(parsed.text)
    return replace(parsed, tap=True) if friendly and isinstance(parsed, Interaction) else parsed


def storable(parsed: Parsed) -> Parsed:
    """`parsed` itself, or why its ids cannot be any."""
    if not isinstance(parsed, Interaction):
        return parsed
    i = parsed
    try:
        ids.all_checked((i.id, *filter(None, (i.thread, i.author, i.parent, i.reply_to, i.to, i.post))))
    except ids.IdError as error:
        return Poison(str(error), i.raw, i.product, i.account)
    return parsed


# --- the reply side --------------------------------------------------------------------------------------------------


def as_they_are(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """The reply is posted in the playbook's own words."""
    return words


def nothing_left_out(http: Http, account: Account, interaction: Interaction) -> dict[str, Any]:
    """Deliveries say everything."""
    return {}


def nobody_tells(http: Http, app: App, account: Account, user: str) -> tuple[str, ...] | None:
    """There is no way from the id that an app knows somebody by to the one that this account does."""
    return None


def unchecked(http: Http, app: App, account: Account) -> list[Finding]:
    """There is nothing to ask."""
    return []


def by_hand(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The platform has no API for it."""
    return [Step(f"give {address} to the platform in its own console or pages (README, the platforms)")]


def not_listed(why: str) -> Callable[[Http, App, Account, datetime, datetime], Iterator[Listed]]:
    """The `backfill` of a platform that lists no past messages; `why` goes to whoever asks."""

    def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
        raise Unsupported(why)

    return backfill


_unlisted = not_listed("the platform lists no past messages")


class Product(NamedTuple):
    """How one of the brand's accounts answers, and what people call the place. All that take `http` raise ReplyError.

    - `name` stands in the apps file, `title` in an e-mail ("waiting on Facebook"), `titles` in other languages' ones;
    - `max_reply`: the longest reply, in the unit that the platform counts;
    - `reply(http, app, account, reply)` posts once and returns the platform's id of the reply;
    - `simulation`: how the local run speaks on it, and what its API answers there and in a replay;
    - `wording(account, interaction, words, private)`: `words` as `reply` will post them (cut, links removed), so that a
      claim holds the text that an echo will bring back;
    - `fetch(http, account, interaction)`: the interaction's fields that a delivery leaves out, and under `more` the
      interactions that come to light with it; of an `unproven` one, whether it is `deleted`;
    - `check(http, app, account)`: what is wrong with the registration, and how to fix it;
    - `connect(http, app, account, address)`: what is left to do until it delivers to `address`; none where all is done;
    - `backfill(http, app, account, since, now)`: what the platform can list of a time when no deliveries came; raises
      Unsupported where it cannot;
    - `ids_of(http, app, account, user)`: under which ids the account knows the person whom the app knows as `user`;
      None where the platform does not say;
    - `one_form(id)`: the one form of a customer's id to which all others lead, where it can be written in several;
    - `tells_answers`: whether it tells of what people of the brand write there; where it does not, a conversation is
      marked answered from the e-mail;
    - `tags_people`: a comment that begins with a name calls that person, also below the brand's own posts;
    - `threads_have_an_owner`: a thread belongs to who began it, and others answer each other there;
    - `called_by`: options of an account that hold a name by which people there call it, besides the account's own, or
      a list of its people's names;
    - `private_replies`: whether a public interaction can be answered by a private message;
    - `brings_private_replies`: whether such messages come back among its own;
    - `inbox`: the address where people read and answer direct messages, with {account} for the account's id.
    """

    name: str
    title: str
    max_reply: int
    reply: Callable[[Http, App, Account, Reply], str | None]
    simulation: Simulation
    wording: Callable[[Account, Interaction, str, bool], str] = as_they_are
    fetch: Callable[[Http, Account, Interaction], dict[str, Any]] = nothing_left_out
    check: Callable[[Http, App, Account], list[Finding]] = unchecked
    connect: Callable[[Http, App, Account, str], list[Step]] = by_hand
    backfill: Callable[[Http, App, Account, datetime, datetime], Iterator[Listed]] = _unlisted
    ids_of: Callable[[Http, App, Account, str], tuple[str, ...] | None] = nobody_tells
    one_form: Callable[[str], str] = str
    tells_answers: bool = True
    tags_people: bool = False
    threads_have_an_owner: bool = False
    called_by: tuple[str, ...] = ()
    private_replies: bool = False
    brings_private_replies: bool = False
    inbox: str = ""
    titles: Mapping[str, str] = MappingProxyType({})

    def named(self, language: str) -> str:
        """What people call it in `language`."""
        return self.titles.get(language, self.title)
