"""Google Business Profile: reviews of a place, told by Pub/Sub push.

A notification names the review and nothing more: `fetch` reads who wrote what. In the apps file `verify_token` is the
push subscription's audience, `app_id` the e-mail address of its service account, and the secret the address of Google's
keys, https://www.googleapis.com/oauth2/v3/certs, or a key set as JSON, for a replay without a network. An account's
`id` is the location's full name, accounts/…/locations/…; its options `client_id`, `client_secret` and `refresh_token`
keep the access token fresh.

Source: https://developers.google.com/my-business/content/notification-setup
and https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from itertools import chain, takewhile
from typing import Any
from urllib.parse import unquote

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    FOREIGN,
    Finding,
    NotSent,
    OutcomeUnknown,
    Parsed,
    Refused,
    Reply,
    ReplyError,
    Skipped,
    Step,
    Unsupported,
    fit,
)
from chalicelib.platforms.contract import Listed, PartContext, Product, Webhook, each, listed
from chalicelib.platforms.google.api import NOTIFICATIONS, REVIEWS, ask
from chalicelib.platforms.google.push import prepare, verify
from chalicelib.platforms.google.simulation import DEMO, SIMULATION, send
from chalicelib.platforms.http import Http
from chalicelib.platforms.rest import pages, utf8

MAX_REPLY = 4096  # bytes
MAX_PAGES = 40  # of backfill, with 50 reviews each

_KINDS = {"NEW_REVIEW": Kind.NEW, "UPDATED_REVIEW": Kind.EDIT}
_REVIEW = re.compile(r"(accounts/[\w-]+/locations/([\w-]+))/reviews/([\w=-]+)", re.ASCII)
_SHORT = re.compile(r"((?:accounts/[\w-]+/)?locations/[\w-]+/)?reviews/[\w=-]+", re.ASCII)
_LOCATION = re.compile(r"accounts/[\w-]+/locations/[\w-]+", re.ASCII)
_PLACE = re.compile(r"(?:accounts/[\w-]+/)?locations/([\w-]+)", re.ASCII)


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The one notification of a Pub/Sub message."""
    yield from each([read.body(body)], partial(_notification, app, received_at), "google")


def _notification(app: App, received_at: datetime, payload: dict[str, Any]) -> Parsed:
    message = read.obj(payload.get("message"))
    try:
        content = base64.b64decode(message.get("data") or "", validate=True)
    except (TypeError, ValueError):
        raise read.PayloadError("the message's data is not base64") from None
    found = read.body(content) if content else {}
    # A subscription with payload unwrapping posts the notification itself
    notice = {**read.obj(message.get("attributes")), **found} if "message" in payload else payload
    type = next((v for v in map(read.text, notice.values()) if v in _KINDS), "")
    review = _review_name(app, notice)
    if not type and (review is None or notice.get("type") or notice.get("notificationType")):
        named = read.text(notice.get("type")) or read.text(notice.get("notificationType")) or "empty"
        return Skipped(f"event_{named[:40]}", "google")
    if review is None:
        raise read.PayloadError("the notification names no review")
    account = _account(app, review[1], review[2])
    if account is None:
        return Skipped(FOREIGN, "google", review[1])
    at = read.when(message.get("publishTime") or message.get("publish_time"), received_at)
    told = PartContext(app, account, at, received_at).interaction(notice, review[3], _KINDS.get(type, Kind.NEW), at)
    return replace(told, text_at=None, thread=review[3], reply_to=review[0])


def _review_name(app: App, notice: dict[str, Any]) -> re.Match[str] | None:
    """The review's full name. The field is called reviewName, review_name, review or reviewResourceName; where it holds
    less, the location's field and the app's accounts say the rest."""
    words = {key: unquote(read.text(value)).strip("/") for key, value in notice.items()}
    if full := next((m for word in words.values() if (m := _REVIEW.fullmatch(word))), None):
        return full
    named = [word for key, word in words.items() if key.casefold().startswith("review")]
    short = next((m for word in named if (m := _SHORT.fullmatch(word) or _SHORT.fullmatch(f"reviews/{word}"))), None)
    if short is None:
        return None
    places = [short[1] or "", *words.values()]
    place = next((m for word in places if (m := _PLACE.fullmatch(word.strip("/")))), None)
    ids = [a.id for a in app.accounts if a.product == "google"]
    if place is None or _LOCATION.fullmatch(place[0]):
        only = app.only("google")
        location = place[0] if place else only.id if only else ""
    else:
        location = next((id for id in ids if id.endswith(f"/locations/{place[1]}")), "")
    return _REVIEW.fullmatch(f"{location}/reviews/{short[0].rpartition('/')[2]}")


def _account(app: App, name: str, location: str) -> Account | None:
    """By the location's full name, or by less of it."""
    return next((a for id in (name, f"locations/{location}", location) if (a := app.account("google", id))), None)


# --- the review itself -----------------------------------------------------------------------------------------------


def fetch(http: Http, account: Account, interaction: Interaction) -> dict[str, Any]:
    """The fields of `interaction` that the notification leaves out. Raises ReplyError.

    Google gives a reviewer's name but no id. A review has one author and a person one review of a place, so the
    stand-in that the interaction has already is kept, and the conversation with it.
    """
    return _fields(interaction, _review(http, account, interaction))


def _review(http: Http, account: Account, interaction: Interaction) -> dict[str, Any]:
    if not _REVIEW.fullmatch(interaction.reply_to or ""):
        raise Refused("review_name")
    return ask(http, account, "GET", f"{REVIEWS}/{interaction.reply_to}")


def _fields(interaction: Interaction, review: dict[str, Any]) -> dict[str, Any]:
    """What the review says; `more` are the interactions that came to light with it: the place's answer."""
    at = read.when(review.get("createTime"), interaction.at)
    comment, answer = _original(read.text(review.get("comment"))), read.obj(review.get("reviewReply"))
    return {
        "author": interaction.customer,
        "author_name": read.name(read.obj(review.get("reviewer")).get("displayName")),
        "text": comment,
        "at": at,
        "text_at": read.when(review.get("updateTime"), at),
        "tap": not comment and review.get("starRating") in ("FOUR", "FIVE"),
        "raw": read.kept(review),
        **({"more": (_answer(interaction, answer),)} if answer else {}),
    }


def _answer(review: Interaction, answer: dict[str, Any]) -> Interaction:
    """The one reply that a review has. Its id comes from its words: where a person has replaced ours, it is another."""
    words = read.text(answer.get("comment"))
    return replace(
        review,
        id=f"{review.id}/reply-{sha256(words.strip().encode()).hexdigest()[:12]}",
        kind=Kind.BRAND_REPLY,
        at=read.when(answer.get("updateTime"), review.received_at),
        author=review.account,
        author_name=None,
        brand=True,
        text=words,
        text_at=None,
        parent=review.id,
        reply_to=None,
        raw=read.kept(answer),
    )


def _original(comment: str) -> str:
    """The customer's own words, without the translation that Google puts before or after them."""
    _, _, after = comment.partition("(Original)")
    return (after or comment.partition("(Translated by Google)")[0] or comment).strip()


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_REPLY, utf8)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """The one reply that a review can have. It is read first, because posting would replace what a person wrote.

    Source: https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews/updateReply
    """
    try:
        review = _review(http, account, reply.interaction)
    except OutcomeUnknown as error:
        raise NotSent(error.code) from None  # reading posts nothing
    if review.get("reviewReply"):
        raise Refused("already_answered")
    url = f"{REVIEWS}/{reply.interaction.reply_to}/reply"
    words = wording(account, reply.interaction, reply.text, reply.private)
    ask(http, account, "PUT", url, data={"comment": words})
    return f"{reply.interaction.id}/reply"


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token reads the place's reviews, and whether new and updated ones are told.

    Source: https://developers.google.com/my-business/reference/notifications/rest/v1/NotificationSetting
    """
    findings = []
    if not (app.verify_token and app.app_id):
        fix = "set verify_token to the push subscription's audience and app_id to its service account's address"
        findings.append(Finding(account.id, "no delivery can be verified", fix))
    try:
        location = _location(account)
        ask(http, account, "GET", f"{REVIEWS}/{location}/reviews", query={"pageSize": "1"})
        owner = location.partition("/locations/")[0]
        setting = ask(http, account, "GET", f"{NOTIFICATIONS}/{owner}/notificationSetting")
    except Unsupported as error:
        return [*findings, Finding(account.id, str(error), "set the account's id to accounts/…/locations/…")]
    except ReplyError as error:
        fix = "sign in again for the scope business.manage and set the new refresh_token in the apps file"
        return [*findings, Finding(account.id, f"Google does not accept the token ({error.code})", fix)]
    types = setting.get("notificationTypes")
    if (
        not setting.get("pubsubTopic")
        or not isinstance(types, list)
        or not set(_KINDS) <= {read.text(t) for t in types}
    ):
        fix = f"call updateNotificationSetting of {owner} with your pubsubTopic and {', '.join(_KINDS)}"
        findings.append(Finding(account.id, "new and updated reviews are not told", fix))
    return findings


def _location(account: Account) -> str:
    if not _LOCATION.fullmatch(account.id):
        raise Unsupported("the account's id is not the location's full name")
    return account.id


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """Which reviews are told, once the topic is set; Pub/Sub's push subscription is made in Google's console. Raises
    ReplyError.

    Source: https://developers.google.com/my-business/reference/notifications/rest/v1/accounts/updateNotificationSetting
    """
    console = Step(
        f"in Google Cloud, Pub/Sub: a push subscription to {address}, with authentication; make doctor looks"
    )
    try:
        name = f"{_location(account).partition('/locations/')[0]}/notificationSetting"
    except Unsupported as error:
        return [Step(f"{error}: mend it in the apps file")]
    setting = ask(http, account, "GET", f"{NOTIFICATIONS}/{name}")
    types, topic = {read.text(t) for t in read.rows(setting.get("notificationTypes"))}, setting.get("pubsubTopic")
    if not topic:
        return [
            console,
            Step(f"call updateNotificationSetting of {name} with your pubsubTopic and {', '.join(_KINDS)}"),
        ]
    if types >= set(_KINDS):
        return []
    data = {"name": name, "pubsubTopic": topic, "notificationTypes": sorted(types | set(_KINDS))}
    query = {"updateMask": "notificationTypes"}
    what = f"tell {', '.join(_KINDS)} to {topic}"
    return [Step(what, lambda: ask(http, account, "PATCH", f"{NOTIFICATIONS}/{name}", query=query, data=data))]


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
    """The reviews changed from `since` on, newest first, each with its reply. Raises ReplyError, Unsupported.

    Source: https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews/list
    """
    url, query = f"{REVIEWS}/{_location(account)}/reviews", {"orderBy": "updateTime desc", "pageSize": "50"}

    def turn(token: str) -> tuple[list[Any], str]:
        page = ask(http, account, "GET", url, query={**query, "pageToken": token} if token else query)
        return read.rows(page.get("reviews")), read.ident(page.get("nextPageToken"))

    context = PartContext(app, account, now, now)
    reviews = map(read.obj, chain.from_iterable(pages(turn, MAX_PAGES)))
    late = takewhile(lambda review: read.when(review.get("updateTime"), now) >= since, reviews)
    yield from listed(context, late, partial(_listed, context))


def _listed(context: PartContext, review: dict[str, Any]) -> Iterator[Interaction]:
    id = read.ident(review.get("reviewId"))
    if not id:
        return
    found = context.interaction(review, id, Kind.NEW, context.entry_at)
    found = replace(found, thread=id, reply_to=f"{context.account.id}/reviews/{id}")
    fields = _fields(found, review)
    more = fields.pop("more", ())
    yield replace(found, **fields)
    yield from more


WEBHOOK = Webhook(verify, parse, send, DEMO, prepare=prepare)
PRODUCT = Product(
    name="google",
    title="Google reviews",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=SIMULATION,
    wording=wording,
    fetch=fetch,
    check=check,
    connect=connect,
    backfill=backfill,
    titles={"de": "Google-Rezensionen", "fr": "les avis Google", "es": "las reseñas de Google"},
)
