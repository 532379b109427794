"""What answers a question, and what does not: a person's reply to this customer does; a machine's, our own words, or a
reply to somebody else do not."""

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from chalicelib.conversations.changed import replace
from chalicelib.conversations.conversation import BrandReply, Conversation, Question, Thread
from chalicelib.conversations.interaction import Interaction
from chalicelib.conversations.ladders import Clocks

_MENTIONS = re.compile(r"^\s*(@\S+[\s,:]+)+")
_LINK = re.compile(
    r"(?:https?://|\bwww\.|\bt\.co/|\bbit\.ly/)\S+|(?<![\w-])(?<![\w-]\.)[\w-]+(?:\.[\w-]+)*\.[a-z]{2,10}/\S*",
    re.IGNORECASE,
)
_TAGS = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]{0,300})?/?>", re.IGNORECASE)
_LINKED = "\N{LINK SYMBOL}"
PAUSE = timedelta(minutes=10)  # without a word from either side: what comes then begins a new talk
WHOLE = 20  # characters of ours that have to be there when something else follows them
CUT = 40  # characters that have to be there when the rest of ours is missing


def said(c: Conversation, thread: Thread) -> Mapping[str, BrandReply]:
    """What the brand's people said here, by id: what is kept with the conversation itself was noted last."""
    return {**thread.replies, **c.replies} if c.replies else thread.replies


def answer_all(c: Conversation, thread: Thread, clocks: Clocks) -> Conversation:
    """`c` with every question answered that a reply in `thread` answers, by the platform's time, never by arrival."""
    replies = said(c, thread)
    if not replies:
        return c
    machines = automatic(c, thread, clocks)
    questions = {i: _answered(c, i, q, replies, machines) for i, q in c.questions.items()}
    return c if questions == c.questions else replace(c, questions=questions)


def automatic(c: Conversation, thread: Thread, clocks: Clocks) -> frozenset[str]:
    """The ids of the replies that a machine wrote: the playbook says so, or in a private conversation they came sooner
    after the customer's first message than a person can read it."""
    replies = said(c, thread)
    if not replies:
        return frozenset()
    found = {i for i, r in replies.items() if r.automatic}
    if c.private and clocks.automatic_within:
        asked = sorted(q.asked for q in c.questions.values())
        times = sorted(r.at for r in replies.values() if not r.deleted)
        for id, reply in replies.items():
            first = _first(asked, times, reply.at)
            if first is not None and reply.at - first <= clocks.automatic_within and not reply.person:
                found.add(id)
    return frozenset(found)


def _first(asked: Sequence[datetime], said: Sequence[datetime], at: datetime) -> datetime | None:
    """The customer's message that began the talk in which the brand wrote `at`; None when the brand began it."""
    first = max((t for t in asked if t <= at), default=None)
    if first is None:
        return None
    began = first
    for t in sorted((t for t in (*asked, *said) if t < first), reverse=True):
        if began - t > PAUSE:
            break
        began = t
    return began if began in asked else None


def _answered(
    c: Conversation, id: str, question: Question, said: Mapping[str, BrandReply], machines: frozenset[str]
) -> Question:
    by = said.get(question.answered_by or "")
    if by and (by.deleted or question.answered_by in machines):  # the brand took its answer back; or it never was one
        question = replace(question, answered_at=None, answered_by=None)
    if question.answered_at:
        return question
    replies = [(r.at, i) for i, r in said.items() if i not in machines and _answers(c, id, question, r)]
    if not replies:
        return question
    at, answered_by = min(replies)
    return replace(question, answered_at=at, answered_by=answered_by)


def _answers(c: Conversation, id: str, question: Question, reply: BrandReply) -> bool:
    """Whether `reply` answers this question: to this customer as far as the platform tells, and written after it.

    In the same second: a reply to this very question was written after it, whatever the clocks say; of any other nobody
    knows, and the question stays open.
    """
    if reply.deleted or (reply.to and reply.to != c.customer):
        return False
    if reply.parent == id:
        return question.asked_at is None or reply.at >= question.asked_at
    meant = c.private or reply.to or reply.parent in c.questions
    if not meant and reply.parent in (None, c.thread):  # an answer to the thread is one to whoever began it
        meant = c.thread in c.questions or any(q.root for q in c.questions.values())
    return bool(meant) and reply.at > question.asked


# --- texts as platforms bring them back ------------------------------------------------------------------------------


def plain(text: str) -> str:
    """`text` without what platforms change about it: escapes, tags, links (shortened), the mention in front, white
    space."""
    text = unicodedata.normalize("NFKC", _TAGS.sub(" ", html.unescape(html.unescape(text))))
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(_LINK.sub(_LINKED, _MENTIONS.sub("", text)).split()).casefold()


def same_words(ours: str, theirs: str) -> bool:
    """Whether `theirs` is what became of `ours`: the same, with something behind it, or cut."""
    one, other = plain(ours), plain(theirs)
    if not one or not other:
        return False
    cut = other.rstrip("\N{HORIZONTAL ELLIPSIS}. ")
    return (
        one == other
        or (len(one) >= WHOLE and other.startswith(one))
        or (len(cut) >= CUT and one.startswith(cut.removesuffix(_LINKED).rstrip()))
    )


def unaccented(text: str) -> str:
    """`text` without the accents of its letters."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def fingerprint(text: str) -> str:
    """What tells two texts apart, punctuation, case and spaces aside; "" for one without any words."""
    words = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
    return sha256(words.encode()).hexdigest()[:16] if words else ""


def our_reply(conversations: Sequence[Conversation], reply: Interaction) -> tuple[Conversation, str] | None:
    """The conversation and interaction whose acknowledgement came back as the brand's `reply`, whatever state its claim
    is in; None: a person wrote it.

    By id, by the token that some platforms hand back, then by the words: a public comment carries neither app nor
    token, and an echo can come before its send returns.
    """
    found = []
    for c in conversations:
        for id, ack in c.acknowledgements.items():
            if ack.id == reply.id or (ack.token and ack.token == reply.token):
                return c, id
            if same_words(ack.text, reply.text):
                found.append((ack.id is not None, id != reply.parent, c.customer, id, c))
    if not found:
        return None
    *_, id, c = min(found, key=lambda row: row[:4])
    return c, id
