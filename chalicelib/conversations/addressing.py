"""Whom a message is meant for, and who has already spoken: where an automatic reply would be out of place, whatever the
text says."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from chalicelib.conversations.answers import said
from chalicelib.conversations.conversation import Conversation, Deed, Outcome, Thread, tag
from chalicelib.conversations.interaction import Interaction, Kind

PERSON_STAYS: Final = timedelta(days=7)  # in a direct message, which may go on for years
_FIRST_NAME: Final = re.compile(r"\s*@([\w.]+)")
_NOT_A_LETTER: Final = re.compile(r"[\W_]+")
_SHORTEST: Final = 3  # letters of a name by which a message can be told to be for the brand
_MAY_BE_OUT: Final = frozenset({Outcome.CLAIMED, Outcome.SENT, Outcome.UNKNOWN})


def person_wrote(c: Conversation, thread: Thread, machines: Collection[str], now: datetime) -> bool:
    """Whether a person of the brand has already written to this customer here (in a direct message: lately); `machines`
    are the ids of the replies that no person wrote."""
    since = now - PERSON_STAYS if c.private else datetime.min.replace(tzinfo=now.tzinfo)
    if any(a.at >= since and a.state in _MAY_BE_OUT for a in c.answers.values()):
        return True
    here = (None, c.thread, *c.questions)
    return any(
        r.at >= since and not r.deleted and (r.to == c.customer or (r.to is None and (c.private or r.parent in here)))
        for id, r in said(c, thread).items()
        if id not in machines
    )


def person_read(c: Conversation, id: str) -> bool:
    """Whether staff have said what the question `id` is about, as it reads now: a reply to what the model takes it for
    (one that a rate limit held back, say) would be one to something else."""
    if not c.acts:
        return False
    mark = tag(id, c.questions[id])
    return any(a.deed is Deed.CORRECT and not a.undone_at and mark in a.questions for a in c.acts.values())


def for_somebody_else(i: Interaction, names: Collection[str], *, tags_people: bool = False) -> bool:
    """Whether the platform, or the name it begins with, says that it speaks to another person.

    `names` are the brand's; `tags_people`: there a comment that begins with another name calls that person, and not
    only below somebody else's.
    """
    if i.private:
        return False
    if i.to is not None:
        return i.to not in (i.account, i.author)
    first = _FIRST_NAME.match(i.text)
    return bool(first and (tags_people or i.parent) and not _is_one(first[1], names))


def in_others_thread(
    i: Interaction, c: Conversation, thread: Thread, parent: Interaction | None, names: Collection[str]
) -> bool:
    """Whether it stands below another customer's words (`parent`) without a word to the brand."""
    if i.private or i.parent is None or i.parent in c.questions or i.parent in thread.replies:
        return False
    return bool(parent and not parent.brand and parent.customer != i.customer and not _speaks_to(i, names))


def begun_by_another(i: Interaction, c: Conversation, others: Collection[Conversation], names: Collection[str]) -> bool:
    """Whether another customer wrote in this thread first, where a thread belongs to who began it."""
    if i.private or _speaks_to(i, names):
        return False
    first = min((q.at for q in c.questions.values()), default=i.at)
    return any(q.at < first for o in others if o.customer != c.customer for q in o.questions.values())


def _speaks_to(i: Interaction, names: Collection[str]) -> bool:
    words = _plain(i.text)
    return i.kind is Kind.MENTION or any(_plain(n) in words for n in names if len(_plain(n)) >= _SHORTEST)


def _is_one(handle: str, names: Collection[str]) -> bool:
    """Whether a handle may be the brand's: "@oakmerehome" for "Oakmere Home"."""
    short = _plain(handle)
    return any(_plain(name) in short or short in _plain(name) for name in names if len(_plain(name)) >= _SHORTEST)


def _plain(text: str) -> str:
    return _NOT_A_LETTER.sub("", text.casefold())
