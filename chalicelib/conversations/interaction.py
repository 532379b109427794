"""An interaction: one message, post, comment, mention or review, and how what is told of it in any order merges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from chalicelib.conversations.changed import replace, swift
from chalicelib.ids import STANDS_IN


class Kind(StrEnum):
    """What a delivery says happened."""

    NEW = "new"
    MENTION = "mention"
    EDIT = "edit"
    DELETE = "delete"
    HIDE = "hide"
    BRAND_REPLY = "brand_reply"
    BRAND_POST = "brand_post"
    UNDELIVERED = "undelivered"
    SAME_PERSON = "same_person"


LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # the deletion of something that never comes back
AHEAD = timedelta(minutes=5)  # that a platform's clock may be before ours

# The kind that a merged interaction keeps: what created it says more than what changed it.
_RANK = {k: n for n, k in enumerate((Kind.BRAND_REPLY, Kind.BRAND_POST, Kind.NEW, Kind.MENTION, Kind.EDIT, Kind.HIDE))}
_RANK[Kind.DELETE] = len(_RANK)
_RANK[Kind.UNDELIVERED] = len(_RANK)
_RANK[Kind.SAME_PERSON] = -1  # never stored


class Rung(StrEnum):
    """How much an automatic reply says, most first: the intent's own text, its topic's, a general one."""

    OWN = "own"
    TOPIC = "topic"
    GENERAL = "general"


# A public intent belongs to exactly one topic; the others have no text of their own, and no topic either.
TOPICS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "orders": ("order_status", "delivery_late", "shipping_info", "international_shipping", "cancel_order"),
        "returns": ("return", "refund", "exchange", "damaged_or_wrong", "warranty_repair"),
        "shop": (
            *("stock", "price", "size_fit", "product_question", "store_info"),
            *("sustainability", "discount_code"),
        ),
        "account": ("payment", "invoice", "account_login", "gift_card", "loyalty"),
    }
)


@swift
@dataclass(frozen=True, slots=True)
class Reading:
    """What the intent model makes of one text.

    `confidence` and `margin` (to the runner-up) are probabilities, 0–1. `language` is a code such as "en", or None when
    unsure or not served. `accepted`: sure enough to be acknowledged with the intent's own text. `model` is the model's
    hash. `chances` are the other intents that it may well be, with their probabilities.
    `rungs` says for each rung of the ladder how sure it is that a reply of that rung is right (0–1), and `allowed` is
    those whose threshold in this language is met. `topic` is the likeliest one, "" for none. `gate` is the probability
    that the message needs an answer from this shop; `urgent` how much it sounds like danger, law, fraud or a lost
    account: from 0.5 on it is urgent, in every language.
    `guards` are the names of what in its words forbids a reply, or all but a plain one (chalicelib/reading/guards.py).
    """

    intent: str
    confidence: float
    margin: float
    language: str | None
    accepted: bool
    model: str = ""
    chances: dict[str, float] = field(default_factory=dict)
    rungs: dict[str, float] = field(default_factory=dict)
    allowed: tuple[Rung, ...] = ()
    topic: str = ""
    gate: float = 0.0
    urgent: float = 0.0
    guards: tuple[str, ...] = ()


DIGITS: Final = 4  # of a probability that are kept: the others say nothing, and are stored for months


def in_few_digits(reading: Reading) -> Reading:
    """`reading` as it is kept and decided by, now and whenever it is read again."""
    r = reading
    return replace(
        r,
        confidence=_short(r.confidence),
        margin=_short(r.margin),
        gate=_short(r.gate),
        urgent=_short(r.urgent),
        chances={intent: _short(p) for intent, p in r.chances.items()},
        rungs={rung: _short(p) for rung, p in r.rungs.items()},
    )


def _short(p: float) -> float:
    return float(f"{p:.{DIGITS}g}")


@swift
@dataclass(frozen=True, slots=True)
class Interaction:
    """One interaction in the words that all platforms share; ids are the platform's own, as strings.

    `thread` holds the conversation (a top-level comment, a post, a direct-message partner); `parent` is what is
    answered directly, `post` what all of it stands under. `reply_to` is where a reply is posted, when that is not `id`;
    `to` is whom it answers, where the platform says so: a customer, or the account itself.
    `text_at` is the platform's time of this version of the text, `edited` that it is not the first one. `token` is the
    claim token that came back with an echo of our own send and `ours` that the platform itself says that this app sent
    it; `via` is the id of the app by which the brand's people (or a machine of theirs) sent it. `begins` says whether
    it begins its thread, where the platform tells. `deleted_at` and `recovered_at` are known of platforms that bring a
    deleted text back (with a `text_at` after its deletion); without them a deletion is for good. `undelivered`: the
    platform took the brand's message and could not deliver it. `window` is how long after `at` replies are allowed.
    `private_only`: a reply can only be a private message. `tap`: a thumb, a sticker, a pressed start, nothing to
    answer. `reach` is how many follow its author, where the platform tells.
    `unproven`: only an unsigned header says so, and the platform has to be asked.
    `raw` is the platform's own JSON of this interaction while it is worked on; it is not stored. `erased`: its author,
    or the customer whom it answered, asked to be forgotten.

    These settle where it is stored and are not kept (chalicelib/handlers/placing.py): `known_as` are all ids
    of the customer, `shared` says that other accounts are told of it under the same id, `home` on whose page it stands
    by its own ids, `threads` are other names of its thread. The kind `same_person` only brings `known_as`.
    """

    product: str
    account: str
    id: str
    kind: Kind
    at: datetime
    received_at: datetime
    thread: str = ""
    app: str = ""
    author: str | None = None
    author_name: str | None = None
    brand: bool = False
    text: str = ""
    text_at: datetime | None = None
    edited: bool = False
    parent: str | None = None
    reply_to: str | None = None
    to: str | None = None
    post: str | None = None
    private: bool = False
    repliable: bool = True
    attachments: int = 0
    link: str | None = None
    window: timedelta | None = None
    deleted: bool = False
    hidden_at: datetime | None = None
    shown_at: datetime | None = None
    ours: bool = False
    via: str | None = None
    begins: bool | None = None
    deleted_at: datetime | None = None
    recovered_at: datetime | None = None
    undelivered: bool = False
    token: str | None = None
    raw: str = ""
    reading: Reading | None = None
    private_only: bool = False
    unproven: bool = False
    tap: bool = False
    reach: int | None = None
    known_as: tuple[str, ...] = ()
    shared: bool = False
    threads: tuple[str, ...] = ()
    erased: bool = False
    home: str = ""

    @property
    def hidden(self) -> bool:
        """Whether the brand hid it and has not shown it again since."""
        return self.hidden_at is not None and (self.shown_at is None or self.hidden_at >= self.shown_at)

    @property
    def deletes(self) -> bool:
        """Whether it tells that something is gone."""
        return self.kind is Kind.DELETE

    @property
    def customer(self) -> str:
        """Who wrote it; stands in for an author that the platform did not name."""
        return self.author or f"{STANDS_IN}{self.id}"


_TIMES: Final = ("at", "text_at", "hidden_at", "shown_at", "deleted_at", "recovered_at")


def timely(i: Interaction, came: datetime) -> Interaction:
    """`i` with nothing in it later than it `came`: by a clock that is wrong, an answer would be one to whatever is
    asked until then, and a question could not be answered before."""
    latest = came + AHEAD
    wrong: dict[str, Any] = {n: came for n in _TIMES if (at := getattr(i, n)) and latest < at < LATEST}
    return replace(i, **wrong) if wrong else i


def merge(old: Interaction | None, new: Interaction) -> Interaction:
    """What is known after both; the same for every order and any repetition, and a deletion wins over everything.

    Every field is the least or greatest of its values by an order of their own, never "the first that came", because
    that alone makes the result independent of how the parts were grouped.
    """
    new = _plain(new)
    if old is None:
        return new
    old = _plain(old)
    if gone := [i for i in (old, new) if i.erased]:
        at, received_at = min(i.at for i in gone), min(i.received_at for i in gone)
        return bare(replace(gone[0], at=at, received_at=received_at, app=max(i.app for i in gone)))
    first = min(old, new, key=_seniority)
    deleted_at = _greater(old.deleted_at, new.deleted_at)
    words = max((_after(old, deleted_at), _after(new, deleted_at)), key=_version)
    who = min(old, new, key=_authorship)
    names = [i.author_name for i in (old, new) if i.author_name and _authorship(i) == _authorship(who)]
    recovered_at = _greater(old.recovered_at, new.recovered_at)
    merged = replace(
        first,
        received_at=min(old.received_at, new.received_at),
        thread=max(old.thread, new.thread),
        app=max(old.app, new.app),
        author=who.author,
        author_name=max(names, default=None),
        brand=who.brand,
        parent=_greater(old.parent, new.parent),
        reply_to=_greater(old.reply_to, new.reply_to),
        to=_greater(old.to, new.to),
        post=_greater(old.post, new.post),
        private=old.private or new.private,
        repliable=old.repliable and new.repliable,
        link=_greater(old.link, new.link),
        window=_greater(old.window, new.window),
        deleted=_is_gone(deleted_at, recovered_at),
        deleted_at=deleted_at,
        recovered_at=recovered_at,
        undelivered=old.undelivered or new.undelivered,
        hidden_at=_greater(old.hidden_at, new.hidden_at),
        shown_at=_greater(old.shown_at, new.shown_at),
        ours=old.ours or new.ours,
        via=_greater(old.via, new.via),
        begins=new.begins if old.begins is None else old.begins if new.begins is None else old.begins or new.begins,
        token=_greater(old.token, new.token),
        text=words.text,
        text_at=words.text_at,
        edited=words.edited,
        attachments=words.attachments,
        raw=words.raw,
        reading=words.reading,
        tap=words.tap,
        private_only=old.private_only or new.private_only,
        reach=_greater(old.reach, new.reach),
    )
    return _blank(merged) if deleted_at == LATEST else merged


def _after(i: Interaction, deleted_at: datetime | None) -> Interaction:
    """`i` without a text that was deleted since."""
    if deleted_at is None or ((i.text or i.attachments) and i.text_at and i.text_at > deleted_at):
        return i
    return _wordless(i)


def _wordless(i: Interaction) -> Interaction:
    return replace(i, text="", text_at=None, edited=False, attachments=0, raw="", reading=None, tap=False)


def bare(i: Interaction) -> Interaction:
    """What stays after an erasure: its own id and times, so that nothing revives it, and nobody's."""
    return Interaction(
        i.product,
        i.account,
        i.id,
        Kind.DELETE,
        i.at,
        i.received_at,
        app=i.app,
        deleted=True,
        deleted_at=LATEST,
        erased=True,
    )


def _plain(interaction: Interaction) -> Interaction:
    """`interaction` with what its kind implies written out, so that it outlives the kind when that merges away."""
    if interaction.erased:
        return bare(interaction)
    i = interaction
    if i.kind is Kind.DELETE or (i.deleted and i.deleted_at is None):
        i = replace(_wordless(i), deleted=True, deleted_at=i.deleted_at or LATEST)
    if i.deleted_at == LATEST:
        return _blank(i)
    i = replace(
        i, deleted=_is_gone(i.deleted_at, i.recovered_at), undelivered=i.undelivered or i.kind is Kind.UNDELIVERED
    )
    if i.kind in (Kind.HIDE, Kind.UNDELIVERED):  # that says nothing new about the words
        return _wordless(i)
    if i.deleted_at:
        return _after(i, i.deleted_at)
    return replace(i, text_at=i.text_at or i.at, edited=i.edited or i.kind is Kind.EDIT)


def _is_gone(deleted_at: datetime | None, recovered_at: datetime | None) -> bool:
    if deleted_at is None:
        return False
    return deleted_at == LATEST or recovered_at is None or recovered_at < deleted_at


def _blank(interaction: Interaction) -> Interaction:
    """A tombstone: the ids stay, so that nothing revives it; the customer's words go."""
    return replace(_wordless(interaction), deleted=True, deleted_at=LATEST, author_name=None, link=None, reach=None)


def _seniority(interaction: Interaction) -> tuple[int, datetime]:
    """What created it says more than what changed it; it was written when the earliest of these says."""
    return _RANK[interaction.kind], interaction.at


def _authorship(interaction: Interaction) -> tuple[bool, bool, str]:
    """A named author before none, and a customer before the brand, which is also named when it hides or removes."""
    if interaction.author is None:
        return True, not interaction.brand, ""
    return False, interaction.brand, interaction.author


def _version(interaction: Interaction) -> tuple[bool, float, bool, str, str, int, str]:
    """Orders versions of the text: the platform's time, and where that is the same, an edit after the original."""
    i = interaction
    carries, at = bool(i.text or i.attachments), i.text_at.timestamp() if i.text_at else 0.0
    return carries, at, i.edited, i.text, i.raw, i.attachments, repr(i.reading or "") + str(i.tap)


def _greater[T: (str, int, datetime, timedelta)](one: T | None, other: T | None) -> T | None:
    return max(one, other) if one is not None and other is not None else other if one is None else one
