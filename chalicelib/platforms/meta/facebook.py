"""Facebook Page: posts on the wall, comments, mentions and recommendations (fields feed, mention, ratings).

Source: https://developers.facebook.com/docs/graph-api/webhooks/reference/page
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any
from urllib.parse import unquote

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.ids import segment
from chalicelib.platforms import read
from chalicelib.platforms.base import Finding, Parsed, Reply, Step, fit
from chalicelib.platforms.contract import Listed, PartContext, Product, listed
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta.graph import (
    ANY_GRAPH,
    check_page,
    connect_page,
    graph,
    page_ids,
    pages,
)
from chalicelib.platforms.meta.messenger import MAX_REPLY as MAX_PRIVATE_REPLY
from chalicelib.platforms.meta.messenger import send_direct
from chalicelib.platforms.simulation import POST, Endpoint, SimulatedMessage, Simulation

MAX_REPLY = 8000  # characters
FIELDS = ("feed", "mention", "ratings")
BACKFILL_POSTS = timedelta(days=30)  # comments are looked for under posts up to this much older than `since`

# What only the Page itself can publish; `post` is a visitor's
_PAGE_POSTS = {"album", "event", "milestone", "note", "status"}
_WORDLESS = {"like", "reaction"}
_POSTS = {"post", "status", "photo", "video", "share", "album", "note", "link", "rating", "event", "milestone"}
_VERBS = {
    "add": Kind.NEW,
    "edit": Kind.EDIT,
    "edited": Kind.EDIT,
    "update": Kind.EDIT,
    "remove": Kind.DELETE,
    "delete": Kind.DELETE,
    "hide": Kind.HIDE,
    "unhide": Kind.EDIT,
}
# Where the id of a post stands; the last ones only in old shapes of photos, videos and shares
_POST_IDS = ("post_id", "open_graph_story_id", "photo_id", "video_id", "share_id", "album_id")
_ATTACHMENTS = ("photo", "photos", "photo_id", "video", "link")


def parse_change(at: PartContext, change: dict[str, Any]) -> Iterator[Parsed]:
    """One element of `entry[].changes`."""
    field = read.text(change.get("field"))
    if field not in FIELDS:
        yield at.skipped(f"field_{field[:40]}")
        return
    value = read.obj(change["value"])
    item = read.text(value.get("item")) or (
        "comment" if value.get("comment_id") else "post" if field == "mention" else ""
    )
    verb = read.text(value.get("verb")) or "add"
    kind = _VERBS.get(verb)
    # An item that nobody documents is a post all the same when somebody wrote something in it
    wrote = item not in _WORDLESS and bool(read.text(value.get("message"))) and bool(value.get("post_id"))
    if item != "comment" and item not in _POSTS and not wrote:
        yield at.skipped(f"item_{item[:40]}")
    elif kind is None:
        yield at.skipped(f"verb_{verb[:40]}")
    else:
        yield _interaction(at, field, item, verb, kind, value)


def _interaction(
    context: PartContext, field: str, item: str, verb: str, kind: Kind, value: dict[str, Any]
) -> Interaction:
    account, entry_at = context.account.id, context.entry_at
    post = _post(value)
    is_comment = item == "comment" or bool(value.get("comment_id"))
    id = read.need_ident(value.get("comment_id")) if is_comment else read.need_ident(post)
    parent = (read.ident(value.get("parent_id")) or post) if is_comment else ""  # a share's is what it shares
    parent = "" if parent == id else parent
    top_level = not parent or _is_post(parent, id, post, account)
    post = post or (parent if top_level else "")
    author, name = _author(value)
    if author is None and field == "feed" and item in _PAGE_POSTS and not is_comment:
        author = account
    brand = context.is_brand(author)
    at = read.when(value.get("created_time"), entry_at)
    if kind is Kind.NEW and brand:
        kind = Kind.BRAND_REPLY if is_comment else Kind.BRAND_POST
    elif kind is Kind.NEW and field == "mention":
        kind = Kind.MENTION
    return Interaction(
        **context.same(value),
        id=id,
        kind=kind,
        at=at,
        thread=_thread(id, post, parent, top_level, brand),
        threads=(post.rpartition("_")[2],) if brand and top_level and "_" in post else (),
        shared=True,
        home=post.rpartition("_")[0],
        author=author,
        author_name=name,
        brand=brand,
        text=read.text(value.get("message")) or read.text(value.get("review_text")),
        text_at=entry_at if kind is Kind.EDIT else at,
        parent=parent or None,
        post=post or None,
        attachments=len([key for key in _ATTACHMENTS if value.get(key)]),
        link=f"https://www.facebook.com/{id}",
        hidden_at=entry_at if verb == "hide" else None,
        shown_at=entry_at if verb == "unhide" else None,
        tap=_is_kind_word(value),
    )


def _post(value: dict[str, Any]) -> str:
    """The id of the post that it is, or stands under; "" where none is named."""
    for key in _POST_IDS:
        if key in value and (found := read.ident(value[key])):
            return found
    return read.ident(read.obj(value.get("post")).get("id"))


def _is_kind_word(value: dict[str, Any]) -> bool:
    """A recommendation, or four and more stars, without a word."""
    if read.text(value.get("message")) or read.text(value.get("review_text")):
        return False
    stars = value.get("rating")
    high = isinstance(stars, int) and stars >= 4
    return high or read.text(value.get("recommendation_type")).casefold() == "positive"


def _is_post(parent: str, id: str, post: str, account: str) -> bool:
    """Whether `parent` of the comment `id` is the post: without `post_id` (old deliveries) the ids tell, for they are
    made as page_post, post_comment (where a photo's post has two numbers) or, long ago, page_post_comment."""
    page, _, rest = parent.partition("_")
    of_page = not post and page == account and "_" not in rest
    return parent == post or of_page or id.startswith(parent + "_") or id.split("_")[0] == parent.split("_")[-1]


def _thread(id: str, post: str, parent: str, top_level: bool, brand: bool) -> str:
    """A reply stands in its parent comment's thread, a customer's top-level comment opens its own, and a brand's
    top-level comment speaks to the author of the post (to nobody, where the post is the brand's)."""
    if not top_level:
        return parent
    return post if brand and post else id


def _author(value: dict[str, Any]) -> tuple[str | None, str | None]:
    """(id, name): `from` today, `sender_id` in the legacy shape, `reviewer_id` for recommendations; None if unnamed."""
    sender = read.obj(value.get("from"))
    id = read.ident(sender.get("id")) or read.ident(value.get("sender_id")) or read.ident(value.get("reviewer_id"))
    name = read.name(sender.get("name")) or read.name(value.get("sender_name")) or read.name(value.get("reviewer_name"))
    return id or None, name


def fetch(http: Http, account: Account, interaction: Interaction) -> dict[str, Any]:
    """What a mention's delivery leaves out of `interaction`: author, author_name, text. Raises ReplyError."""
    data = graph(http, account, "GET", segment(interaction.id), query={"fields": "from,message"})
    sender = read.obj(data.get("from"))
    return {
        "author": read.ident(sender.get("id")) or None,
        "author_name": read.name(sender.get("name")),
        "text": read.text(data.get("message")),
    }


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_PRIVATE_REPLY if private else MAX_REPLY)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A comment under the customer's comment or post; or one private message to its author (within 7 days).

    Source: https://developers.facebook.com/docs/graph-api/reference/object/comments
    """
    target = reply.interaction.reply_to or reply.interaction.id
    words = wording(account, reply.interaction, reply.text, reply.private)
    if reply.private:
        recipient = {"comment_id" if reply.interaction.parent else "post_id": target}
        return send_direct(http, account, f"{segment(account.id)}/messages", recipient, words, reply.token)
    return read.given_id(graph(http, account, "POST", f"{segment(target)}/comments", data={"message": words}).get("id"))


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is valid, the Page sends `feed` and `mention`, and the app's webhook for pages is enabled."""
    return check_page(http, app, account, FIELDS)


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The Page's subscription, then the app's webhook for pages. Raises ReplyError."""
    return connect_page(http, app, account, FIELDS, address)


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
    """Posts on the wall since `since`, and comments since then under posts of the 30 days before. Raises ReplyError.

    Source: https://developers.facebook.com/docs/graph-api/reference/page/feed
    """
    fields = "id,from,message,created_time,updated_time"
    query = {"fields": fields, "since": str(int((since - BACKFILL_POSTS).timestamp())), "limit": "100"}
    context = PartContext(app, account, now, now)
    for post in pages(http, account, f"{segment(account.id)}/feed", query):
        if read.when(post.get("created_time"), now) >= since:
            yield from listed(context, [{"item": "post", "post_id": post.get("id"), **post}], partial(_told, context))
        id = read.given_id(post.get("id"))
        if id and read.when(post.get("updated_time"), now) >= since:
            yield from _comments(http, context, id, since)


def _comments(http: Http, context: PartContext, post: str, since: datetime) -> Iterator[Listed]:
    query = {"fields": "id,from,message,created_time,parent{id}", "filter": "stream"}
    query |= {"order": "reverse_chronological", "limit": "100"}
    comments = pages(http, context.account, f"{segment(post)}/comments", query)
    late = takewhile(lambda c: read.when(c.get("created_time"), context.received_at) >= since, comments)
    values = (
        {"item": "comment", "comment_id": c.get("id"), "post_id": post}
        | {"parent_id": read.obj(c.get("parent")).get("id") or post, **c}
        for c in late
    )
    yield from listed(context, values, partial(_told, context))


def _told(context: PartContext, value: dict[str, Any]) -> Interaction:
    return _interaction(context, "feed", str(value["item"]), "add", Kind.NEW, value)


# --- the local run ---------------------------------------------------------------------------------------------------


def say(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    """Which list of an entry, and its element."""
    post = f"{account.id}_{POST}"
    value = {
        "item": "reaction" if said.verb == "react" else "comment",
        "verb": "add" if said.verb == "react" else said.verb,
        "comment_id": said.id,
        "post_id": post,
        "parent_id": said.to or post,
        "from": {"id": said.author or account.id, "name": said.name or account.name},
        "created_time": int(said.at.timestamp()),
        **({"message": said.text} if said.text else {}),
        **({"reaction_type": "love"} if said.verb == "react" else {}),
    }
    return "changes", {"field": "feed", "value": value}


_COMMENT = Endpoint(
    re.compile(rf"{ANY_GRAPH}/([^/]+)/comments"),
    lambda path, data: (unquote(path[1]), data["message"], ""),
    lambda id: {"id": id},
)
PRODUCT = Product(
    name="facebook",
    title="Facebook",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_COMMENT,), lambda p: SimulatedMessage("facebook", p.text, id=p.id, to=p.target)),
    wording=wording,
    fetch=fetch,
    check=check,
    connect=connect,
    ids_of=page_ids,
    backfill=backfill,
    private_replies=True,
)
