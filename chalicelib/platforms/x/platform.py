"""X: posts that mention, answer or quote the brand, its own posts and answers, and direct messages.

Both webhooks are understood: the X Activity API (one event a delivery) and the older Account Activity API (lists). The
first names a thread by `conversation_id`; the second does not, so there each customer's post is a thread of its own and
the brand's answer stands in the thread of what it answers.

The registration's secrets are the app's consumer secrets, its app_id the app's id. An account's options: `allow_links`
keeps links in posts (X charges more for those, so else they are removed); `app_token`, the app's bearer token, lets
`check` see the webhook and the subscriptions. Messages stand in x_messages.py, what goes out in x_api.py.

Source: https://docs.x.com/x-api/activity/event-payloads
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import (
    FOREIGN,
    MALFORMED,
    MAX_TEXT,
    Parsed,
    PayloadError,
    Poison,
    Request,
    Response,
    SignatureError,
    Skipped,
    hmac_base64,
    ident,
    need_ident,
    obj,
    raw,
    read_json,
    reason,
    rows,
    text,
    verify_any,
    when,
)
from chalicelib.platforms.http import Http
from chalicelib.platforms.x.api import MAX_REPLY, check, list_direct, list_mentions, reply, wording
from chalicelib.platforms.x.messages import called, chat, direct, is_bot, spoken_of, users_by_id

__all__ = ["MAX_REPLY", "backfill", "challenge", "check", "parse", "reply", "verify", "wording"]

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
    return Response(200, raw({"response_token": f"sha256={signed}"}), "application/json")


def verify(app: App, request: Request) -> None:
    """x-twitter-webhooks-signature: base64, not hex, over the raw bytes, with the current or a previous secret."""
    if _CRC_TOKEN.fullmatch(request.body.decode("latin-1")):
        raise SignatureError("the body is a handshake's token, which anybody can have signed")
    expected = ["sha256=" + hmac_base64(secret, request.body) for secret in app.secrets]
    verify_any(request.headers.get("x-twitter-webhooks-signature"), expected)


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The event of an X Activity delivery, or every element of an Account Activity one."""
    payload = read_json(body)
    if "for_user_id" in payload or _LISTS.keys() & payload.keys():
        yield from _account_activity(app, payload, received_at)
        return
    data = payload.get("data", payload)
    events = data if isinstance(data, list) else [data]
    for event in events:
        if not isinstance(event, dict) or "event_type" not in event:
            yield Skipped("event_empty", "x")
            continue
        try:
            yield from list(_activity(app, event, received_at))
        except MALFORMED as error:
            yield Poison(reason(error), raw(event), "x")


# --- X Activity API --------------------------------------------------------------------------------------------------

_POSTS = {
    "post.create": Kind.NEW,
    "post.mention.create": Kind.MENTION,
    "post.reply.create": Kind.NEW,
    "post.quote.create": Kind.NEW,
}
_DIRECT = {"dm.received", "dm.sent"}
_CHAT = {"chat.received", "chat.sent"}


def _activity(app: App, event: dict[str, Any], received_at: datetime) -> Iterator[Parsed]:
    type_, payload = text(event.get("event_type")), obj(event.get("payload"))
    account = ident(obj(event.get("filter")).get("user_id"))
    if not account and (type_ in _POSTS or type_ in _DIRECT):
        account = spoken_of(app, payload)
    if account and app.account("x", account) is None:
        yield Skipped(FOREIGN, "x", account)
    elif not account:  # a filter by keyword, or none: the news, or a revoked permission
        yield Skipped(f"event_{type_[:40]}", "x")
    elif type_ in _POSTS:
        names = users_by_id(obj(event.get("includes")).get("users"))
        if type_ == "post.create" and not payload.get("author_id"):
            payload = payload | {"author_id": account}
        yield _post(app, account, _POSTS[type_], payload, names, received_at)
    elif type_ == "post.delete":
        yield _deletion(app, account, payload.get("id"), payload.get("author_id"), received_at, received_at)
    elif type_ in _DIRECT:
        names = users_by_id(obj(payload.get("users")))
        messages = rows(payload.get("direct_message_events")) if "direct_message_events" in payload else [payload]
        for message in messages:
            yield direct(app, account, obj(message), names, received_at)
    elif type_ in _CHAT:
        yield chat(app, account, payload, received_at)
    else:
        yield Skipped(f"event_{type_[:40]}", "x", account)


def _post(
    app: App, account: str, kind: Kind, post: dict[str, Any], users: dict[str, dict[str, Any]], received_at: datetime
) -> Interaction | Skipped:
    references = {text(obj(r).get("type")): ident(obj(r).get("id")) for r in rows(post.get("referenced_tweets"))}
    if "retweeted" in references:
        return Skipped("retweet", "x", account)
    latest, author = need_ident(post.get("id")), ident(post.get("author_id")) or None
    versions = [ident(v) for v in rows(post.get("edit_history_tweet_ids"))]
    id = versions[0] if versions and versions[0] else latest
    parent = references.get("replied_to") or ident(post.get("in_reply_to_tweet_id")) or None
    at = when(post.get("created_at"), received_at)
    note = text(obj(post.get("note_tweet")).get("text"))
    profile = users.get(author or "", {})
    media = rows(obj(post.get("attachments")).get("media_keys"))
    found = Interaction(
        product="x",
        account=account,
        app=app.key,
        id=id,
        kind=kind,
        at=at,
        received_at=received_at,
        thread=ident(post.get("conversation_id")) or id,
        author=author,
        author_name=called(profile),
        text=note or text(post.get("text")),
        text_at=at,
        parent=parent,
        reply_to=latest if latest != id else None,
        attachments=len(media),
        repliable=not is_bot(profile),
        link=f"https://x.com/i/status/{latest}",
        raw=raw(post)[: 2 * MAX_TEXT],
    )
    return _branded(app, found, ident(post.get("in_reply_to_user_id")), edited=latest != id)


def _branded(app: App, post: Interaction, answered: str, *, edited: bool) -> Interaction:
    """`post` with the brand's own told apart; one that continues the brand's own thread answers nobody."""
    brand = post.author is not None and app.account("x", post.author) is not None
    kind = post.kind
    if brand:
        answers = post.parent or post.thread not in ("", post.id)  # an edit's first version stands in `id`
        kind = Kind.BRAND_REPLY if answers and answered != post.author else Kind.BRAND_POST
    return replace(post, brand=brand, kind=Kind.EDIT if edited else kind, to=answered or None)


def _deletion(app: App, account: str, id: Any, author: Any, at: datetime, received_at: datetime) -> Interaction:
    """A deletion names the post and its author, not the thread."""
    writer = ident(author) or None
    return Interaction(
        product="x",
        account=account,
        app=app.key,
        id=need_ident(id),
        kind=Kind.DELETE,
        at=at,
        received_at=received_at,
        author=writer,
        brand=writer is not None and app.account("x", writer) is not None,
    )


# --- Account Activity API --------------------------------------------------------------------------------------------


def _account_activity(app: App, payload: dict[str, Any], received_at: datetime) -> Iterator[Parsed]:
    try:
        account = ident(payload.get("for_user_id")) or spoken_of(app, payload)
        lists = [(name, rows(value)) for name, value in payload.items() if isinstance(value, list)]
        users = users_by_id(obj(payload.get("users")))
    except MALFORMED as error:
        yield Poison(reason(error), raw(payload), "x")
        return
    for name, parts in lists:
        reader = _LISTS.get(name)
        for part in parts:
            if app.account("x", account) is None:
                yield Skipped(FOREIGN, "x", account)
            elif reader is None:
                yield Skipped(f"event_{text(name)[:40]}", "x", account)
            else:
                try:
                    yield reader(app, account, obj(part), users, received_at)
                except MALFORMED as error:
                    yield Poison(reason(error), raw(part), "x", account)


def _tweet(
    app: App, account: str, tweet: dict[str, Any], users: dict[str, dict[str, Any]], received_at: datetime
) -> Interaction | Skipped:
    if tweet.get("retweeted_status") is not None:
        return Skipped("retweet", "x", account)
    user, whole = obj(tweet.get("user")), obj(tweet.get("extended_tweet"))
    parent = _id(tweet, "in_reply_to_status_id") or None
    id, author = _id(tweet, "id"), _id(user, "id") or None
    if not id:
        raise PayloadError("an id is missing")
    at = _time(tweet, received_at)
    entities = [obj(source.get(key)) for source in (tweet, whole) for key in ("entities", "extended_entities")]
    media = max((rows(e.get("media")) for e in entities), key=len)
    mentioned = account in {_id(obj(m), "id") for e in entities for m in rows(e.get("user_mentions"))}
    mentioned = mentioned or account == _id(tweet, "in_reply_to_user_id")  # a post that begins with the name
    found = Interaction(
        product="x",
        account=account,
        app=app.key,
        id=id,
        kind=Kind.MENTION if mentioned and not parent else Kind.NEW,
        at=at,
        received_at=received_at,
        author=author,
        author_name=called(user),
        text=text(whole.get("full_text")) or text(tweet.get("full_text")) or text(tweet.get("text")),
        text_at=at,
        parent=parent,
        attachments=len(media),
        link=f"https://x.com/i/status/{id}",
        raw=raw(tweet)[: 2 * MAX_TEXT],
    )
    found = _branded(app, found, _id(tweet, "in_reply_to_user_id"), edited=False)
    conversation = _id(tweet, "conversation_id")
    return replace(found, thread=conversation or (parent if found.brand and parent else id))


def _id(source: dict[str, Any], key: str) -> str:
    """An id, from its string form first: the integer has lost digits when a JavaScript program has passed it on."""
    return ident(source.get(f"{key}_str")) or ident(source.get(key))


def _time(tweet: dict[str, Any], received_at: datetime) -> datetime:
    written = tweet.get("created_at")
    try:
        at = datetime.strptime(written, _CREATED).astimezone(UTC) if isinstance(written, str) else None
    except (ValueError, OverflowError):
        at = None
    return when(at.isoformat() if at else tweet.get("timestamp_ms") or written, received_at)


def _tweet_deletion(
    app: App, account: str, part: dict[str, Any], users: dict[str, dict[str, Any]], received_at: datetime
) -> Interaction:
    status = obj(part.get("status"))
    at = when(part.get("timestamp_ms"), received_at)
    return _deletion(app, account, _id(status, "id"), _id(status, "user_id"), at, received_at)


_Reader = Callable[[App, str, dict[str, Any], dict[str, dict[str, Any]], datetime], Interaction | Skipped]
_LISTS: dict[str, _Reader] = {
    "tweet_create_events": _tweet,
    "direct_message_events": direct,
    "tweet_delete_events": _tweet_deletion,
}


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Interaction]:
    """Mentions and direct messages since `since`. Raises ReplyError.

    X can also send its deliveries of the last 24 h again (POST /2/webhooks/replay); they come by the webhook then.
    Source: https://docs.x.com/x-api/users/get-mentions
    """
    for posts, users in list_mentions(http, app, account, since):
        for post in posts:
            found = _post(app, account.id, Kind.MENTION, obj(post), users_by_id(users), now)
            if isinstance(found, Interaction):
                yield found
    for messages, users in list_direct(http, app, account):
        for message in messages:
            found = direct(app, account.id, obj(message), users_by_id(users), now)
            if isinstance(found, Interaction):
                if found.at < since:
                    return
                yield found
