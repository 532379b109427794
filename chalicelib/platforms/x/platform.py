"""X: posts that mention, answer or quote the brand, its own posts and answers, and direct messages.

Both webhooks are understood: the X Activity API (one event a delivery) and the older Account Activity API (lists). The
first names a thread by `conversation_id`; the second does not, so there each customer's post is a thread of its own and
the brand's answer stands in the thread of what it answers.

The registration's secrets are the app's consumer secrets, its app_id the app's id. An account's options: `allow_links`
keeps links in posts (X charges more for those, so else they are removed); `app_token`, the app's bearer token, lets
`check` see the webhook and the subscriptions. Messages stand in messages.py, what goes out in api.py.

Source: https://docs.x.com/x-api/activity/event-payloads
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    FOREIGN,
    Parsed,
    Poison,
    Request,
    Response,
    SignatureError,
    Skipped,
    hmac_base64,
    verify_any,
)
from chalicelib.platforms.contract import Listed, PartContext, Product, Webhook, each, listed
from chalicelib.platforms.http import Http
from chalicelib.platforms.x.api import MAX_REPLY, check, connect, list_direct, list_mentions, reply, wording
from chalicelib.platforms.x.messages import called, chat, direct, is_bot, reach, said, spoken_of, users_by_id
from chalicelib.platforms.x.simulation import DEMO, SIMULATION, send

# X's tokens are UUIDs and base64; a body begins with a brace, and what keys are derived from holds spaces
_CRC_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{1,128}={0,2}", re.ASCII)
_CREATED = "%a %b %d %H:%M:%S %z %Y"  # how the Account Activity API writes times


def challenge(app: App, query: Mapping[str, str]) -> Response:
    """The CRC: the token signed with the consumer secret. X repeats it hourly and drops a webhook that fails it.

    Anybody may ask, and deliveries are verified with the same secret: so only what looks like one of X's tokens is
    signed, and `verify` refuses a body that does.

    Source: https://docs.x.com/x-api/webhooks/introduction
    """
    token = query.get("crc_token", "")
    if not _CRC_TOKEN.fullmatch(token) or not app.secrets:
        return Response(400, "crc_token is missing, or none that X sends")
    signed = hmac_base64(app.secrets[0], token.encode())
    return Response(200, read.raw({"response_token": f"sha256={signed}"}), "application/json")


def verify(app: App, request: Request) -> None:
    """x-twitter-webhooks-signature: base64, not hex, over the raw bytes, with the current or a previous secret."""
    if _CRC_TOKEN.fullmatch(request.body.decode("latin-1")):
        raise SignatureError("the body is a handshake's token, which anybody can have signed")
    expected = ["sha256=" + hmac_base64(secret, request.body) for secret in app.secrets]
    verify_any(request.headers.get("x-twitter-webhooks-signature"), expected)


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The event of an X Activity delivery, or every element of an Account Activity one."""
    payload = read.body(body)
    if "for_user_id" in payload or _LISTS.keys() & payload.keys():
        yield from _account_activity(app, payload, received_at)
        return
    data = payload.get("data", payload)
    events = data if isinstance(data, list) else [data]
    yield from each(events, partial(_activity, app, received_at), "x")


# --- X Activity API --------------------------------------------------------------------------------------------------

_POSTS = {
    "post.create": Kind.NEW,
    "post.mention.create": Kind.MENTION,
    "post.reply.create": Kind.NEW,
    "post.quote.create": Kind.NEW,
}
_MESSAGES = {"dm.received", "dm.sent"}
_CHAT = {"chat.received", "chat.sent"}


def _activity(app: App, received_at: datetime, event: Any) -> Iterator[Parsed]:
    if not isinstance(event, dict) or "event_type" not in event:
        yield Skipped("event_empty", "x")
        return
    type_, payload = read.text(event.get("event_type")), read.obj(event.get("payload"))
    id = read.ident(read.obj(event.get("filter")).get("user_id"))
    if not id and (type_ in _POSTS or type_ in _MESSAGES):
        id = spoken_of(app, payload)
    account = app.account("x", id)
    if not id:  # a filter by keyword, or none: the news, or a revoked permission
        yield Skipped(f"event_{type_[:40]}", "x")
    elif account is None:
        yield Skipped(FOREIGN, "x", id)
    else:
        yield from _event(PartContext(app, account, received_at, received_at), type_, payload, event)


def _event(context: PartContext, type_: str, payload: dict[str, Any], event: dict[str, Any]) -> Iterator[Parsed]:
    if type_ in _POSTS:
        names = users_by_id(read.obj(event.get("includes")).get("users"))
        if type_ == "post.create" and not payload.get("author_id"):
            payload = payload | {"author_id": context.account.id}
        yield _post(context, _POSTS[type_], payload, names)
    elif type_ == "post.delete":
        yield _deletion(context, payload.get("id"), payload.get("author_id"), context.received_at)
    elif type_ in _MESSAGES:
        names = users_by_id(read.obj(payload.get("users")))
        several = "direct_message_events" in payload
        for message in read.rows(payload.get("direct_message_events")) if several else [payload]:
            yield direct(context, read.obj(message), names)
    elif type_ in _CHAT:
        yield chat(context, payload)
    else:
        yield context.skipped(f"event_{type_[:40]}")


def _post(
    context: PartContext, kind: Kind, post: dict[str, Any], users: dict[str, dict[str, Any]]
) -> Interaction | Skipped:
    references = {
        read.text(read.obj(r).get("type")): read.ident(read.obj(r).get("id"))
        for r in read.rows(post.get("referenced_tweets"))
    }
    if "retweeted" in references:
        return context.skipped("retweet")
    latest, author = read.need_ident(post.get("id")), read.ident(post.get("author_id")) or None
    versions = [read.ident(v) for v in read.rows(post.get("edit_history_tweet_ids"))]
    id = versions[0] if versions and versions[0] else latest
    parent = references.get("replied_to") or read.ident(post.get("in_reply_to_tweet_id")) or None
    at = read.when(post.get("created_at"), context.received_at)
    note = read.obj(post.get("note_tweet"))
    profile = users.get(author or "", {})
    media = read.rows(read.obj(post.get("attachments")).get("media_keys"))
    found = replace(
        context.interaction(post, id, kind, at),
        thread=read.ident(post.get("conversation_id")) or id,
        author=author,
        author_name=called(profile),
        reach=reach(profile),
        text=said(note.get("text"), post, note) or said(post.get("text"), post),
        parent=parent,
        reply_to=latest if latest != id else None,
        attachments=len(media),
        repliable=not is_bot(profile),
        link=f"https://x.com/i/status/{latest}",
        shared=True,
    )
    return _branded(context, found, read.ident(post.get("in_reply_to_user_id")), edited=latest != id)


def _branded(context: PartContext, post: Interaction, answered: str, *, edited: bool) -> Interaction:
    """`post` with the brand's own told apart; one that continues the brand's own thread answers nobody."""
    brand = context.is_brand(post.author)
    kind = post.kind
    if brand:
        answers = post.parent or post.thread not in ("", post.id)  # an edit's first version stands in `id`
        kind = Kind.BRAND_REPLY if answers and answered != post.author else Kind.BRAND_POST
    return replace(post, brand=brand, kind=Kind.EDIT if edited else kind, to=answered or None)


def _deletion(context: PartContext, id: Any, author: Any, at: datetime) -> Interaction:
    """A deletion names the post and its author, not the thread."""
    writer = read.ident(author) or None
    found = context.interaction({}, read.need_ident(id), Kind.DELETE, at)
    return replace(found, author=writer, brand=context.is_brand(writer), raw="", shared=True)


# --- Account Activity API --------------------------------------------------------------------------------------------


def _account_activity(app: App, payload: dict[str, Any], received_at: datetime) -> Iterator[Parsed]:
    try:
        id = read.ident(payload.get("for_user_id")) or spoken_of(app, payload)
        lists = [(name, read.rows(value)) for name, value in payload.items() if isinstance(value, list)]
        users = users_by_id(read.obj(payload.get("users")))
    except read.MALFORMED as error:
        yield Poison(read.reason(error), read.raw(payload), "x")
        return
    account = app.account("x", id)
    for name, parts in lists:
        if account is None:
            yield from (Skipped(FOREIGN, "x", id) for _ in parts)
        else:
            context = PartContext(app, account, received_at, received_at)
            yield from each(parts, partial(_listed, context, name, users), "x", id)


def _listed(context: PartContext, name: str, users: dict[str, dict[str, Any]], part: Any) -> Parsed:
    reader = _LISTS.get(name)
    return reader(context, read.obj(part), users) if reader else context.skipped(f"event_{read.text(name)[:40]}")


def _tweet(context: PartContext, tweet: dict[str, Any], users: dict[str, dict[str, Any]]) -> Interaction | Skipped:
    if tweet.get("retweeted_status") is not None:
        return context.skipped("retweet")
    account = context.account.id
    user, whole = read.obj(tweet.get("user")), read.obj(tweet.get("extended_tweet"))
    parent = _id(tweet, "in_reply_to_status_id") or None
    latest, author = read.need_ident(_id(tweet, "id")), _id(user, "id") or None
    history = read.obj(tweet.get("edit_history"))  # an edit comes as a new post that names the first one
    versions = [read.ident(v) for v in read.rows(history.get("edit_tweet_ids"))]
    id = read.ident(history.get("initial_tweet_id")) or next(filter(None, versions), latest)
    at = _time(tweet, context.received_at)
    entities = [read.obj(source.get(key)) for source in (tweet, whole) for key in ("entities", "extended_entities")]
    media = max((read.rows(e.get("media")) for e in entities), key=len)
    mentioned = account in {_id(read.obj(m), "id") for e in entities for m in read.rows(e.get("user_mentions"))}
    mentioned = mentioned or account == _id(tweet, "in_reply_to_user_id")  # a post that begins with the name
    kind = Kind.MENTION if mentioned and not parent else Kind.NEW
    found = replace(
        context.interaction(tweet, id, kind, at),
        author=author,
        author_name=called(user),
        reach=reach(user),
        text=said(whole.get("full_text") or tweet.get("full_text") or tweet.get("text"), tweet, whole),
        parent=parent,
        attachments=len(media),
        link=f"https://x.com/i/status/{latest}",
        reply_to=latest if latest != id else None,
        shared=True,
    )
    found = _branded(context, found, _id(tweet, "in_reply_to_user_id"), edited=latest != id)
    conversation = _id(tweet, "conversation_id")
    return replace(found, thread=conversation or (parent if found.brand and parent else id))


def _id(source: dict[str, Any], key: str) -> str:
    """An id, from its string form first: the integer has lost digits when a JavaScript program has passed it on."""
    return read.ident(source.get(f"{key}_str")) or read.ident(source.get(key))


def _time(tweet: dict[str, Any], received_at: datetime) -> datetime:
    written = tweet.get("created_at")
    try:
        at = datetime.strptime(written, _CREATED).astimezone(UTC) if isinstance(written, str) else None
    except (ValueError, OverflowError):
        at = None
    return read.when(at.isoformat() if at else tweet.get("timestamp_ms") or written, received_at)


def _tweet_deletion(context: PartContext, part: dict[str, Any], users: dict[str, dict[str, Any]]) -> Interaction:
    status = read.obj(part.get("status"))
    at = read.when(part.get("timestamp_ms"), context.received_at)
    return _deletion(context, _id(status, "id"), _id(status, "user_id"), at)


_Reader = Callable[[PartContext, dict[str, Any], dict[str, dict[str, Any]]], Interaction | Skipped]
_LISTS: dict[str, _Reader] = {
    "tweet_create_events": _tweet,
    "direct_message_events": direct,
    "tweet_delete_events": _tweet_deletion,
}


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
    """Mentions and direct messages since `since`. Raises ReplyError.

    X can also send its deliveries of the last 24 h again (POST /2/webhooks/replay); they come by the webhook then.
    Source: https://docs.x.com/x-api/users/get-mentions
    """
    context = PartContext(app, account, now, now)
    for posts, users in list_mentions(http, app, account, since):
        names = users_by_id(users)
        yield from listed(context, map(read.obj, posts), partial(_mention, context, names))
    for messages, users in list_direct(http, app, account):
        names = users_by_id(users)
        for found in listed(context, map(read.obj, messages), partial(_direct, context, names)):
            if isinstance(found, Interaction) and found.at < since:
                return
            yield found


def _mention(context: PartContext, users: dict[str, dict[str, Any]], post: dict[str, Any]) -> Parsed:
    return _post(context, Kind.MENTION, post, users)


def _direct(context: PartContext, users: dict[str, dict[str, Any]], message: dict[str, Any]) -> Parsed:
    return direct(context, message, users)


WEBHOOK = Webhook(verify, parse, send, DEMO, challenge=challenge)
PRODUCT = Product(
    name="x",
    title="X",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=SIMULATION,
    wording=wording,
    check=check,
    connect=connect,
    backfill=backfill,
    private_replies=True,
    brings_private_replies=True,
)
