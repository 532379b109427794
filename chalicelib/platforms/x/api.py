"""X's REST API: replies and direct messages, their limits and errors, the check of a registration, and lists.

An OAuth 2.0 user token lives for two hours. One of OAuth 1.0a does not end: with the account's options `consumer_key`
and `token_secret` every request is signed with it and with the app's first secret, the consumer secret.

Source: https://docs.x.com/x-api/posts/create-post
"""

import base64
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction
from chalicelib.ids import segment
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    Blocked,
    Finding,
    Refused,
    Reply,
    Step,
    TokenInvalid,
    fit,
)
from chalicelib.platforms.http import Http
from chalicelib.platforms.rest import Verdicts, call, pages, seconds_to

API = "https://api.x.com"
MAX_REPLY = 280  # weighted characters of a post
MAX_DIRECT = 10_000  # characters
EVENTS = (
    *("post.mention.create", "post.reply.create", "post.quote.create", "post.create", "post.delete"),
    *("dm.received", "dm.sent"),
)
MAX_PAGES = 10

_LINK_WEIGHT = 23  # every link counts as t.co's
_LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))  # code points that count 1; all others count 2
_LINK = re.compile(
    r"https?://\S*[^\s.,;:!?)]"
    r"|(?<![\w@.-])(?:[a-z0-9-]+\.)+(?:com|net|org|shop|store|info|app|co|io|me|eu|de|at|ch|fr|it|es|nl|uk)\b(?:/\S*[^\s.,;:!?)])?",
    re.IGNORECASE,
)


def weight(words: str) -> int:
    """The length of a post as X counts it.

    Source: https://docs.x.com/fundamentals/counting-characters
    """
    links = _LINK.findall(words)
    rest = _LINK.sub("", words)
    return len(links) * _LINK_WEIGHT + sum(1 if any(a <= ord(c) <= b for a, b in _LIGHT) else 2 for c in rest)


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them: a public post without links, unless the account's option `allow_links` is true."""
    if private or interaction.private:
        return fit(words, MAX_DIRECT)
    if account.options.get("allow_links") is not True:
        words = re.sub(r"[ \t]{2,}", " ", _LINK.sub("", words)).strip()
    return fit(words, MAX_REPLY, weight)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A post that answers the customer's, or a direct message.

    Source: https://docs.x.com/x-api/direct-messages/create-dm-message-by-participant-id
    """
    i = reply.interaction
    words = wording(account, i, reply.text, reply.private)
    if not words:
        raise Refused("empty")
    if i.private or reply.private:
        recipient = i.reply_to if i.private else i.author
        if not recipient:
            raise Refused("no_recipient")
        path = f"2/dm_conversations/with/{segment(recipient)}/messages"
        data = _call(http, app, account, "POST", path, data={"text": words}, at=reply.at)
        return read.given_id(read.obj(data.get("data")).get("dm_event_id"))
    post = {"text": words, "reply": {"in_reply_to_tweet_id": i.reply_to or i.id}}
    return read.given_id(
        read.obj(_call(http, app, account, "POST", "2/tweets", data=post, at=reply.at).get("data")).get("id")
    )


# 402: the app's credits are used up; nothing can be posted until they are filled up
_VERDICTS = Verdicts(
    {402: Blocked, 403: Refused}, lambda answer: seconds_to(answer, "x-rate-limit-reset"), usual_s=900, longest_s=86_400
)


def _call(
    http: Http,
    app: App,
    account: Account,
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    data: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """One call, made once; its JSON. Raises ReplyError by status.

    Source: https://docs.x.com/x-api/fundamentals/response-codes-and-errors
    """
    url = f"{API}/{path}"
    headers = {"Authorization": f"Bearer {account.token}"}
    if account.options.get("token_secret") and app.secrets:
        # X compares the time with its own clock, so that a call without one takes the machine's
        stamp = int((at or datetime.now(UTC)).timestamp())
        headers = {"Authorization": signed(app, account, method, url, query or {}, secrets.token_hex(16), stamp)}
    return call(http, method, url, headers=headers, query=query, data=data, verdicts=_VERDICTS).data


def signed(app: App, account: Account, method: str, url: str, query: Mapping[str, str], nonce: str, stamp: int) -> str:
    """The Authorization header of OAuth 1.0a; `stamp` in seconds. A JSON body is not part of what is signed.

    Source: https://docs.x.com/fundamentals/authentication/oauth-1-0a/creating-a-signature
    """
    oauth = {
        "oauth_consumer_key": str(account.options.get("consumer_key", "")),
        "oauth_nonce": nonce,
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(stamp),
        "oauth_token": account.token,
        "oauth_version": "1.0",
    }
    pairs = sorted((_escape(k), _escape(v)) for k, v in {**query, **oauth}.items())
    base = "&".join((method, _escape(url), _escape("&".join(f"{k}={v}" for k, v in pairs))))
    key = f"{_escape(app.secrets[0])}&{_escape(str(account.options.get('token_secret', '')))}"
    digest = base64.b64encode(hmac.new(key.encode(), base.encode(), "sha1").digest()).decode()
    fields = sorted({**oauth, "oauth_signature": digest}.items())
    return "OAuth " + ", ".join(f'{_escape(k)}="{_escape(v)}"' for k, v in fields)


def _escape(value: str) -> str:
    return quote(value, safe="")


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token belongs to the account, the webhook is valid and the events are subscribed.

    Source: https://docs.x.com/x-api/webhooks/introduction
    """
    mend_token = "authorise the app again as this account (OAuth 2.0) and put the token in the apps file"
    try:
        me = read.given_id(read.obj(_call(http, app, account, "GET", "2/users/me").get("data")).get("id"))
    except (TokenInvalid, Refused) as error:
        return [Finding(account.id, f"the token is not accepted ({error.code})", mend_token)]
    findings = [] if me == account.id else [Finding(account.id, "the token belongs to another account", mend_token)]
    bearer = account.options.get("app_token")
    if not bearer:
        fix = "add the app's bearer token as the account's option app_token"
        return [*findings, Finding(account.id, "webhook and subscriptions cannot be checked", fix)]
    return findings + _check_webhook(http, app, Account(account.id, "x", token=str(bearer)))


def _check_webhook(http: Http, app: App, speaker: Account) -> list[Finding]:
    try:
        webhooks = _webhooks(http, app, speaker)
        subscriptions = _subscriptions(http, app, speaker)
    except (TokenInvalid, Refused) as error:
        return [Finding(speaker.id, f"the webhook cannot be read ({error.code})", "check the option app_token")]
    findings = []
    if not any(w.get("valid") is True for w in webhooks):
        fix = "PUT /2/webhooks/{id} makes X try the CRC again; POST /2/webhooks registers the URL"
        findings.append(Finding(speaker.id, "the webhook is not enabled", fix))
    have = {read.text(s.get("event_type")) for s in subscriptions}
    if missing := [e for e in EVENTS if e not in have]:
        fix = "POST /2/activity/subscriptions for each of them, with this account's user token for private events"
        findings.append(Finding(speaker.id, f"not subscribed: {', '.join(missing)}", fix))
    return findings


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The app's webhook, then a subscription for each event that is missing. Raises ReplyError.

    Source: https://docs.x.com/x-api/webhooks/introduction and https://docs.x.com/x-api/activity/introduction
    """
    bearer = account.options.get("app_token")
    if not bearer:
        return [Step("add the app's bearer token as the account's option app_token, then run this again")]
    speaker = Account(account.id, "x", token=str(bearer))
    ours = next((w for w in _webhooks(http, app, speaker) if read.text(w.get("url")) == address), {})
    steps = []
    if not ours:
        post = {"url": address}
        what = f"register {address} as the app's webhook"
        steps.append(Step(what, lambda: _call(http, app, speaker, "POST", "2/webhooks", data=post)))
    elif ours.get("valid") is not True:
        again = f"2/webhooks/{segment(read.ident(ours.get('id')))}"
        steps.append(Step("let X try the webhook again", lambda: _call(http, app, speaker, "PUT", again)))
    mine = _subscriptions(http, app, speaker)
    have = {read.text(s.get("event_type")) for s in mine if s.get("webhook_id") == ours.get("id")}
    return steps + [_subscribing(http, app, account, speaker, event, address) for event in EVENTS if event not in have]


def _webhooks(http: Http, app: App, speaker: Account) -> list[dict[str, Any]]:
    return [read.obj(row) for row in read.rows(_call(http, app, speaker, "GET", "2/webhooks").get("data"))]


def _subscriptions(http: Http, app: App, speaker: Account) -> list[dict[str, Any]]:
    """The account's of all subscriptions of the app, which one page does not hold where it has many accounts.

    Source: https://docs.x.com/x-api/activity/get-x-activity-subscriptions
    """
    pages = _pages(http, app, speaker, "2/activity/subscriptions", {})
    every = (read.obj(row) for rows, _ in pages for row in rows)
    return [s for s in every if str(read.obj(s.get("filter")).get("user_id")) == speaker.id]


def _subscribing(http: Http, app: App, account: Account, speaker: Account, event: str, address: str) -> Step:
    """Private events want the account's own token. Without a webhook's id an event goes to the stream alone, and the id
    is known only when the webhook is registered.

    Source: https://docs.x.com/x-api/activity/quickstart
    """
    who = account if event.startswith("dm.") else speaker

    def subscribe() -> None:
        hooks = _webhooks(http, app, speaker)
        webhook = next((read.ident(w.get("id")) for w in hooks if read.text(w.get("url")) == address), None)
        if webhook is None:
            raise Refused(f"X lists no webhook at {address}")
        data = {"event_type": event, "filter": {"user_id": account.id}, "webhook_id": webhook}
        _call(http, app, who, "POST", "2/activity/subscriptions", data=data)

    return Step(f"subscribe to {event}", subscribe)


def list_mentions(http: Http, app: App, account: Account, since: datetime) -> Iterator[tuple[list[Any], list[Any]]]:
    """Pages of (posts that mention the account, users that wrote them) since `since`."""
    query = {
        "start_time": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "max_results": "100",
        "tweet.fields": "author_id,conversation_id,created_at,referenced_tweets,in_reply_to_user_id,note_tweet"
        ",entities,attachments",
        "expansions": "author_id",
        "user.fields": "affiliation,public_metrics,username",
    }
    yield from _pages(http, app, account, f"2/users/{segment(account.id)}/mentions", query)


def list_direct(http: Http, app: App, account: Account) -> Iterator[tuple[list[Any], list[Any]]]:
    """Pages of (direct messages of the last 30 days, their senders), newest first."""
    fields = "id,text,event_type,dm_conversation_id,created_at,sender_id,participant_ids,attachments,entities"
    query = {"event_types": "MessageCreate", "dm_event.fields": fields, "max_results": "100", "expansions": "sender_id"}
    yield from _pages(
        http, app, account, "2/dm_events", {**query, "user.fields": "affiliation,public_metrics,username"}
    )


def _pages(
    http: Http, app: App, account: Account, path: str, query: dict[str, str]
) -> Iterator[tuple[list[Any], list[Any]]]:
    def turn(token: str) -> tuple[tuple[list[Any], list[Any]], str]:
        answer = _call(http, app, account, "GET", path, query={**query, "pagination_token": token} if token else query)
        found = read.rows(answer.get("data")), read.rows(read.obj(answer.get("includes")).get("users"))
        return found, read.text(read.obj(answer.get("meta")).get("next_token"))

    yield from pages(turn, MAX_PAGES)
