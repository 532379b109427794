"""WhatsApp Cloud API: messages to a business number, their edits and revocations, and what people of the brand write
in the WhatsApp Business app.

The apps file names an account by its phone number id. The id of the WhatsApp Business Account is accepted too; then the
account's option `phone_number_id` must say which number replies (and so which of its numbers is meant). The option
`waba_id` lets `check` look at the subscription.

Statuses are skipped. They would tell whether a send of unknown outcome arrived, but three come for every message that
the brand sends; an unknown send is left to the timer, which covers the customer anyway.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import (
    MALFORMED,
    MAX_TEXT,
    Finding,
    Parsed,
    PayloadError,
    Poison,
    Refused,
    Reply,
    Skipped,
    Unsupported,
    fit,
    given_id,
    ident,
    need_ident,
    obj,
    raw,
    reason,
    rows,
    text,
    when,
)
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta.graph import Errors, check_account, check_fields, check_webhook, graph

MAX_REPLY = 4096  # characters
WINDOW = timedelta(hours=24)
FIELDS = ("messages", "smb_message_echoes")

ERRORS = Errors(
    retry=frozenset({1, 2, 131000, 131016, 131057}),
    rate=frozenset({4, 80007, 130429, 131048, 131056}),
    token=frozenset({0, 3, 10, 190, 368, 131005, 131031, 131042, *range(200, 300)}),
    windows=frozenset({131047}),
)

# Where the words of each type stand; a type that is not here has none, and something to look at instead
_WORDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "text": (("text", "body"),),
    "button": (("button", "text"),),
    "interactive": (
        ("interactive", "button_reply", "title"),
        ("interactive", "list_reply", "title"),
        ("interactive", "nfm_reply", "body"),
    ),
    "image": (("image", "caption"),),
    "video": (("video", "caption"),),
    "document": (("document", "caption"),),
    "order": (("order", "text"),),
    "location": (("location", "name"),),
}
_WORDS_ONLY = {"text", "button", "interactive"}
# Nothing in them to answer
_SKIPPED_TYPES = {"reaction", "system", "request_welcome"}


def owner(app: App, entry_id: str, change: dict[str, Any]) -> str | None:
    """The account that a change is for: the phone number's, else the WhatsApp Business Account's, else (some gateways
    leave both out) the only one that the app has."""
    number = ident(obj(obj(change.get("value")).get("metadata")).get("phone_number_id"))
    if number and app.account("whatsapp", number):
        return number
    if not number and not entry_id:
        own = [a.id for a in app.accounts if a.product == "whatsapp"]
        return own[0] if len(own) == 1 else None
    account = app.account("whatsapp", entry_id)
    if account is None:
        return None
    meant = str(account.options.get("phone_number_id") or number)
    return entry_id if not number or number == meant else None


def parse_change(
    app: App, account: str, change: dict[str, Any], entry_at: datetime, received_at: datetime
) -> Iterator[Parsed]:
    """One element of `entry[].changes`; it can hold many messages, and a poison one stops no other."""
    value = obj(change["value"])
    field = text(change.get("field")) or ("smb_message_echoes" if "message_echoes" in value else "messages")
    if field not in FIELDS:
        yield Skipped(f"field_{field[:40]}", "whatsapp", account)
        return
    echo = field == "smb_message_echoes"
    for message in rows(value.get("message_echoes" if echo else "messages")):
        try:
            yield _message(app, account, value, message, echo, entry_at, received_at)
        except MALFORMED as error:
            yield Poison(reason(error), raw(message), "whatsapp", account)
    for status in rows(value.get("statuses")):
        yield Skipped(f"status_{text(obj(status).get('status'))[:40]}", "whatsapp", account)
    for _ in rows(value.get("errors")):
        yield Skipped("error", "whatsapp", account)


def _message(
    app: App, account: str, value: dict[str, Any], message: Any, echo: bool, entry_at: datetime, received_at: datetime
) -> Interaction | Skipped:
    if not isinstance(message, dict):
        raise PayloadError("expected an object")
    type_ = _type(message)
    if type_ in _SKIPPED_TYPES:
        return Skipped(f"type_{type_}", "whatsapp", account)
    change = obj(message.get(type_)) if type_ in ("edit", "revoke") else {}
    content = (obj(change.get("message")) or change) if type_ == "edit" else message
    customer, contact = _customer(value, message, echo)
    if not echo and customer in _own_numbers(account, value):
        echo, (customer, contact) = True, _customer(value, message, True)
    group = ident(message.get("group_id"))
    id = need_ident(change.get("original_message_id") if change else message.get("id"))
    parent = ident(obj(content.get("context")).get("id"))
    at = when(message.get("timestamp"), entry_at)
    return Interaction(
        product="whatsapp",
        account=account,
        app=app.key,
        id=id,
        kind=_CHANGES.get(type_, Kind.BRAND_REPLY if echo else Kind.NEW),
        at=at,
        received_at=received_at,
        thread=group or customer,
        author=account if echo else customer,
        author_name=None if echo else text(obj(contact.get("profile")).get("name")) or None,
        brand=echo,
        text=_words(content),
        text_at=at,
        parent=parent if parent and parent != id else None,
        reply_to=customer,
        private=True,
        repliable=not group,
        attachments=_attachments(content, type_),
        window=WINDOW,
        raw=raw(message)[: 2 * MAX_TEXT],
    )


_CHANGES = {"edit": Kind.EDIT, "revoke": Kind.DELETE}


def _own_numbers(account: str, value: dict[str, Any]) -> set[str]:
    """The field says who wrote a message, an echo's `from` can be anything; but the brand is never its own customer."""
    number = text(obj(value.get("metadata")).get("display_phone_number"))
    return {account, "".join(c for c in number if c.isdigit())}


def _customer(value: dict[str, Any], message: dict[str, Any], echo: bool) -> tuple[str, dict[str, Any]]:
    """The customer's id and contact: the phone number, else the business-scoped id (some have no number any more)."""
    keys = ("to", "to_user_id") if echo else ("from", "from_user_id")
    named = [ident(message.get(key)) for key in keys]
    contacts = [obj(c) for c in rows(value.get("contacts"))]
    known = set(filter(None, named))
    contact = next((c for c in contacts if {ident(c.get("wa_id")), ident(c.get("user_id"))} & known), {})
    if not contact and len(contacts) == 1 and not known:
        contact = contacts[0]
    number = ident(contact.get("wa_id")) or ident(contact.get("user_id"))
    return need_ident(next(filter(None, named), number)), contact


def _type(content: dict[str, Any]) -> str:
    """The type of a message; where it is missing, what the message holds."""
    return text(content.get("type")) or next((type_ for type_ in _WORDS if type_ in content), "")


def _words(content: dict[str, Any]) -> str:
    paths = _WORDS.get(_type(content), _WORDS["text"])  # a type that nobody documents can still have a text
    return next(filter(None, (text(_at(content, path)) for path in paths)), "")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = obj(value).get(key)
    return value


def _attachments(content: dict[str, Any], type_: str) -> int:
    """1 for everything that is more than words, also for what the API cannot show ("unsupported", lost words)."""
    return 0 if type_ == "revoke" or (_type(content) in _WORDS_ONLY and _words(content)) else 1


def wording(account: Account, interaction: Interaction, words: str, private: bool = False) -> str:
    """`words` as `reply` sends them."""
    return fit(words, MAX_REPLY)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A message inside the 24-hour window, quoting the customer's; the claim token comes back in the statuses.

    Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
    """
    i = reply.interaction
    recipient = i.reply_to or i.author
    if not recipient or not i.repliable:
        raise Refused("no_recipient")
    data = graph(
        http,
        account,
        "POST",
        f"{_number(account)}/messages",
        data={
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            # a phone number, or a business-scoped id ("US.1349…")
            "to" if recipient.lstrip("+").isdigit() else "recipient": recipient,
            "type": "text",
            "text": {"body": wording(account, i, reply.text), "preview_url": False},
            "context": {"message_id": i.id},
            "biz_opaque_callback_data": reply.token,
        },
        errors=ERRORS,
    )
    sent = rows(data.get("messages")) if isinstance(data.get("messages"), list) else []
    return given_id(obj(sent[0]).get("id")) if sent else None


def _number(account: Account) -> str:
    return str(account.options.get("phone_number_id") or account.id)


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token may use the number, its business account sends to this app, and the webhook is enabled."""
    findings = check_account(http, account, _number(account), "id,verified_name")
    findings = [replace(f, fix=f"{f.fix}; the account's id must be a phone number id, or have one") for f in findings]
    if waba := account.options.get("waba_id"):
        findings += check_fields(http, app, account, str(waba), ())
    return findings + check_webhook(http, app, account, "whatsapp_business_account", FIELDS)


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Interaction]:
    """Raises Unsupported: the Cloud API lists no messages. It delivers for 7 days, so nothing is lost before that."""
    raise Unsupported("WhatsApp lists no past messages; it repeats deliveries for 7 days")
