"""Discourse: the posts of a forum.

One forum is one app with one account; `options`: `base_url`, and `api_username`, a user of Earshot's own, because its
posts are taken for automatic ones. The event's name stands in a header only, so `content` writes it into the body.

Source: https://meta.discourse.org/t/configure-webhooks-that-trigger-on-discourse-events-to-integrate-with-external-services/49045
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.ids import segment
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    TEST,
    Finding,
    Parsed,
    Refused,
    Reply,
    ReplyError,
    Request,
    Step,
    TokenInvalid,
    fit,
    hmac_hex,
)
from chalicelib.platforms.contract import Listed, PartContext, Product, Webhook, for_the_account, listed, signature
from chalicelib.platforms.http import Http
from chalicelib.platforms.rest import Verdicts, call, pages, server
from chalicelib.platforms.simulation import SHOP, Endpoint, Said, SimulatedMessage, Simulation, iso, number, wire

MAX_REPLY = 32_000  # characters; the forum's own setting max_post_length has this default
_QUOTE = re.compile(r"\[quote\b[^\[\]]*\](?:(?!\[quote\b).)*?\[/quote\]", re.IGNORECASE | re.DOTALL)
_QUOTED_HTML = re.compile(r"<aside\b[^<>]*\bquote\b[^<>]*>.*?</aside>", re.IGNORECASE | re.DOTALL)
_PICTURE = re.compile(r"!\[[^\[\]]*\]\([^\s()]*\)")
_DEEPEST_QUOTE = 10  # quotes within quotes
MAX_PAGES = 40  # of backfill, with 20 to 50 posts each

_KINDS = {
    "post_created": Kind.NEW,
    "post_edited": Kind.EDIT,
    "post_destroyed": Kind.DELETE,
    "post_recovered": Kind.EDIT,
}
# 403 is the answer to a wrong key and to one topic where the user may not write: no reason to stop all replies
_VERDICTS = Verdicts({403: Refused}, lambda answer: read.obj(answer.data.get("extras")).get("wait_seconds"))
_BY_PEOPLE = {1, 2}  # post_type: regular, moderator action; 3 is a note by the software, 4 a whisper among the staff


verify = signature("x-discourse-event-signature", hmac_hex, "sha256=")


def content(request: Request) -> bytes:
    """The verified body with the header's event name as `event`: only there do a new and a destroyed post differ."""
    event = request.headers.get("x-discourse-event", "")
    try:
        return json.dumps({**read.body(request.body), "event": event[:80]}).encode()
    except read.PayloadError:
        return request.body


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The one event of a delivery."""
    yield from for_the_account(app, "discourse", received_at, read.body(body), _event)


def _event(context: PartContext, payload: dict[str, Any]) -> Parsed:
    event, post = read.text(payload.get("event")), payload.get("post")
    if "ping" in payload:
        return context.skipped(TEST)
    if "post" not in payload or (event and event not in _KINDS):
        name = event or "_".join(sorted(set(payload) - {"event"})) or "empty"
        return context.skipped(f"event_{read.text(name)[:40]}")
    if not isinstance(post, dict):
        raise read.PayloadError("the post is not an object")
    if post.get("post_type") not in (None, *_BY_PEOPLE) or _number(post.get("user_id")) < 0:
        return context.skipped("system_post")
    private = post.get("topic_archetype") == "private_message"
    if private and context.account.options.get("private_messages") is not True:
        return context.skipped("private_message")
    return _interaction(context, post, _kind(event, post), event, private=private)


def _kind(event: str, post: dict[str, Any]) -> Kind:
    """By the event's name, and by the post itself, for a delivery that came without its headers."""
    if _says_deleted(post) and event != "post_recovered":
        return Kind.DELETE
    if event != "post_destroyed" and post.get("hidden") is True:
        return Kind.HIDE
    return _KINDS.get(event) or (Kind.EDIT if _number(post.get("version")) > 1 else Kind.NEW)


def _says_deleted(post: dict[str, Any]) -> bool:
    return bool(post.get("deleted_at")) or post.get("user_deleted") is True


def _interaction(
    context: PartContext, post: dict[str, Any], kind: Kind, event: str, *, private: bool = False
) -> Interaction:
    account, received_at = context.account, context.received_at
    topic, number = read.ident(post.get("topic_id")), read.ident(post.get("post_number"))
    username = read.text(post.get("username"))
    id, ours = read.need_ident(post.get("id")), bool(username) and username == account.options.get("api_username")
    brand = ours or _is_staff(account, post, username)
    if kind is Kind.NEW and brand:
        kind = Kind.BRAND_POST if number == "1" else Kind.BRAND_REPLY
    at = read.when(post.get("created_at"), received_at)
    updated_at = read.when(post.get("updated_at"), received_at)
    base_url = read.text(account.options.get("base_url")).rstrip("/")
    return replace(
        context.interaction(post, id, kind, at),
        thread=topic or id,
        author=read.ident(post.get("user_id")) or username or None,
        author_name=read.name(post.get("name")) or read.name(username),
        brand=brand,
        text=_words(post),
        text_at=received_at if event == "post_recovered" else updated_at if kind is Kind.EDIT else at,
        # `reply_to_post_number` counts within the topic and is no id, so no parent: the number of one post is the id
        # of another, and a wrong parent would mark a stranger's question answered
        reply_to=number or None,
        begins=number == "1" if number else None,
        to=read.ident(read.obj(post.get("reply_to_user")).get("id")) or None,
        private=private,
        repliable=not private,
        link=f"{base_url}/t/{topic}/{number}" if base_url and topic and number else None,
        deleted_at=received_at if kind is Kind.DELETE else None,  # it can come back
        recovered_at=received_at if event == "post_recovered" and kind is Kind.EDIT else None,
        unproven=event == "post_recovered" or (kind is Kind.DELETE and not _says_deleted(post)),
        hidden_at=updated_at if kind is Kind.HIDE else None,
        shown_at=updated_at if kind is Kind.EDIT and event else None,
        ours=ours,
    )


def _is_staff(account: Account, post: dict[str, Any], username: str) -> bool:
    """Staff of the forum, or one of the account's `brand_users` (names): a shop's people need not be moderators."""
    users = account.options.get("brand_users")
    if isinstance(users, list) and username in users:
        return True
    return any(post.get(key) is True for key in ("staff", "admin", "moderator"))


def _words(post: dict[str, Any]) -> str:
    """The Markdown as written, else the text of the HTML; without what the post quotes, which somebody else said, and
    without the names of its pictures."""
    if words := read.text(post.get("raw")):
        for _ in range(_DEEPEST_QUOTE):
            words, quotes = _QUOTE.subn("", words)
            if not quotes:
                break
        return _PICTURE.sub("", words).strip()
    return read.html_text(_QUOTED_HTML.sub("", read.text(post.get("cooked"))))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


# --- the forum's API -------------------------------------------------------------------------------------------------


def _api(http: Http, account: Account, method: str, path: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    headers = {"Api-Key": account.token, "Api-Username": read.text(account.options.get("api_username"))}
    return call(http, method, f"{server(account)}{path}", headers=headers, data=data, verdicts=_VERDICTS).data


def fetch(http: Http, account: Account, interaction: Interaction) -> dict[str, Any]:
    """Whether the post is gone, as `deleted`: no signature covers the header that says so. Raises ReplyError."""
    try:
        found = _api(http, account, "GET", f"/posts/{segment(interaction.id)}.json")
    except Refused as error:
        if error.code not in ("404", "410"):
            raise
        return {"deleted": True}
    return {"deleted": _says_deleted(found)}


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_REPLY)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A post in the topic, as an answer to the customer's post.

    Source: https://docs.discourse.org/#tag/Posts/operation/createTopicPostPM
    """
    post: dict[str, Any] = {
        "topic_id": reply.interaction.thread,
        "raw": wording(account, reply.interaction, reply.text, reply.private),
    }
    if reply.interaction.reply_to:
        post["reply_to_post_number"] = reply.interaction.reply_to
    return read.given_id(_api(http, account, "POST", "/posts.json", post).get("id"))


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the key is accepted, and, where it may read them, whether a webhook for posts comes here."""
    try:
        _api(http, account, "GET", "/session/current.json")
    except ReplyError as error:
        fix = "in the forum's admin pages, API, make a key for the user named in api_username, and set base_url"
        return [Finding(account.id, f"the forum does not accept the API key ({error.code})", fix)]
    try:
        hooks = read.rows(_api(http, account, "GET", "/admin/api/web_hooks.json").get("web_hooks"))
    except (ReplyError, read.PayloadError):
        return []  # a key without an administrator's rights cannot see them: nothing to say
    ours = [h for h in map(read.obj, hooks) if read.text(h.get("payload_url")).endswith(app.path)]
    if any(h.get("active") is True for h in ours):
        return []
    what = "the forum's webhook is switched off" if ours else "the forum has no webhook that comes here"
    fix = f"in the forum's admin pages, API, Webhooks: post events to {app.path}, with the secret"
    return [Finding(account.id, what, fix)]


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """A webhook for posts, where the key is an administrator's. Raises ReplyError.

    Source: https://github.com/discourse/discourse/blob/main/app/controllers/admin/web_hooks_controller.rb
    """
    by_hand = [Step(f"in the forum's admin pages, API, Webhooks: post events to {address}, with the secret, active")]
    try:
        found = _api(http, account, "GET", "/admin/api/web_hooks.json")
    except (TokenInvalid, Refused):
        return by_hand  # not an administrator's key
    ours = [h for h in map(read.obj, read.rows(found.get("web_hooks"))) if h.get("payload_url") == address]
    if any(h.get("active") is True for h in ours):
        return []
    extras = read.obj(found.get("extras"))  # one list in older forums, one for each group in newer
    lists = [extras.get("event_types"), *read.obj(extras.get("grouped_event_types")).values()]
    kinds = [read.obj(t) for t in chain.from_iterable(map(read.rows, lists))]
    wanted = [t.get("id") for t in kinds if read.text(t.get("name")) in ("post", *_EVENTS.values(), "post_recovered")]
    if ours or not wanted:
        return by_hand
    hook = {"payload_url": address, "content_type": 1, "secret": app.secrets[0], "wildcard_web_hook": False}
    hook |= {"active": True, "verify_certificate": True, "web_hook_event_type_ids": wanted}
    made = {"web_hook": hook}
    what = f"make a webhook for posts to {address}"
    return [Step(what, lambda: _api(http, account, "POST", "/admin/api/web_hooks.json", made))]


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
    """The posts made from `since` on, newest first. Raises ReplyError.

    Source: https://docs.discourse.org/#tag/Posts/operation/listPosts
    """

    def turn(before: str) -> tuple[list[dict[str, Any]], str]:
        found = _api(http, account, "GET", f"/posts.json{before}").get("latest_posts")
        posts = [read.obj(p) for p in read.rows(found)]
        recent = [p for p in posts if read.when(p.get("created_at"), now) >= since]
        lowest = min((_number(p.get("id")) for p in posts), default=0)
        return recent, f"?before={lowest - 1}" if len(recent) == len(posts) and lowest > 1 else ""

    context = PartContext(app, account, now, now)
    posts = chain.from_iterable(pages(turn, MAX_PAGES))
    yield from listed(context, posts, lambda post: _event(context, {"post": post}))


# --- the local run ---------------------------------------------------------------------------------------------------

_EVENTS = {"add": "post_created", "edited": "post_edited", "remove": "post_destroyed"}


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """Discourse sends one event a delivery; its name stands in a header."""
    ((account, message),) = said
    body = wire({"post": _post(account, message)})
    headers = {"X-Discourse-Event": _EVENTS[message.verb], "X-Discourse-Event-Id": number()}
    return {**headers, "X-Discourse-Event-Signature": "sha256=" + hmac_hex(secret, body)}, body


def _post(account: Account, said: SimulatedMessage) -> dict[str, Any]:
    """A customer's post opens a topic, an answer stands in the topic `to`."""
    gone = {"deleted_at": iso(said.at)} if said.verb == "remove" else {}
    name = said.name or account.name
    return {
        "id": int(said.id),
        "topic_id": int(said.to or said.id),
        "post_number": 2 if said.to else 1,
        "post_type": 1,
        "user_id": int(said.author) if said.author else 1,
        "username": str(account.options.get("api_username")) if said.token else name.casefold().replace(" ", "_"),
        "name": name,
        "staff": said.brand,
        "raw": said.text,
        "created_at": iso(said.at),
        "updated_at": iso(said.at),
        "version": 2 if said.verb == "edited" else 1,
        **gone,
    }


_POST = Endpoint(
    re.compile(r"[^/]+(?:/[^/]+)*/posts\.json"),
    lambda path, data: (str(data["topic_id"]), data["raw"], ""),
    lambda id: {"id": int(id)},
)
_ECHO = "sent by api_username"

_COMMUNITY = {"id": "forum", "name": f"{SHOP} Community", "token": "invented-api-key", "api_username": "earshot"}
_DEMO = {
    "secrets": ["invented-discourse-secret-of-the-demo-shop"],
    "accounts": [{**_COMMUNITY, "base_url": "https://community.marigold.example.com"}],
}

WEBHOOK = Webhook(verify, parse, send, _DEMO, content=content)
PRODUCT = Product(
    name="discourse",
    title="the forum",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_POST,), lambda p: SimulatedMessage("discourse", p.text, id=p.id, to=p.target, token=_ECHO)),
    wording=wording,
    fetch=fetch,
    check=check,
    connect=connect,
    backfill=backfill,
    called_by=("api_username", "brand_users"),
    tags_people=True,  # a post that begins with a name calls that person
    threads_have_an_owner=True,  # a topic is its opener's; others answer each other in it
    titles={"de": "Forum", "fr": "le forum", "es": "el foro"},
)
