"""What the queues `due` and `escalations` carry, as types; how each is written and read stands here and nowhere else.
Most are named tuples, which cost a start a sixth of what dataclasses do.

The inbox's message is in inbox.py, so that receive imports little; SES tells of e-mails in words of its own. Every
message has a `kind`. Those of the release before had none: they are told by the fields that they have, so that what is
under way at a deployment is read. Fields that a reader does not know it ignores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chalicelib.codec import dump, from_time, load, to_time
from chalicelib.conversations.conversation import Bundle, Conversation
from chalicelib.storage.store import ConversationKey

if TYPE_CHECKING:  # only an erasure needs them, and respond reads this file when it starts
    # start-up time: erasures are rare
    from chalicelib.conversations.customer import Customer, Traces

VERSION: Final = 1


class UnknownMessage(Exception):
    """A message of a kind that this release cannot read: it goes back and then to the dead-letter queue."""


class Stopped(StrEnum):
    """Why an account's automatic replies stopped."""

    TOKEN = "token"
    BLOCK = "block"


class WakeUp(NamedTuple):
    """A timer fired: look at everything that is overdue. Step Functions writes it (infra/stack/timer.asl.json)."""

    at: datetime


class EscalationDue(NamedTuple):
    """One conversation was overdue as it came."""

    key: ConversationKey


class SendNotice(NamedTuple):
    """One notice of a conversation has to be mailed; `delivery` is the correlation id."""

    key: ConversationKey
    notice: str
    delivery: str = ""

    @classmethod
    def of(cls, conversation: Conversation, notice: str) -> "SendNotice":
        return cls(ConversationKey.of(conversation), notice, conversation.delivery)


class SendGathered(NamedTuple):
    """What was gathered under `name` has to be mailed, as one e-mail of the kind `bundle`; or what is left of it counts
    as told with the e-mail `counted_in` to `mailbox`, which did not list it."""

    name: str
    bundle: Bundle
    counted_in: str = ""
    mailbox: str = ""


class AccountAlert(NamedTuple):
    """An account's replies stopped, for a block's time `until` or until it has other credentials. `token` is what its
    owner is told once for; `code` is the platform's."""

    stopped: Stopped
    product: str
    account: str
    code: str
    token: str
    until: datetime | None = None


class FindPerson(NamedTuple):
    """Somebody whom only the app knows, as `user`, asked at `at` to be erased: who is it to the app's accounts?"""

    app: str
    user: str
    code: str
    at: datetime


class Erase(NamedTuple):
    """One pass over what a customer had said until `until` (None: until it begins); the second one knows what the first
    has taken away. Of a pass that time stopped, `step` steps are done, and the next goes on behind `after`, there
    behind `within`."""

    customer: "Customer"
    code: str
    number: int
    until: datetime | None = None
    traces: "Traces | None" = None
    step: int = 0
    after: str = ""
    within: str = ""


@dataclass(frozen=True, slots=True)
class SpikeFound:
    """Far more is asked than usual: `count` questions since `began_at` where `usual` come, `from_post` of them under
    one post (0: under many); `intents` are what most are about, `campaign` the one that they may be about, `questions`
    the pseudonyms of some of them."""

    id: str
    began_at: datetime
    count: int
    usual: float
    from_post: int = 0
    intents: tuple[str, ...] = ()
    campaign: str = ""
    questions: tuple[str, ...] = ()


Message = SpikeFound | WakeUp | EscalationDue | SendNotice | SendGathered | AccountAlert | FindPerson | Erase


def encode(message: Message) -> dict[str, Any]:
    """`message` as a queue takes it."""
    return {"v": VERSION, **_WRITTEN[type(message)](message)}


def decode(plain: Mapping[str, Any]) -> Message:
    """What `encode` wrote, here or in the release before. Raises UnknownMessage, KeyError or ValueError."""
    kind = plain.get("kind") or next((kind for field, kind in _WITHOUT_KIND if field in plain), None)
    if kind == _ERASE and plain["pass"] == 0:  # the release before told both by the same field
        kind = _FIND
    if not isinstance(kind, str) or kind not in _READ:
        raise UnknownMessage(str(kind))
    return _READ[kind](plain)


_FIND, _ERASE = "find_person", "erase"

# type → its kind and fields. The kind of what was gathered says what e-mail it becomes.
_WRITTEN: Final[Mapping[type, Callable[[Any], dict[str, Any]]]] = {
    WakeUp: lambda m: {"kind": "wake_up", "wake_at": from_time(m.at)},
    EscalationDue: lambda m: {"kind": "escalation_due", **dump(m.key)},
    SendNotice: lambda m: {"kind": "send_notice", **dump(m.key), "notice": m.notice, "delivery": m.delivery},
    SendGathered: lambda m: {
        "kind": m.bundle.value,
        "gathered": m.name,
        **({"counted_in": m.counted_in, "mailbox": m.mailbox} if m.counted_in else {}),
    },
    AccountAlert: lambda m: {
        "kind": "account_alert",
        "alert": m.stopped.value,
        "product": m.product,
        "account": m.account,
        "code": m.code,
        "token": m.token,
        "until": _time(m.until),
    },
    FindPerson: lambda m: {
        "kind": _FIND,
        "erase": {"app": m.app, "user": m.user},
        "code": m.code,
        "pass": 0,
        "at": from_time(m.at),
    },
    SpikeFound: lambda m: {"kind": "spike_found", **dump(m)},
    Erase: lambda m: {
        "kind": _ERASE,
        "erase": dump(m.customer),
        "code": m.code,
        "pass": m.number,
        "at": _time(m.until),
        "traces": dump(m.traces) if m.traces else {},
        "step": m.step,
        "after": m.after,
        "within": m.within,
    },
}


def _time(time: datetime | None) -> str:
    return from_time(time) if time else ""


def _gathered(m: Mapping[str, Any]) -> SendGathered:
    counted_in, mailbox = str(m.get("counted_in") or ""), str(m.get("mailbox") or "")
    return SendGathered(str(m["gathered"]), Bundle(m["kind"]), counted_in, mailbox)


def _erase(m: Mapping[str, Any]) -> Erase:
    # start-up time: erasures are rare
    from chalicelib.conversations.customer import Customer, Traces

    until = to_time(m["at"]) if m.get("at") else None
    traces = load(Traces, m["traces"]) if m.get("traces") else None
    done = int(m.get("step", 0)), str(m.get("after", "")), str(m.get("within", ""))
    return Erase(Customer(**m["erase"]), str(m["code"]), int(m["pass"]), until, traces, *done)


def _key(m: Mapping[str, Any]) -> ConversationKey:
    return ConversationKey.named(m)


# kind → how it is read
_READ: Final[Mapping[str, Callable[[Mapping[str, Any]], Message]]] = {
    "wake_up": lambda m: WakeUp(to_time(m["wake_at"])),
    "escalation_due": lambda m: EscalationDue(_key(m)),
    "send_notice": lambda m: SendNotice(_key(m), str(m["notice"]), str(m.get("delivery") or "")),
    **{bundle.value: _gathered for bundle in Bundle},
    "account_alert": lambda m: AccountAlert(
        Stopped(m["alert"]),
        str(m["product"]),
        str(m["account"]),
        str(m.get("code", "")),
        str(m["token"]),
        to_time(m["until"]) if m.get("until") else None,
    ),
    "spike_found": lambda m: load(SpikeFound, m),
    _FIND: lambda m: FindPerson(str(m["erase"]["app"]), str(m["erase"]["user"]), str(m["code"]), to_time(m["at"])),
    _ERASE: _erase,
}

# A field that only messages of this kind have: for those of the release before. The first that is found counts.
_WITHOUT_KIND: Final = (
    ("alert", "account_alert"),
    ("erase", _ERASE),
    ("notice", "send_notice"),
    ("customer", "escalation_due"),
    ("wake_at", "wake_up"),
)
