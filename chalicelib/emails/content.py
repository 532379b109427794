"""What an e-mail or a page tells of a conversation, read from the store: every open question first, whatever came in
between; what was said and by whom; who did what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.conversations import answers, staff_rules
from chalicelib.conversations.conversation import (
    Acknowledgement,
    Conversation,
    Notice,
    Outcome,
    PersonalAnswer,
    Question,
    Thread,
)
from chalicelib.conversations.interaction import Interaction
from chalicelib.emails.escalation_email import Asked, Done, EscalationEmail, Line, Speaker
from chalicelib.emails.known import known
from chalicelib.emails.phrases import Phrases, phrases
from chalicelib.playbook.parts import Team
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.store import Store

SAID = 15  # lines of what was said before, the newest
READ = 60  # open questions that are read for one e-mail; the e-mail shows as many as fit


@dataclass(frozen=True, slots=True)
class Content:
    """Reads what there is to tell."""

    store: Store
    playbook: Playbook
    apps: Apps

    def email(
        self,
        c: Conversation,
        notice: Notice,
        now: datetime,
        *,
        team: Team,
        page: str = "",
        by_mail: bool = False,
        bounced_from: str = "",
        thread: Thread | None = None,
    ) -> EscalationEmail:
        """Everything that the e-mail of `notice` to `team` tells; `page` is the address behind its buttons, `thread`
        what the brand's people said, where that has been read."""
        waiting = staff_rules.open_questions(c)
        read = {i: self.store.interaction(c.product, c.account, i) for i, _ in waiting[:READ]}
        asked = tuple(_asked(found, c.questions[i]) for i, found in read.items())
        name, last = self.account_name(c), self._last(c, read)
        oldest = min((q for _, q in waiting), key=lambda q: q.received_at, default=None)
        return EscalationEmail(
            conversation=c.id,
            product=c.product,
            account=name,
            shop=self.playbook.shop.name,
            timezone=_zone(team) or self.playbook.shop.timezone,
            intent=c.about(notice),
            tier=notice.tier,
            tiers=len(self.playbook.tiers(c.about(notice), urgent=notice.urgent)),
            asked=asked,
            lines=self.said(c, SAID, thread=thread),
            since=oldest.received_at if oldest else now,
            answer_by=self.answer_by(c, oldest) or notice.due_at,
            now=now,
            deeds=self.deeds(c, self.say(team)),
            promised=self.promised(c),
            urgent=notice.urgent,
            first=notice.tier == 1 and not notice.fallback and not notice.team,
            more=max(0, len(waiting) - READ),
            inbox=self.inbox(c, last),
            whom=(last.author_name or c.customer) if last else c.customer,
            window_closes_at=c.window_closes_at,
            page=page,
            by_mail=by_mail,
            bounced_from=bounced_from,
            tells_answers=platforms.product(c.product).tells_answers,
            known=known(self.store, self.playbook, c, _language(last), now),
        )

    def account_name(self, c: Conversation) -> str:
        """What people call the account."""
        return self.apps.account_name(c.product, c.account)

    def answer_by(self, c: Conversation, question: Question | None) -> datetime | None:
        """When a person was to have answered `question`."""
        if question is None:
            return None
        return question.promised_by or self.playbook.promise(question.intent, question.since)

    def promised(self, c: Conversation) -> bool:
        """Whether an automatic reply told the customer a time."""
        acks = [c.acknowledgements.get(i) for i, _ in staff_rules.open_questions(c)]
        return any(a and a.state is Outcome.SENT and not a.resolves for a in acks)

    def inbox(self, c: Conversation, last: Interaction | None) -> str:
        """Where the platform shows it: the comment's or post's own address, or the inbox's for messages."""
        if last and last.link:
            return last.link
        address = platforms.product(c.product).inbox if c.private else ""
        return address.replace("{account}", c.account)

    def _last(self, c: Conversation, read: Mapping[str, Interaction | None]) -> Interaction | None:
        """The newest thing that the customer asked and that waits for an answer, else the newest at all."""
        ordered = staff_rules.open_questions(c) or sorted(c.questions.items(), key=lambda row: row[1].at)
        if not ordered:
            return None
        id = ordered[-1][0]
        return read[id] if id in read else self.store.interaction(c.product, c.account, id)

    # --- what was said, and who did what ---

    def said(
        self, c: Conversation, most: int, *, open_too: bool = False, thread: Thread | None = None
    ) -> tuple[Line, ...]:
        """What the customer, the brand's people and Earshot said, in the platform's order; the newest `most`."""
        thread = thread or self.store.thread(c.product, c.account, c.thread)
        lines = [*self._exchanged(c, thread, most, open_too), *_automatic(c), *_personal(c)]
        return tuple(sorted(lines, key=lambda line: line.at)[-most:])

    def _exchanged(self, c: Conversation, thread: Thread, most: int, open_too: bool) -> Iterator[Line]:
        ours = {a.id for a in c.answers.values()} | {a.id for a in c.acknowledgements.values()}
        ids = [(q.at, i) for i, q in c.questions.items() if open_too or not q.pending]
        ids += [(r.at, i) for i, r in answers.said(c, thread).items() if i not in ours and not r.deleted]
        for _, id in sorted(ids)[-most:]:
            found = self.store.interaction(c.product, c.account, id)
            if found and not found.deleted:
                who = Speaker.PERSON if found.brand else Speaker.CUSTOMER
                yield Line(who, found.author_name or "", found.text, found.at, found.attachments)

    def deeds(self, c: Conversation, say: Phrases) -> tuple[Done, ...]:
        """Who did what, oldest first; teams are called as `say` does."""
        return tuple(
            Done(
                a.who,
                a.at,
                f"act_{a.deed}",
                a.until,
                self.team_name(a.team, say) if a.team else "",
                a.intent,
                a.note,
                undone=a.undone_at is not None,
            )
            for a in sorted(c.acts.values(), key=lambda a: a.at)
        )

    def say(self, team: Team) -> Phrases:
        """The words in a team's language, times on its clock."""
        return phrases(team.language, _zone(team) or self.playbook.shop.timezone)

    def team_name(self, key: str, say: Phrases) -> str:
        """What people call the playbook's team `key`, also one that it no longer has."""
        found = self.playbook.teams.get(key)
        return say.team(key, found.titles if found else {})


def _asked(found: Interaction | None, question: Question) -> Asked:
    """The question in the customer's own words; one whose words are gone still stands there."""
    if found is None or found.deleted:
        return Asked("", "", question.at)
    return Asked(found.author_name or "", found.text, found.at, found.attachments, found.link)


def _automatic(c: Conversation) -> Iterator[Line]:
    for ack in c.acknowledgements.values():
        if (note := _note(ack)) is not None:
            yield Line(Speaker.AUTOMATIC, "", ack.text, ack.at, note=note, rung=ack.rung)


def _personal(c: Conversation) -> Iterator[Line]:
    for answer in c.answers.values():
        if (note := _note(answer)) is not None:
            yield Line(Speaker.PERSON, answer.who, answer.text, answer.at, note=note)


_NOTES = {Outcome.SENT: "", Outcome.UNKNOWN: "perhaps_not_delivered", Outcome.CLAIMED: "perhaps_not_delivered"}


def _note(reply: Acknowledgement | PersonalAnswer) -> str | None:
    """The phrase about its delivery, None for one that never left: refused at once, or waiting for another try."""
    if reply.state is Outcome.REFUSED and reply.id:
        return "not_delivered"
    return _NOTES.get(reply.state)


def _language(last: Interaction | None) -> str | None:
    return last.reading.language if last and last.reading else None


def _zone(team: Team) -> str:
    """The clock of the team's hours."""
    return team.hours.zone if not team.hours.always else ""
