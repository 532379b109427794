"""WhatsApp Cloud API: messages to a business number, their edits and revocations, and what people of the brand write
in the WhatsApp Business app.

The apps file names an account by its phone number id. The id of the WhatsApp Business Account is accepted too; then the
account's option `phone_number_id` must say which number replies (and so which of its numbers is meant). The option
`waba_id` lets `check` look at the subscription.

A status says that what the API had taken did not arrive: that takes "sent" back. The others are skipped: three come for
every message that the brand sends, and an unknown send is left to the timer, which covers the customer anyway.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.ids import segment
from chalicelib.platforms import read
from chalicelib.platforms.base import Finding, Parsed, Refused, Reply, Skipped, Step, fit
from chalicelib.platforms.contract import PartContext, Product, each, not_listed
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta.graph import (
    ANY_GRAPH,
    PERMISSIONS,
    Errors,
    check_account,
    check_fields,
    check_webhook,
    connect_fields,
    connect_webhook,
    graph,
)
from chalicelib.platforms.simulation import Endpoint, Posted, SimulatedMessage, Simulation

MAX_REPLY = 4096  # characters
WINDOW = timedelta(hours=24)
FIELDS = ("messages", "smb_message_echoes")
STANDBY = "standby"  # another app, such as Meta's own agent, has the conversation: kept and escalated, never replied to
_LISTS = {"messages": "messages", "smb_message_echoes": "message_echoes", STANDBY: ""}

ERRORS = Errors(
    rate=frozenset({4, 80007, 130429, 131048, 131056}),
    token=frozenset({0, 190, 131005, *PERMISSIONS}),
    blocked=frozenset({368, 131031, 131042}),  # 131042: a bill is open
    windows=frozenset({131047}),
    refused=frozenset({33, 100, 130472, 131008, 131009, 131021, 131026, 131030, 131045, *range(131049, 131054)})
    | frozenset({131062, *range(132000, 134100)}),
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
    number = read.ident(read.obj(read.obj(change.get("value")).get("metadata")).get("phone_number_id"))
    if number and app.account("whatsapp", number):
        return number
    if not number and not entry_id:
        only = app.only("whatsapp")
        return only.id if only else None
    account = app.account("whatsapp", entry_id)
    if account is None:
        return None
    meant = str(account.options.get("phone_number_id") or number)
    return entry_id if not number or number == meant else None


def parse_change(at: PartContext, change: dict[str, Any]) -> Iterator[Parsed]:
    """One element of `entry[].changes`; it can hold many messages, and a poison one stops no other."""
    value = read.obj(change["value"])
    field = read.text(change.get("field")) or ("smb_message_echoes" if "message_echoes" in value else "messages")
    if field not in _LISTS:
        yield at.skipped(f"field_{field[:40]}")
        return
    whose = (at.account.product, at.account.id)
    for name in ("message_echoes", "messages"):
        messages = read.rows(value.get(name)) if name == _LISTS[field] or field == STANDBY else []
        for found in each(messages, partial(_message, at, value, name == "message_echoes"), *whose):
            yield replace(found, repliable=False) if isinstance(found, Interaction) and field == STANDBY else found
    yield from each(map(read.obj, read.rows(value.get("statuses"))), partial(_status_told, at, value), *whose)
    for _ in read.rows(value.get("errors")):
        yield at.skipped("error")


def _message(context: PartContext, value: dict[str, Any], echo: bool, message: Any) -> Interaction | Skipped:
    account = context.account.id
    if not isinstance(message, dict):
        raise read.PayloadError("expected an object")
    type_ = _type(message)
    if type_ == "system" and (renamed := _renamed(context, message)):
        return renamed
    if type_ in _SKIPPED_TYPES:
        return context.skipped(f"type_{type_}")
    change = read.obj(message.get(type_)) if type_ in ("edit", "revoke") else {}
    content = (read.obj(change.get("message")) or change) if type_ == "edit" else message
    person = _customer(value, message, echo)
    if not echo and person.address in _own_numbers(account, value):
        echo, person = True, _customer(value, message, True)
    customer = person.known_as[0]
    group = read.ident(message.get("group_id"))
    id = read.need_ident(change.get("original_message_id") if change else message.get("id"))
    parent = read.ident(read.obj(content.get("context")).get("id"))
    at = read.when(message.get("timestamp"), context.entry_at)
    return replace(
        context.interaction(message, id, _CHANGES.get(type_, Kind.BRAND_REPLY if echo else Kind.NEW), at),
        thread=group or customer,
        author=account if echo else customer,
        author_name=None if echo else read.name(read.obj(person.contact.get("profile")).get("name")),
        brand=echo,
        text=_words(content),
        parent=parent if parent and parent != id else None,
        reply_to=person.address,
        known_as=person.known_as,
        private=True,
        repliable=not group,
        attachments=_attachments(content, type_),
        window=WINDOW,
        tap=not echo and type_ == "sticker",
    )


_CHANGES = {"edit": Kind.EDIT, "revoke": Kind.DELETE}


def _own_numbers(account: str, value: dict[str, Any]) -> set[str]:
    """The field says who wrote a message, an echo's `from` can be anything; but the brand is never its own customer."""
    number = read.text(read.obj(value.get("metadata")).get("display_phone_number"))
    return {account, "".join(c for c in number if c.isdigit())}


class _Person(NamedTuple):
    """The customer: the address that a reply goes to, every id in a form of its own, and what the contact says."""

    address: str
    known_as: tuple[str, ...]
    contact: dict[str, Any]


def _customer(value: dict[str, Any], message: dict[str, Any], echo: bool) -> _Person:
    """By phone number, and by the business-scoped id, which is all that some have. Raises PayloadError."""
    keys = ("to", "to_user_id") if echo else ("from", "from_user_id")
    named = [read.ident(message.get(key)) for key in keys]
    contacts = [read.obj(c) for c in read.rows(value.get("contacts"))]
    known = {one_form(id) for id in named if id}
    contact = next((c for c in contacts if {one_form(id) for id in _ids(c)} & known), {})
    if not contact and len(contacts) == 1 and not known:
        contact = contacts[0]
    given = [*filter(None, named), *_ids(contact)]
    address = read.need_ident(next(iter(given), "")).replace(" ", "")
    return _Person(address, tuple(dict.fromkeys(map(one_form, given))), contact)


def _status_told(context: PartContext, value: dict[str, Any], status: dict[str, Any]) -> Parsed:
    if status.get("status") == "failed":
        return _undelivered(context, value, status)
    return context.skipped(f"status_{read.text(status.get('status'))[:40]}")


def _undelivered(context: PartContext, value: dict[str, Any], status: dict[str, Any]) -> Interaction:
    """What the API had taken did not arrive: the message's id, and its claim in what comes back."""
    person = _customer(value, {"to": status.get("recipient_id"), "to_user_id": status.get("recipient_user_id")}, True)
    at = read.when(status.get("timestamp"), context.entry_at)
    found = context.interaction(status, read.need_ident(status.get("id")), Kind.UNDELIVERED, at)
    return replace(
        found,
        thread=person.known_as[0],
        author=context.account.id,
        brand=True,
        private=True,
        known_as=person.known_as,
        token=read.ident(status.get("biz_opaque_callback_data")) or None,
    )


def _ids(contact: dict[str, Any]) -> list[str]:
    return list(filter(None, (read.ident(contact.get("wa_id")), read.ident(contact.get("user_id")))))


# Countries whose mobile numbers are written in two ways: what stands between the country's code and the rest, or not
_EXTRA_DIGITS = (
    re.compile(r"(55\d\d)9(\d{8})"),  # Brazil's ninth digit
    re.compile(r"(52)1(\d{10})"),  # Mexico
    re.compile(r"(54)9(\d{10})"),  # Argentina
)


def one_form(id: str) -> str:
    """A phone number in the one of its forms that all others lead to; a business-scoped id as it is."""
    digits = id.lstrip("+").replace(" ", "").replace("-", "")
    if not digits.isdecimal():
        return id
    found = next((m for form in _EXTRA_DIGITS if (m := form.fullmatch(digits))), None)
    return found[1] + found[2] if found else digits


def _renamed(context: PartContext, message: dict[str, Any]) -> Interaction | None:
    """A changed number: the person stays the same."""
    system = read.obj(message.get("system"))
    old = [read.ident(message.get(key)) for key in ("from", "from_user_id")]
    new = [read.ident(system.get(key)) for key in ("wa_id", "new_wa_id", "user_id")]
    known_as = tuple(dict.fromkeys(one_form(id) for id in (*old, *new) if id))
    if len(known_as) < 2:
        return None
    at = read.when(message.get("timestamp"), context.entry_at)
    found = context.interaction({}, read.need_ident(message.get("id")), Kind.SAME_PERSON, at)
    return replace(found, thread=known_as[0], author=known_as[0], known_as=known_as, private=True, raw="")


def _type(content: dict[str, Any]) -> str:
    """The type of a message; where it is missing, what the message holds."""
    return read.text(content.get("type")) or next((type_ for type_ in _WORDS if type_ in content), "")


def _words(content: dict[str, Any]) -> str:
    paths = _WORDS.get(_type(content), _WORDS["text"])  # a type that nobody documents can still have a text
    return next(filter(None, (read.text(_at(content, path)) for path in paths)), "")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = read.obj(value).get(key)
    return value


def _attachments(content: dict[str, Any], type_: str) -> int:
    """1 for everything that is more than words, also for what the API cannot show ("unsupported", lost words)."""
    return 0 if type_ == "revoke" or (_type(content) in _WORDS_ONLY and _words(content)) else 1


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
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
        f"{segment(_number(account))}/messages",
        data={
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            # a phone number, or a business-scoped id ("US.1349…")
            "to" if recipient.lstrip("+").isdigit() else "recipient": recipient,
            "type": "text",
            "text": {"body": wording(account, i, reply.text, reply.private), "preview_url": False},
            "context": {"message_id": i.id},
            "biz_opaque_callback_data": reply.token,
        },
        errors=ERRORS,
    )
    sent = read.rows(data.get("messages")) if isinstance(data.get("messages"), list) else []
    return read.given_id(read.obj(sent[0]).get("id")) if sent else None


def _number(account: Account) -> str:
    return str(account.options.get("phone_number_id") or account.id)


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token may use the number, its business account sends to this app, and the webhook is enabled."""
    findings = check_account(http, account, segment(_number(account)), "id,verified_name")
    findings = [f._replace(fix=f"{f.fix}; the account's id must be a phone number id, or have one") for f in findings]
    if waba := account.options.get("waba_id"):
        findings += check_fields(http, app, account, str(waba), ())
    return findings + check_webhook(http, app, account, "whatsapp_business_account", FIELDS)


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The business account's subscription, where `waba_id` names it, then the app's webhook. Raises ReplyError."""
    waba = account.options.get("waba_id")
    subscribed = [Step("set the account's option waba_id, then run this again: its subscription cannot be seen")]
    if waba:
        subscribed = connect_fields(http, app, account, str(waba), ())
    return subscribed + connect_webhook(http, app, account, "whatsapp_business_account", FIELDS, address)


# --- the local run ---------------------------------------------------------------------------------------------------


def say(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    """Which list of an entry, and its element."""
    at = str(int(said.at.timestamp()))
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100200", "phone_number_id": account.id},
    }
    text = {"id": f"wamid.{said.id}", "timestamp": at, "type": "text", "text": {"body": said.text}}
    if said.token:
        status = {"id": f"wamid.{said.id}", "status": "sent", "timestamp": at, "recipient_id": said.to}
        value["statuses"] = [{**status, "biz_opaque_callback_data": said.token}]
    elif said.brand:
        value["message_echoes"] = [{"from": "15550100200", "to": said.to, **text}]
    else:
        value["contacts"] = [{"profile": {"name": said.name}, "wa_id": said.author}]
        value["messages"] = [{"from": said.author, **text}]
    return "changes", {"field": "smb_message_echoes" if said.brand and not said.token else "messages", "value": value}


def _told(path: re.Match[str], data: Mapping[str, Any]) -> tuple[str, str, str]:
    return data.get("to") or data["recipient"], data["text"]["body"], data.get("biz_opaque_callback_data", "")


def _status(posted: Posted) -> SimulatedMessage:
    id = posted.id.removeprefix("wamid.")
    return SimulatedMessage("whatsapp", id=id, to=posted.target, token=posted.token)


_SEND = Endpoint(
    re.compile(rf"{ANY_GRAPH}/[^/]+/messages"),
    _told,
    lambda id: {"messaging_product": "whatsapp", "messages": [{"id": id}]},
    id="wamid.{}",
    having="messaging_product",
)
PRODUCT = Product(
    name="whatsapp",
    title="WhatsApp",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_SEND,), _status, direct=True),
    wording=wording,
    one_form=one_form,
    check=check,
    connect=connect,
    # the Cloud API delivers for 7 days, so nothing is lost before that
    backfill=not_listed("WhatsApp lists no past messages; it repeats deliveries for 7 days"),
)
