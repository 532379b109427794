"""Instagram: comments on the brand's media, live comments, mentions elsewhere, and direct messages.

An account's options: `login` "instagram" when the app uses Instagram Login (else Facebook Login), `page_id` of the
linked Page for direct messages with Facebook Login.

Source: https://developers.facebook.com/docs/instagram-platform/webhooks
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.ids import segment
from chalicelib.platforms import read
from chalicelib.platforms.base import Finding, Parsed, Refused, Reply, Step, fit
from chalicelib.platforms.contract import Listed, PartContext, Product, listed
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta.graph import (
    ANY_GRAPH,
    GRAPH,
    check_account,
    check_fields,
    check_webhook,
    connect_fields,
    connect_webhook,
    graph,
    pages,
)
from chalicelib.platforms.meta.messenger import list_direct, parse_direct, send_direct
from chalicelib.platforms.meta.messenger import owner as owner_of_direct
from chalicelib.platforms.simulation import POST, Endpoint, SimulatedMessage, Simulation

MAX_REPLY = 1000  # characters of a comment; bytes of a direct message
FIELDS = ("comments", "live_comments", "mentions", "messages", "messaging_postbacks", "standby")
BACKFILL_MEDIA = timedelta(days=30)  # comments are looked for under media up to this much older than `since`

_INSTAGRAM_GRAPH = "https://graph.instagram.com/v25.0"


def parse_change(at: PartContext, change: dict[str, Any]) -> Iterator[Parsed]:
    """One element of `entry[].changes`."""
    field = read.text(change.get("field"))
    reader = _READERS.get(field)
    if reader is None:
        yield at.skipped(f"field_{field[:40]}")
    else:
        yield reader(at, read.obj(change["value"]))


def parse_message(at: PartContext, part: dict[str, Any]) -> Iterator[Parsed]:
    """One element of `entry[].messaging`."""
    yield parse_direct(at, part)


def parse_standby(at: PartContext, part: dict[str, Any]) -> Iterator[Parsed]:
    """One element of `entry[].standby`: another app owns the thread."""
    yield parse_direct(at, part, repliable=False)


def owner(app: App, entry_id: str, part: dict[str, Any]) -> str | None:
    """The account that a direct message is for."""
    return owner_of_direct(app, entry_id, part, "instagram")


def _comment(context: PartContext, value: dict[str, Any]) -> Interaction:
    account, entry_at = context.account.id, context.entry_at
    id, media = read.need_ident(value.get("id")), read.ident(read.obj(value.get("media")).get("id"))
    parent = read.ident(value.get("parent_id"))
    parent = "" if parent in (id, media) else parent
    sender = read.obj(value.get("from"))
    author = read.ident(sender.get("id")) or None
    # `self_ig_scoped_id` is there only when the account comments on its own media
    own = bool(read.ident(sender.get("self_ig_scoped_id"))) or _is_named(sender, context.account)
    brand = own or context.is_brand(author)
    author = author or (account if own else None)
    at = read.when(value.get("timestamp"), entry_at)
    return replace(
        context.interaction(value, id, Kind.BRAND_REPLY if brand else Kind.NEW, at),
        thread=parent or (media if brand and media else id),
        author=author,
        author_name=read.name(sender.get("username")),
        brand=brand,
        text=read.text(value.get("text")),
        text_at=at,
        parent=parent or None,
        reply_to=parent or id,  # a reply can only stand under a top-level comment
        post=media or None,
        shared=True,
    )


def _is_named(sender: dict[str, Any], account: Account) -> bool:
    """Ads' comments come without the author's id; the apps file may know the account by its username."""
    name = _username(sender).casefold()
    return bool(name) and not read.ident(sender.get("id")) and name == account.name.removeprefix("@").casefold()


def _live(context: PartContext, value: dict[str, Any]) -> Interaction:
    """A comment on a live video: it is over when somebody answers, so only a private reply is accepted."""
    return replace(_comment(context, value), private_only=True)


def _mention(context: PartContext, value: dict[str, Any]) -> Interaction:
    """A mention under or in somebody else's media: only the ids come, `fetch` brings the rest."""
    media, comment = read.ident(value.get("media_id")), read.ident(value.get("comment_id"))
    if not media and not comment:
        raise read.PayloadError("an id is missing")
    return replace(
        context.interaction(value, comment or media, Kind.MENTION, context.entry_at),
        thread=comment or media,
        text=read.text(value.get("text")),
        post=media or None,
        shared=True,
    )


_READERS: dict[str, Callable[[PartContext, dict[str, Any]], Interaction]] = {
    "comments": _comment,
    "live_comments": _live,
    "mentions": _mention,
}


def fetch(http: Http, account: Account, interaction: Interaction) -> dict[str, Any]:
    """Author and text of a mention (or of a comment that came without them). Raises ReplyError.

    The account's own username is asked for in the same call, so that a mention by the brand itself is recognised: for
    other authors Instagram tells only the username.
    Source: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/mentioned_comment
    """
    host, own = _host(account), segment(account.id)
    if not interaction.id.isalnum():  # it becomes part of an expression
        raise Refused("id")
    if interaction.kind is not Kind.MENTION:
        fields = {"fields": "from,username,text"}
        found = graph(http, account, "GET", segment(interaction.id), query=fields, host=host)
        if read.ident(read.obj(found.get("from")).get("id")):
            return _fetched(found, "", account)
        return _fetched(
            found, _username(graph(http, account, "GET", own, query={"fields": "username"}, host=host)), account
        )
    if interaction.post and interaction.post != interaction.id:
        name, expression = "mentioned_comment", f".comment_id({interaction.id}){{from,username,text,timestamp}}"
    else:
        name, expression = "mentioned_media", f".media_id({interaction.id}){{owner,username,caption,timestamp}}"
    data = graph(http, account, "GET", own, query={"fields": f"username,{name}{expression}"}, host=host)
    return _fetched(read.obj(data.get(name)), _username(data), account)


def _username(found: dict[str, Any]) -> str:
    return read.text(found.get("username"))


def _fetched(found: dict[str, Any], own_name: str, account: Account) -> dict[str, Any]:
    sender = read.obj(found.get("from")) or read.obj(found.get("owner"))
    name = _username(sender) or _username(found)
    author = read.given_id(sender.get("id")) or (f"@{name}" if name else None)
    if name and name == own_name:
        author = account.id
    words = read.text(found.get("text")) or read.text(found.get("caption"))
    return {"author": author, "author_name": read.name(name), "text": words}


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_REPLY, _bytes if private or interaction.private else len)


def _bytes(words: str) -> int:
    return len(words.encode())


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A reply under the top-level comment, a comment where the brand was mentioned, or a message (private reply, DM).

    Source: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-comment/replies
    """
    i, host = reply.interaction, _host(account)
    private = reply.private or i.private_only
    words = wording(account, i, reply.text, private)
    if i.private or private:
        if i.kind is Kind.MENTION:
            raise Refused("no_private_reply_to_a_mention")  # only a comment on the brand's own media can have one
        recipient = {"id": i.reply_to or i.thread} if i.private else {"comment_id": i.id}
        path = f"{segment(_messenger(account))}/messages"
        return send_direct(http, account, path, recipient, words, reply.token, host)
    if i.kind is Kind.MENTION:
        ids = {"media_id": i.post or i.id, **({"comment_id": i.id} if i.post not in (None, i.id) else {})}
        path, message = f"{segment(account.id)}/mentions", {**ids, "message": words}
    else:
        path, message = f"{segment(i.reply_to or i.parent or i.id)}/replies", {"message": words}
    data = graph(http, account, "POST", path, data=message, host=host)
    return read.given_id(data.get("id"))


def _host(account: Account) -> str:
    return _INSTAGRAM_GRAPH if account.options.get("login") == "instagram" else GRAPH


def _messenger(account: Account) -> str:
    """Whose `messages` and `conversations` those of this account are: the linked Page's with Facebook Login."""
    if account.options.get("login") == "instagram":
        return account.id
    return str(account.options.get("page_id") or "me")


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is valid, the account or its Page is subscribed, and the app's webhook is enabled."""
    host = _host(account)
    findings = check_account(http, account, account.id, "id,username", host)
    if host == _INSTAGRAM_GRAPH:
        findings += check_fields(http, app, account, account.id, FIELDS, host)
    elif account.options.get("page_id"):  # with Facebook Login any one field of the Page switches Instagram's on
        findings += check_fields(http, app, account, _messenger(account), (), host)
    return findings + check_webhook(http, app, account, "instagram", FIELDS)


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The subscription of the account or of its Page, then the app's webhook. Raises ReplyError."""
    host, steps = _host(account), []
    if host == _INSTAGRAM_GRAPH:
        steps = connect_fields(http, app, account, account.id, FIELDS, host)
    elif account.options.get("page_id"):
        steps = connect_fields(http, app, account, _messenger(account), ("messages",), host)
    return steps + connect_webhook(http, app, account, "instagram", FIELDS, address)


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
    """Comments since `since` under media of the 30 days before, then direct messages. Raises ReplyError.

    Source: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-media/comments
    """
    host, context = _host(account), PartContext(app, account, now, now)
    fields = "id,from,text,timestamp,parent_id"
    query = {"fields": f"{fields},replies{{{fields}}}", "limit": "50"}
    for media in pages(http, account, f"{segment(account.id)}/media", {"fields": "id,timestamp", "limit": "50"}, host):
        if read.when(media.get("timestamp"), now) < since - BACKFILL_MEDIA:
            break
        if (id := read.given_id(media.get("id"))) is None:
            continue
        comments = pages(http, account, f"{segment(id)}/comments", query, host)
        values = ({**value, "media": {"id": id}} for c in comments for value in _with_replies(c))
        found = listed(context, values, partial(_comment, context))
        yield from (f for f in found if not isinstance(f, Interaction) or f.at >= since)
    yield from list_direct(http, app, account, f"{segment(_messenger(account))}/conversations", since, now, host)


def _with_replies(comment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield comment
    replies = read.obj(comment.get("replies")).get("data")
    for reply in replies if isinstance(replies, list) else ():
        yield {"parent_id": comment.get("id"), **read.obj(reply)}


# --- the local run ---------------------------------------------------------------------------------------------------


def say(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    """Which list of an entry, and its element."""
    value = {
        "id": said.id,
        "text": said.text,
        "from": {"id": said.author or account.id, "username": said.name or account.name},
        "media": {"id": POST, "media_product_type": "FEED"},
        **({"parent_id": said.to} if said.to else {}),
    }
    return "changes", {"field": "comments", "value": value}


_REPLY = Endpoint(
    re.compile(rf"{ANY_GRAPH}/([^/]+)/replies"),
    lambda path, data: (unquote(path[1]), data["message"], ""),
    lambda id: {"id": id},
)
_MENTIONED = Endpoint(
    re.compile(rf"{ANY_GRAPH}/[^/]+/mentions"),
    lambda path, data: (data.get("comment_id") or data["media_id"], data["message"], ""),
    lambda id: {"id": id},
)
PRODUCT = Product(
    name="instagram",
    title="Instagram",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_REPLY, _MENTIONED), lambda p: SimulatedMessage("instagram", p.text, id=p.id, to=p.target)),
    wording=wording,
    fetch=fetch,
    check=check,
    connect=connect,
    backfill=backfill,
    private_replies=True,
    brings_private_replies=True,
    tags_people=True,  # a comment that begins with a name shows the post to that person
    inbox="https://www.instagram.com/direct/inbox/",
)
