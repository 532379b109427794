"""Mastodon: what customers write to the brand's account on the server that the brand has its account on.

The server's webhooks (Administration, Webhooks) tell of every post by the people of that server, so one server is one
app, with every account of the brand there. They do not tell of deletions, nor of what people of other servers write:
`backfill` lists those. `options`: `base_url`, the server's address. The app's `app_id` is the name of the application
whose token posts: by it our own posts are told from those of the brand's people.

Source: https://docs.joinmastodon.org/admin/webhooks/
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain, takewhile
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.ids import segment
from chalicelib.platforms import read
from chalicelib.platforms.base import Finding, Parsed, Refused, Reply, ReplyError, Skipped, fit, hmac_hex
from chalicelib.platforms.contract import Listed, PartContext, Product, Webhook, each, listed, signature
from chalicelib.platforms.http import Answer, Http
from chalicelib.platforms.rest import Verdicts, call, pages, seconds_to, server
from chalicelib.platforms.simulation import SHOP, Endpoint, Said, SimulatedMessage, Simulation, iso, wire

MAX_REPLY = 500  # characters, the mention in front included; a server may allow more
MAX_PAGES = 40  # of each list of a backfill, with 40 rows each

_EVENTS = {"status.created", "status.updated"}
_PUBLIC = {"public", "unlisted", ""}  # the rest is for followers, or for those who are mentioned
_LINK = re.compile(r"https?://\S+")
_LINK_WEIGHT = 23  # every link counts as that many characters
_FAR_MENTION = re.compile(r"(@\w+)@[\w.-]+")  # counts without the server's name
_VERDICTS = Verdicts(seconds=lambda answer: seconds_to(answer, "x-ratelimit-reset"))

verify = signature("x-hub-signature", hmac_hex, "sha256=")


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The one event of a delivery; most are posts that have nothing to do with the brand."""
    yield from each([read.body(body)], partial(_event, app, received_at), "mastodon")


def _event(app: App, received_at: datetime, payload: dict[str, Any]) -> Parsed:
    event, status = read.text(payload.get("event")), payload.get("object")
    if event not in _EVENTS:
        return Skipped(f"event_{event[:40] or 'empty'}", "mastodon")
    if not isinstance(status, dict):
        raise read.PayloadError("the post is not an object")
    account = next(filter(None, (app.account("mastodon", id) for id in _concerned(status))), None)
    if account is None:
        return Skipped("not_for_the_brand", "mastodon")
    return _post(PartContext(app, account, read.when(payload.get("created_at"), received_at), received_at), status)


def _concerned(status: dict[str, Any]) -> Iterator[str]:
    """Who wrote, who is answered, who is mentioned."""
    yield read.ident(read.obj(status.get("account")).get("id"))
    yield read.ident(status.get("in_reply_to_account_id"))
    yield from (read.ident(read.obj(m).get("id")) for m in read.rows(status.get("mentions")))


def _post(context: PartContext, status: dict[str, Any]) -> Interaction | Skipped:
    if status.get("reblog") is not None:
        return context.skipped("reblog")
    writer, id = read.obj(status.get("account")), read.need_ident(status.get("id"))
    author, parent = read.ident(writer.get("id")) or None, read.ident(status.get("in_reply_to_id")) or None
    at = read.when(status.get("created_at"), context.entry_at)
    edited_at = read.when(status.get("edited_at"), at)
    brand, private = context.is_brand(author), read.text(status.get("visibility")) not in _PUBLIC
    others = dict.fromkeys(other for other in _concerned(status) if other and not context.is_brand(other))
    alone = next(iter(others)) if private and len(others) == 1 else ""  # the customer, whoever of the two writes
    program = read.text(read.obj(status.get("application")).get("name"))
    return replace(
        context.interaction(status, id, _kind(status, brand=brand, told=private and bool(others)), at),
        # A thread is known by what is answered: respond looks up in which one that stands itself
        thread=alone or parent or id,
        author=author,
        author_name=read.name(writer.get("display_name")) or read.name(writer.get("username")),
        reach=read.reach(writer.get("followers_count")),
        brand=brand,
        text=_words(status),
        text_at=edited_at,
        parent=parent,
        reply_to=None if brand else read.ident(writer.get("acct")) or None,
        to=read.ident(status.get("in_reply_to_account_id")) or (alone if brand else None) or None,
        private=private,
        repliable=writer.get("bot") is not True and not (private and len(others) > 1),
        attachments=len(read.rows(status.get("media_attachments"))) + bool(status.get("poll")),
        link=read.link(status.get("url")),
        shared=not private,
        ours=brand and bool(context.app.app_id) and program == context.app.app_id,
    )


def _kind(status: dict[str, Any], *, brand: bool, told: bool) -> Kind:
    """`told`: it is a message to somebody, though it answers nothing."""
    if status.get("edited_at"):
        return Kind.EDIT
    answers = read.ident(status.get("in_reply_to_id")) != ""
    if not brand:
        return Kind.NEW if answers or told else Kind.MENTION
    own = read.ident(status.get("in_reply_to_account_id")) == read.ident(read.obj(status.get("account")).get("id"))
    return Kind.BRAND_REPLY if (answers and not own) or told else Kind.BRAND_POST


def _words(status: dict[str, Any]) -> str:
    """What stands above a folded post, and the post."""
    subject, words = read.text(status.get("spoiler_text")), read.html_text(status.get("content"))
    return f"{subject}\n{words}" if subject and words else subject or words


# --- the server's API ------------------------------------------------------------------------------------------------


def _api(http: Http, account: Account, method: str, path: str, **carried: Any) -> Answer:
    headers = {"Authorization": f"Bearer {account.token}", **carried.pop("headers", {})}
    return call(http, method, f"{server(account)}/api/v1/{path}", headers=headers, verdicts=_VERDICTS, **carried)


def weight(words: str) -> int:
    """The length of a post as Mastodon counts it, or a little more: it counts an emoji of several characters once.

    Source: https://docs.joinmastodon.org/user/posting/#text
    """
    short = _FAR_MENTION.sub(r"\1", _LINK.sub("x" * _LINK_WEIGHT, words))
    return len(short)


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them behind the mention."""
    return fit(words, MAX_REPLY - weight(_mention(interaction)), weight)


def _mention(interaction: Interaction) -> str:
    return f"@{interaction.reply_to} " if interaction.reply_to else ""


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A post that answers the customer's and mentions them, without which nobody tells them; a public one stands in no
    public list, a private one is for the customer alone.

    The claim goes along as idempotency key, so that what arrives twice is posted once. It is no leave to post again
    after no answer: the server notes the key only when the post is through.

    Source: https://docs.joinmastodon.org/methods/statuses/#create
    """
    i = reply.interaction
    if not i.reply_to:
        raise Refused("no_recipient")
    private = i.private or reply.private
    post = {
        "status": _mention(i) + wording(account, i, reply.text, reply.private),
        "in_reply_to_id": i.id,
        "visibility": "direct" if private else "unlisted",
    }
    headers = {"Idempotency-Key": reply.token}
    return read.given_id(_api(http, account, "POST", "statuses", data=post, headers=headers).data.get("id"))


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is the account's, and of the application that the apps file names. The server's webhooks can be
    seen on its own pages alone.

    Source: https://docs.joinmastodon.org/methods/apps/#verify_credentials
    """
    try:
        me = _api(http, account, "GET", "accounts/verify_credentials").data
        program = _api(http, account, "GET", "apps/verify_credentials").data
    except ReplyError as error:
        fix = "in the account's preferences, Development, make an application with the scopes read and write:statuses"
        what = f"the server does not accept the token ({error.code})"
        return [Finding(account.id, what, f"{fix}, set its access token, and set base_url to the server's address")]
    findings = []
    if read.ident(me.get("id")) != account.id:
        fix = "set the account's id to the one that GET /api/v1/accounts/verify_credentials gives"
        findings.append(Finding(account.id, "the token belongs to another account", fix))
    name = read.text(program.get("name"))
    if not app.app_id or name != app.app_id:
        fix = f'set app_id to the application\'s name, "{name}"'
        findings.append(Finding(account.id, "automatic posts cannot be told from those of people", fix))
    return findings


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
    """What mentions the account, from whichever server, and what the account posted itself, from `since` on, newest
    first. Raises ReplyError.

    Source: https://docs.joinmastodon.org/methods/notifications/#get
    and https://docs.joinmastodon.org/methods/accounts/#statuses
    """
    context = PartContext(app, account, now, now)
    mentions = (read.obj(row.get("status")) for row in _rows(http, account, "notifications", {"types[]": "mention"}))
    own = _rows(http, account, f"accounts/{segment(account.id)}/statuses", {"exclude_reblogs": "true"})
    for posts in (mentions, own):
        late = takewhile(lambda status: read.when(status.get("created_at"), now) >= since, posts)
        yield from listed(context, late, partial(_post, context))


def _rows(http: Http, account: Account, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    def turn(before: str) -> tuple[list[Any], str]:
        rows = _api(
            http, account, "GET", path, query={**query, "limit": "40", **({"max_id": before} if before else {})}
        )
        return rows.rows, read.ident(read.obj(rows.rows[-1]).get("id")) if rows.rows else ""

    return map(read.obj, chain.from_iterable(pages(turn, MAX_PAGES)))


# --- the local run ---------------------------------------------------------------------------------------------------

_DEMO = {
    "secrets": ["invented-webhook-secret-of-the-demo-shop"],
    "app_id": "Earshot",
    "accounts": [
        {"id": "109000000000000001", "name": SHOP, "token": "invented-mastodon-token"}
        | {"base_url": "https://social.marigold.example.com"}
    ],
}


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """Mastodon sends one post a delivery."""
    ((account, message),) = said
    event = "status.updated" if message.verb == "edited" else "status.created"
    body = wire({"event": event, "created_at": iso(message.at), "object": _status(app, account, message)})
    return {"X-Hub-Signature": "sha256=" + hmac_hex(secret, body)}, body


def _status(app: App, account: Account, said: SimulatedMessage) -> dict[str, Any]:
    name = (said.name or account.name).casefold().replace(" ", "_")
    return {
        "id": said.id,
        "created_at": iso(said.at),
        "in_reply_to_id": said.to or None,
        "visibility": "public",
        "url": f"https://social.marigold.example.com/@{name}/{said.id}",
        "edited_at": iso(said.at) if said.verb == "edited" else None,
        "content": f"<p>{html.escape(said.text)}</p>",
        "reblog": None,
        "application": {"name": app.app_id if said.token else "Web"},
        "account": {"id": said.author or account.id, "username": name, "acct": name, "display_name": said.name},
        "media_attachments": [],
        "mentions": [] if said.brand else [{"id": account.id, "username": "shop", "acct": "shop"}],
    }


_REPLY = Endpoint(
    re.compile(r"[^/]+/api/v1/statuses"),
    lambda path, data: (data["in_reply_to_id"], data["status"].partition(" ")[2], ""),
    lambda id: {"id": id},
)
_ECHO = "posted by the application"

WEBHOOK = Webhook(verify, parse, send, _DEMO)
PRODUCT = Product(
    name="mastodon",
    title="Mastodon",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_REPLY,), lambda p: SimulatedMessage("mastodon", p.text, id=p.id, to=p.target, token=_ECHO)),
    wording=wording,
    check=check,
    backfill=backfill,
    private_replies=True,
    brings_private_replies=True,
)
