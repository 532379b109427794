"""Instagram: comments on the brand's media, live comments, mentions elsewhere, and direct messages.

An account's options: `login` "instagram" when the app uses Instagram Login (else Facebook Login), `page_id` of the
linked Page for direct messages with Facebook Login.

Source: https://developers.facebook.com/docs/instagram-platform/webhooks
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import (
    MAX_TEXT,
    Finding,
    Parsed,
    PayloadError,
    Refused,
    Reply,
    Skipped,
    fit,
    given_id,
    ident,
    need_ident,
    obj,
    raw,
    rows,
    text,
    when,
)
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta.graph import GRAPH, check_account, check_fields, check_webhook, graph, pages
from chalicelib.platforms.meta.messenger import list_direct, parse_direct, send_direct
from chalicelib.platforms.meta.messenger import owner as owner_of_direct

TAGS_PEOPLE = True  # a comment that begins with a name shows the post to that person
MAX_REPLY = 1000  # characters of a comment; bytes of a direct message
INBOX = "https://www.instagram.com/direct/inbox/"
FIELDS = ("comments", "live_comments", "mentions", "messages", "messaging_postbacks", "standby")
BACKFILL_MEDIA = timedelta(days=30)  # comments are looked for under media up to this much older than `since`

_INSTAGRAM_GRAPH = "https://graph.instagram.com/v25.0"


def parse_change(
    app: App, account: str, change: dict[str, Any], entry_at: datetime, received_at: datetime
) -> Iterator[Parsed]:
    """One element of `entry[].changes`."""
    field = text(change.get("field"))
    reader = _READERS.get(field)
    if reader is None:
        yield Skipped(f"field_{field[:40]}", "instagram", account)
    else:
        yield reader(app, account, obj(change["value"]), entry_at, received_at)


def parse_message(
    app: App, account: str, part: dict[str, Any], entry_at: datetime, received_at: datetime
) -> Iterator[Parsed]:
    """One element of `entry[].messaging`."""
    yield parse_direct(app, "instagram", account, part, entry_at, received_at)


def parse_standby(
    app: App, account: str, part: dict[str, Any], entry_at: datetime, received_at: datetime
) -> Iterator[Parsed]:
    """One element of `entry[].standby`: another app owns the thread."""
    yield parse_direct(app, "instagram", account, part, entry_at, received_at, repliable=False)


def owner(app: App, entry_id: str, part: dict[str, Any]) -> str | None:
    """The account that a direct message is for."""
    return owner_of_direct(app, entry_id, part, "instagram")


def _comment(app: App, account: str, value: dict[str, Any], entry_at: datetime, received_at: datetime) -> Interaction:
    id, media = need_ident(value.get("id")), ident(obj(value.get("media")).get("id"))
    parent = ident(value.get("parent_id"))
    parent = "" if parent in (id, media) else parent
    sender = obj(value.get("from"))
    author = ident(sender.get("id")) or None
    # `self_ig_scoped_id` is there only when the account comments on its own media
    own = bool(ident(sender.get("self_ig_scoped_id")))
    brand = own or (author is not None and app.account("instagram", author) is not None)
    author = author or (account if own else None)
    at = when(value.get("timestamp"), entry_at)
    return Interaction(
        product="instagram",
        account=account,
        app=app.key,
        id=id,
        kind=Kind.BRAND_REPLY if brand else Kind.NEW,
        at=at,
        received_at=received_at,
        thread=parent or (media if brand and media else id),
        author=author,
        author_name=text(sender.get("username")) or None,
        brand=brand,
        text=text(value.get("text")),
        text_at=at,
        parent=parent or None,
        reply_to=parent or id,  # a reply can only stand under a top-level comment
        post=media or None,
        raw=raw(value)[: 2 * MAX_TEXT],
    )


def _mention(app: App, account: str, value: dict[str, Any], entry_at: datetime, received_at: datetime) -> Interaction:
    """A mention under or in somebody else's media: only the ids come, `fetch` brings the rest."""
    media, comment = ident(value.get("media_id")), ident(value.get("comment_id"))
    if not media and not comment:
        raise PayloadError("an id is missing")
    return Interaction(
        product="instagram",
        account=account,
        app=app.key,
        id=comment or media,
        kind=Kind.MENTION,
        at=entry_at,
        received_at=received_at,
        thread=comment or media,
        text=text(value.get("text")),
        text_at=entry_at,
        post=media or None,
        raw=raw(value)[: 2 * MAX_TEXT],
    )


_READERS: dict[str, Callable[[App, str, dict[str, Any], datetime, datetime], Interaction]] = {
    "comments": _comment,
    "live_comments": _comment,
    "mentions": _mention,
}


def fetch(http: Http, account: Account, interaction: Interaction) -> dict[str, Any]:
    """Author and text of a mention (or of a comment that came without them). Raises ReplyError.

    The account's own username is asked for in the same call, so that a mention by the brand itself is recognised: for
    other authors Instagram tells only the username.
    Source: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/mentioned_comment
    """
    if interaction.kind is not Kind.MENTION:
        found = graph(http, account, "GET", interaction.id, query={"fields": "from,username,text"}, host=_host(account))
        return _fetched(found, "", account, text(found.get("text")))
    if interaction.post and interaction.post != interaction.id:
        name, fields = "mentioned_comment", f".comment_id({interaction.id}){{from,username,text,timestamp}}"
    else:
        name, fields = "mentioned_media", f".media_id({interaction.id}){{owner,username,caption,timestamp}}"
    data = graph(http, account, "GET", account.id, query={"fields": f"username,{name}{fields}"}, host=_host(account))
    found = obj(data.get(name))
    return _fetched(found, text(data.get("username")), account, text(found.get("text")) or text(found.get("caption")))


def _fetched(found: dict[str, Any], own_name: str, account: Account, words: str) -> dict[str, Any]:
    sender = obj(found.get("from")) or obj(found.get("owner"))
    name = text(sender.get("username")) or text(found.get("username"))
    author = given_id(sender.get("id")) or (f"@{name}" if name else None)
    if name and name == own_name:
        author = account.id
    return {"author": author, "author_name": name or None, "text": words}


def wording(account: Account, interaction: Interaction, words: str, private: bool = False) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_REPLY, _bytes if private or interaction.private else len)


def _bytes(words: str) -> int:
    return len(words.encode())


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A reply under the top-level comment, a comment where the brand was mentioned, or a message (private reply, DM).

    Source: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-comment/replies
    """
    i, host = reply.interaction, _host(account)
    words = wording(account, i, reply.text, reply.private)
    if i.private or reply.private:
        if i.kind is Kind.MENTION:
            raise Refused("no_private_reply_to_a_mention")  # only a comment on the brand's own media can have one
        recipient = {"id": i.reply_to or i.thread} if i.private else {"comment_id": i.id}
        return send_direct(http, account, f"{_messenger(account)}/messages", recipient, words, reply.token, host)
    if i.kind is Kind.MENTION:
        ids = {"media_id": i.post or i.id, **({"comment_id": i.id} if i.post not in (None, i.id) else {})}
        data = graph(http, account, "POST", f"{account.id}/mentions", data={**ids, "message": words}, host=host)
    else:
        path = f"{i.reply_to or i.parent or i.id}/replies"
        data = graph(http, account, "POST", path, data={"message": words}, host=host)
    return given_id(data.get("id"))


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


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Interaction]:
    """Comments since `since` under media of the 30 days before, then direct messages. Raises ReplyError.

    Source: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-media/comments
    """
    host = _host(account)
    fields = "id,from,text,timestamp,parent_id"
    query = {"fields": f"{fields},replies{{{fields}}}", "limit": "50"}
    for media in pages(http, account, f"{account.id}/media", {"fields": "id,timestamp", "limit": "50"}, host):
        if when(media.get("timestamp"), now) < since - BACKFILL_MEDIA:
            break
        for comment in pages(http, account, f"{need_ident(media.get('id'))}/comments", query, host):
            replies = rows(obj(comment.get("replies")).get("data"))
            for value in (comment, *({"parent_id": comment.get("id"), **obj(r)} for r in replies)):
                found = _comment(app, account.id, {**value, "media": {"id": media.get("id")}}, now, now)
                if found.at >= since:
                    yield found
    yield from list_direct(http, app, account, f"{_messenger(account)}/conversations", since, now, host)
