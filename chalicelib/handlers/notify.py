"""Notify: the escalation e-mails. Each (conversation, tier) stands in at most one, after one more look whether anybody
answered in between; what cannot be delivered goes to the fallback address by the same protocol, or raises an alarm."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.apps import Apps
from chalicelib.aws.mailer import Email, Mailer, MailRefused, MailUnknown
from chalicelib.aws.queues import Queue
from chalicelib.codec import dump, from_time
from chalicelib.conversations import rules, staff_rules
from chalicelib.conversations.changed import swift
from chalicelib.conversations.conversation import Bundle, Conversation, Notice, Outcome, Thread
from chalicelib.conversations.ladders import NOTICE_RETRY, URGENT_RETRY
from chalicelib.emails import about, links, reply_address
from chalicelib.emails.content import Content
from chalicelib.emails.email_view import listed
from chalicelib.emails.escalation_email import EscalationEmail
from chalicelib.emails.rendering import render, render_many, subject, subject_of_many
from chalicelib.handlers.bundles import LISTED, Bundles, Gathering
from chalicelib.handlers.channels import Channels
from chalicelib.handlers.messages import SendGathered, SendNotice, encode
from chalicelib.keys import Keys
from chalicelib.outcomes.types import Notified, Outcomes
from chalicelib.platforms.http import Http
from chalicelib.playbook.parts import Team
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import names
from chalicelib.storage.store import ConversationKey, Store
from chalicelib.storage.table import Item

REFUSED_RETRY = timedelta(minutes=2)
QUEUE_RETRIES = timedelta(minutes=2)  # after it fell due; later on the sweep alone brings what SES refuses
KEPT = timedelta(days=14)  # how long SES may still tell what became of an e-mail (mail_events.py)


@swift
@dataclass(frozen=True, slots=True)
class Member:
    """One claimed notice: the conversation as it was read, the notice's name in it, the item that was written, and what
    the brand's people have said in the thread."""

    conversation: Conversation
    name: str
    item: Item | None = None
    thread: Thread | None = None

    @property
    def notice(self) -> Notice:
        return self.conversation.notices[self.name]

    @property
    def key(self) -> ConversationKey:
        return ConversationKey.of(self.conversation)


@swift
@dataclass(frozen=True, slots=True)
class Notifier:
    """What notify works with. `public_url` is where the links lead under which staff act on a conversation; without it
    the e-mail has none. `reply_domain` receives answers by e-mail; without it Reply-To is the team itself. Unless
    `emails_are_read` only their subjects are made."""

    store: Store
    playbook: Playbook
    apps: Apps
    mailer: Mailer
    escalations: Queue
    new_token: Callable[[], str]
    keys: Keys
    outcomes: Outcomes
    public_url: str = ""
    reply_domain: str = ""
    http: Http | None = None
    emails_are_read: bool = True

    def notify(self, message: SendNotice, now: datetime) -> None:
        """Sends one notice, or notes it for an e-mail of many. Raises MailRefused for the queue to bring it again soon;
        of one that is long due only the sweep does, as long as SES refuses."""
        key, name = message.key, message.notice
        thread, item = self.store.standing(key)
        known = item.noun(Conversation) if item else None
        notice = known.notices.get(name) if known else None
        if known is None or notice is None or notice.state is Outcome.SENT:
            return
        team = self.playbook.team_of(known, notice)
        if gathering := self._bundles.gathering(known, notice, team.name, team.email, now):
            self._gather(key, name, gathering, now, item)
            return
        if member := self._claim(key, name, now, thread, item):
            self._send([member], None, now)

    @property
    def _bundles(self) -> Bundles:
        return Bundles(self.store, self.playbook)

    @property
    def content(self) -> Content:
        return Content(self.store, self.playbook, self.apps)

    def _team(self, member: Member) -> Team:
        return self.playbook.team_of(member.conversation, member.notice)

    def _claim(
        self, key: ConversationKey, name: str, now: datetime, thread: Thread | None = None, seen: Item | None = None
    ) -> Member | None:
        """The notice, if it still has to be sent and nobody else holds it; read consistently, `thread` and `seen` a
        moment ago."""
        token, said = self.new_token(), thread or self.store.thread(key.product, key.account, key.thread)

        def change(old: Conversation) -> Conversation:
            return rules.claim_notice(rules.apply_replies(old, said, self.playbook, now), name, token, now)

        done = self.store.update_conversation(key, change, now, passing=lambda c: True, seen=seen)
        notice = done.after.notices.get(name) if done else None
        if done is None or notice is None:
            return None
        if notice.state is Outcome.WITHDRAWN:
            self.outcomes.notified(Notified(done.after.on(notice), notice.tier, "", "", "withdrawn"))
        return (
            Member(done.after.on(notice), name, done.item, said)
            if notice.state is Outcome.CLAIMED and notice.token == token
            else None
        )

    # --- several in one ---

    def _gather(self, key: ConversationKey, name: str, gathering: Gathering, now: datetime, seen: Item | None) -> None:
        """Notes the notice for an e-mail that is being put together. Should its message get lost, the sweep brings the
        notice again after that. `seen` is the conversation as it was read a moment ago."""
        again = gathering.at + NOTICE_RETRY

        def wait(old: Conversation) -> Conversation:
            notice = old.notices[name]
            pending = notice.state is Outcome.PENDING
            return rules.record_notice(old, name, Outcome.PENDING, again_at=again) if pending else old

        self.store.update_conversation(key, wait, now, seen=seen)
        named = dump(key)
        member = hashlib.sha256(f"{named}|{name}".encode()).hexdigest()[:32]
        where = {**named, "notice": name}
        self.store.put_document(names.gathered(gathering.name), member, where, now + KEPT, key)
        if gathering.new:
            message = SendGathered(gathering.name, gathering.kind)
            self.escalations.send(encode(message), delay=gathering.at - now)
            self.store.mark(names.gathering(gathering.name), from_time(gathering.at), now)

    def send_gathered(self, message: SendGathered, now: datetime) -> None:
        """Sends one e-mail to each mailbox for what was gathered. It lists the first of them; the others follow in the
        next e-mail, or are counted in this one where the mailbox has had enough. Raises MailRefused for the queue to
        bring it again."""
        if message.counted_in:
            self._count_in(message, now)
            return
        name, kind = message.name, message.bundle
        docs = self.store.document_names(names.gathered(name))
        listed, more = docs[:LISTED], max(0, len(docs) - LISTED)
        by_mailbox: dict[str, list[Member]] = {}
        with ExitStack() as claimed:
            for _, doc in listed:
                if member := self._claim(ConversationKey.named(doc), str(doc["notice"]), now):
                    claimed.callback(self._let_go, member, now)
                    by_mailbox.setdefault(self._team(member).email, []).append(member)
            claimed.pop_all()
        largest = max(by_mailbox, key=lambda to: len(by_mailbox[to]), default="")
        full = bool(more and largest) and not self._bundles.has_room(largest, now)
        rest, refused = message, list[MailRefused]()
        for to, together in by_mailbox.items():
            counted = more if full and to == largest else 0
            try:
                id = self._send(together, kind if len(together) > 1 or counted else None, now, more=counted)
            except MailRefused as error:  # the others are claimed as well: nobody else would send theirs for a while
                refused.append(error)
                continue
            if counted and id:
                rest = message._replace(counted_in=id, mailbox=to)
        if refused:
            raise refused[0]
        for id, _ in listed:
            self.store.drop_document(names.gathered(name), id)
        if more:
            self.escalations.send(encode(rest))

    def _count_in(self, message: SendGathered, now: datetime) -> None:
        """Records some of those that an e-mail counts and does not list as sent with it, unless somebody has answered;
        the next message does the next ones. One that goes to another mailbox by now gets an e-mail of its own."""
        collection = names.gathered(message.name)
        docs = self.store.document_names(collection, LISTED)
        for document, doc in docs:
            if member := self._claim(ConversationKey.named(doc), str(doc["notice"]), now):
                c, notice = member.conversation, member.notice
                if self._team(member).email == message.mailbox:
                    self._record(member, Outcome.SENT, now, id=message.counted_in)
                    self.outcomes.notified(Notified(c, notice.tier, message.mailbox, "", "counted"))
                else:
                    self._record(member, Outcome.PENDING, now, again_at=now)
            self.store.drop_document(collection, document)
        if len(docs) == LISTED:
            self.escalations.send(encode(message))

    # --- sending ---

    def _send(self, members: Sequence[Member], kind: Bundle | None, now: datetime, more: int = 0) -> str | None:
        """One e-mail for all `members` (it counts `more` that it does not list), and what became of it recorded with
        each; SES's id of it, None where nobody knows whether it went out."""
        first, team = members[0], self._team(members[0])
        to = (first.notice.fallback and team.fallback_email) or team.email  # it may be another team's by now
        with ExitStack() as claimed:  # until SES is asked nothing can have been sent: whoever comes next may
            for m in members:
                claimed.callback(self._let_go, m, now)
            email = self._email(members, kind, team, to, now, more)
            claimed.pop_all()
        try:
            try:
                id = self.mailer.send(email)
            except MailRefused as error:
                if error.again or team.fallback_email in ("", email.to):
                    raise
                email = self._email(members, kind, team, team.fallback_email, now, more)
                id = self.mailer.send(email)
        except MailRefused as error:
            for m in members:
                self._let_go(m, now)
            self._tell(members, kind, email, "refused" if error.again else "undeliverable", str(error))
            if now < first.notice.due_at + QUEUE_RETRIES:
                raise
            return None  # a day without sending would fill the dead letters with what every sweep queues anew
        except MailUnknown as error:  # SES's event says whether it went out; if none comes, the sweep sends it again
            self._tell(members, kind, email, "unknown", str(error))
            return None
        for m in members:
            self._record(m, Outcome.SENT, now, id=id, email=email.tags["notice"])
        self._tell(members, kind, email, "sent")
        self._tell_channels(members, team, email, now)
        return id

    def _tell_channels(self, members: Sequence[Member], team: Team, email: Email, now: datetime) -> None:
        """The same for the team's other channels, after the e-mail; a fallback's e-mail has told them already."""
        if not team.channels or self.http is None or email.tags["to"] != "team":
            return
        told = [self._told(m, team, email.to, False, now) for m in members]
        Channels(self.store, self.http, self.outcomes.channel_failed).tell(
            team, email.tags["notice"], email.subject, told, now
        )

    def _let_go(self, m: Member, now: datetime) -> None:
        again_at = now + (URGENT_RETRY if m.notice.urgent else REFUSED_RETRY)
        self._record(m, Outcome.PENDING, now, again_at=again_at)

    def _record(
        self,
        m: Member,
        state: Outcome,
        now: datetime,
        *,
        id: str | None = None,
        again_at: datetime | None = None,
        email: str = "",
    ) -> None:
        self.store.update_conversation(
            m.key,
            lambda old: rules.record_notice(
                old, m.name, state, token=m.notice.token, id=id, again_at=again_at, at=now, email=email
            ),
            now,
            seen=m.item,
        )

    def _tell(self, members: Sequence[Member], kind: Bundle | None, email: Email, result: str, code: str = "") -> None:
        first, *others = members
        self.outcomes.notified(
            Notified(
                first.conversation,
                first.notice.tier,
                email.to,
                email.subject,
                result,
                code,
                kind=kind.value if kind else "notice",
                others=tuple(m.conversation for m in others),
                text=email.text,
                html=email.html,
            )
        )

    # --- the e-mail ---

    def _email(
        self, members: Sequence[Member], kind: Bundle | None, team: Team, to: str, now: datetime, more: int
    ) -> Email:
        # by its time as well: who was erased and asks again is nobody whom an earlier e-mail was about
        inside = "|".join(f"{m.conversation.id}|{m.name}|{from_time(m.notice.due_at)}" for m in members)
        tag = hashlib.sha256(f"{inside}|{to}".encode()).hexdigest()[:32]
        named = about.tags_about(members[0].key, members[0].name, members[0].notice) if len(members) == 1 else {}
        if not named:
            self.store.note_email(tag, [(m.key, m.name) for m in members], now + KEPT)
        by_mail = kind is None and bool(self.reply_domain)
        shown = members if self.emails_are_read else members[:1]
        told = tuple([self._told(m, team, to, by_mail, now) for m in shown])
        reply_to = self._reply_to(members[0], listed(told[0].asked), tag, to, now) if by_mail else ""
        subject, text, html = self._words(told, kind, team, len(members), more)
        return Email(
            to=to,
            subject=subject,
            text=text,
            html=html,
            tags={
                "notice": tag,
                "to": "team" if to == team.email else "fallback",
                "kind": kind or "notice",
                "tier": str(members[0].notice.tier),
                **named,
            },
            reply_to=reply_to or team.email,
            headers=_headers(members, kind, team),
        )

    def _words(
        self, told: tuple[EscalationEmail, ...], kind: Bundle | None, team: Team, count: int, more: int
    ) -> tuple[str, str, str]:
        """(subject, text, HTML) of the e-mail about `count` conversations and `more` that are only counted."""
        name = self.content.team_name(team.name, self.content.say(team))
        if not self.emails_are_read:
            only = subject_of_many(told[0], kind, team.language, name, count + more) if kind else None
            return only or subject(told[0], team.language), "", ""
        if kind is None:
            return render(told[0], team.language)
        return render_many(told, kind, team.language, name, self.playbook.bundling.emails_per_hour, more)

    def _told(self, m: Member, team: Team, to: str, by_mail: bool, now: datetime) -> EscalationEmail:
        page = f"{self.public_url}/act/{links.make(self.keys, m.conversation, now, m.name)}" if self.public_url else ""
        bounced_from = team.email if to != team.email else ""
        return self.content.email(
            m.conversation,
            m.notice,
            now,
            page=page,
            by_mail=by_mail,
            bounced_from=bounced_from,
            team=team,
            thread=m.thread,
        )

    def _reply_to(self, m: Member, listed: int, tag: str, to: str, now: datetime) -> str:
        """Where an answer to the e-mail goes: it is to the questions that stand in it, `listed` of those that wait."""
        shown = staff_rules.shown(m.conversation, listed)
        return reply_address.make(
            self.keys, self.store, self.reply_domain, tag, m.conversation, m.name, to, now, *shown
        )


def _headers(members: Sequence[Member], kind: Bundle | None, team: Team) -> dict[str, str]:
    """Marks it as written by a program, so that no program answers, and keeps a conversation's e-mails together: they
    all refer to one id of their own. (SES gives every message an id of its own choosing.)"""
    headers = {
        "X-Earshot-Delivery": members[0].conversation.delivery or "-",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    if kind is None:
        key = members[0].key
        root = hashlib.sha256(f"{key.product}|{key.account}|{key.thread}|{key.customer}".encode()).hexdigest()[:32]
        thread = f"<{root}@{team.email.rpartition('@')[2]}>"
        headers |= {"References": thread, "In-Reply-To": thread}
    return headers
