"""What is known of a customer, in a few lines, for who answers: asked before, waited, wants no automatic replies, and
which page of the playbook answered others with the same question."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.profile import Profile, profile
from chalicelib.emails.phrases import Phrases
from chalicelib.emails.safe_text import name
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import pages
from chalicelib.storage.optouts import OptOut, OptOuts
from chalicelib.storage.people import linked
from chalicelib.storage.store import ConversationKey, Store

READ: Final = 100  # conversations of one customer that are read for a profile
ENOUGH: Final = 5  # others, before a share of them is told
_URL: Final = re.compile(r"https://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


@dataclass(frozen=True, slots=True)
class Known:
    """`page` is the address that the playbook's own reply to this kind of question names, "" for none; `helped` of the
    `sent` others who were sent it needed nothing more."""

    profile: Profile
    opted: OptOut | None = None
    page: str = ""
    helped: int = 0
    sent: int = 0

    @property
    def stopped(self) -> bool:
        """Whether the customer wants no automatic replies."""
        return self.opted is not None and self.opted.stopped


def known(store: Store, playbook: Playbook, c: Conversation, language: str | None, now: datetime) -> Known:
    """What there is to tell of the customer of `c`, who writes in `language`."""
    found, people = [c], linked(store, c.product, c.account, c.customer)
    for person in people:
        found += store.conversations_of(*person, most=READ, but=ConversationKey.of(c))
    page, helped, sent = _page(store, playbook, c.intent, language)
    opted = OptOuts(store).of_any(people, lately=True)
    return Known(profile(found, now), opted, page, helped, sent)


def _page(store: Store, playbook: Playbook, intent: str | None, language: str | None) -> tuple[str, int, int]:
    policy = playbook.intents.get(intent or "")
    replies = policy.replies if policy else {}
    found = _URL.search(replies.get(language or "") or replies.get(playbook.languages[0], ""))
    if not found:
        return "", 0, 0
    return (found[0], *pages.of(store.table, intent))


def lines(told: Known, say: Phrases) -> Iterator[str]:
    """The lines, in the words of `say`; none about who asks for the first time."""
    p = told.profile
    if p.returning and p.since:
        kinds = ", ".join(say.label(intent) for intent in p.intents)
        # all within the 30 days: their number once is enough
        key = "profile" if p.recent < p.questions else "profile_recent"
        yield say(key, recent=p.recent, total=p.questions, since=say.day(p.since), kinds=kinds)
        if p.last_wait is not None:
            yield say("profile_unheard" if p.last_unheard else "profile_waited", duration=say.duration(p.last_wait))
        if p.complaints:
            yield say("profile_complaints", count=p.complaints)
    if told.opted and told.opted.stopped:
        who = name(told.opted.by)
        yield say("opted_out_by" if who else "opted_out", time=say.time(told.opted.at), who=who)
    if told.page and told.sent >= ENOUGH:
        yield say("page_helped", page=told.page, helped=told.helped, sent=told.sent)
    elif told.page:
        yield say("page_known", page=told.page)
