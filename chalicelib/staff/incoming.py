"""Answers by e-mail: what SES received and judged is posted as the brand, or refused and said to whoever may know.

Accepted only with a token of ours in the address, SES's own verdicts on DMARC (or an aligned DKIM), spam and virus, and
a sender on the roster (the teams' addresses and `staff:` in the playbook). What a program wrote is dropped unanswered.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from enum import StrEnum
from html import escape

from chalicelib.aws.mailer import Email, Mailer, MailRefused, MailUnknown
from chalicelib.conversations.conversation import Outcome
from chalicelib.emails import reply_address
from chalicelib.emails.phrases import Phrases, phrases
from chalicelib.emails.reply_address import ReplyTo
from chalicelib.emails.safe_text import clean, name
from chalicelib.keys import Keys
from chalicelib.outcomes.types import Handled
from chalicelib.playbook.parts import Team
from chalicelib.playbook.policy import Playbook
from chalicelib.staff.answers import Answerer, Draft, Result, draft_text
from chalicelib.staff.desk import result_words
from chalicelib.staff.mail_author import header, is_aligned, is_from_a_program, named, sender, sender_name
from chalicelib.staff.mail_text import new_text
from chalicelib.storage import names
from chalicelib.storage.store import Store

MOST_BYTES = 10 * 1024 * 1024  # of one e-mail; a larger one is refused unread
TRIED_FOR = timedelta(minutes=20)  # a platform that takes no answers just now is asked again for so long


class Refusal(StrEnum):
    """Why an e-mail is not posted: `mail_…` phrases say it to people on the roster."""

    NO_TOKEN = "no_token"
    EXPIRED = "expired"
    NOT_AUTHENTIC = "not_authentic"
    SPAM = "spam"
    SENDER = "sender"
    PROGRAM = "program"
    TWICE = "twice"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    SEVERAL = "several"


SILENT = frozenset(
    {Refusal.NO_TOKEN, Refusal.NOT_AUTHENTIC, Refusal.SPAM, Refusal.SENDER, Refusal.PROGRAM, Refusal.TWICE}
)
"""Refusals that nobody is told of: whoever sent it is not known to be one of ours, or is a program."""


class TryAgain(Exception):
    """The platform takes no answers just now: the queue brings the e-mail again."""


@dataclass(frozen=True, slots=True)
class Received:
    """One received e-mail: its bytes (not `whole`: the beginning of one that is too large), the addresses it was sent
    to, SES's verdicts in small letters ("pass", "fail", "gray", "processing_failed"), and when it came."""

    mime: bytes
    recipients: tuple[str, ...]
    verdicts: Mapping[str, str]
    at: datetime
    envelope_from: str = ""
    whole: bool = True


@dataclass(frozen=True, slots=True)
class IncomingMail:
    """What receiving works with. `domain` receives the answers."""

    store: Store
    playbook: Playbook
    keys: Keys
    answerer: Answerer
    mailer: Mailer
    domain: str

    def receive(self, received: Received, now: Callable[[], datetime]) -> Handled:
        """Posts the answer in an e-mail, or says why not. Raises TryAgain, and MailRefused where a refusal could not be
        told yet."""
        to = reply_address.read(self.keys, self.store, self.domain, list(received.recipients))
        if to is None:
            return Handled("dropped", Refusal.NO_TOKEN)
        c = self.store.conversation(to.key)
        where = c.id if c else ""
        message = BytesParser(policy=policy.default).parsebytes(received.mime)
        author = sender(message)
        refusal = self._refusal(received, message, author, to, now())
        if refusal:
            if refusal not in SILENT:
                self._tell(author, to, message, self._say(to)(f"mail_{refusal}"), now())
            return Handled("dropped" if refusal in SILENT else "refused", refusal, author, where)
        return self._answer(message, author, to, received, where, now)

    def _refusal(
        self, received: Received, message: EmailMessage, author: str, to: ReplyTo, now: datetime
    ) -> Refusal | None:
        """The first thing that speaks against it; who it is from comes before what it says."""
        verdicts = received.verdicts
        aligned = verdicts.get("dkim") == "pass" and is_aligned(message, author)
        # where there is a policy and it fails, no signature was aligned, whatever the header claims
        if verdicts.get("dmarc") != "pass" and (verdicts.get("dmarc") == "fail" or not aligned):
            return Refusal.NOT_AUTHENTIC
        if verdicts.get("spam") != "pass" or verdicts.get("virus") != "pass":
            return Refusal.SPAM
        if author not in self.roster():
            return Refusal.SENDER
        if is_from_a_program(message, received.envelope_from):
            return Refusal.PROGRAM
        if not received.whole or len(received.mime) > MOST_BYTES:
            return Refusal.TOO_LARGE
        if self._names_another(received, message, to):
            return Refusal.SEVERAL
        return Refusal.EXPIRED if to.expires_at <= now else None

    def _names_another(self, received: Received, message: EmailMessage, to: ReplyTo) -> bool:
        """Whether it goes to another conversation as well: its words are for one of the two customers."""
        others = dict.fromkeys((*received.recipients, *named(message)))
        found = (reply_address.read(self.keys, self.store, self.domain, [a]) for a in others)
        return any(other.key != to.key for other in found if other)

    def roster(self) -> frozenset[str]:
        """Who may answer by e-mail, in small letters."""
        teams = self.playbook.teams.values()
        addresses = [a for t in teams for a in (t.email, t.fallback_email) if a]
        return frozenset(a.lower() for a in (*addresses, *self.playbook.staff))

    def _answer(
        self,
        message: EmailMessage,
        author: str,
        to: ReplyTo,
        received: Received,
        where: str,
        now: Callable[[], datetime],
    ) -> Handled:
        text = draft_text(new_text(message))
        if not text:
            self._tell(author, to, message, self._say(to)("mail_empty"), now())
            return Handled("refused", Refusal.EMPTY, author, where)
        draft = Draft(
            id=f"mail-{_fingerprint(message, received)}",
            who=name(sender_name(message)) or name(author.partition("@")[0]),
            text=text,
            shown=to.shown,
            by_mail=True,
        )
        before = self.store.conversation(to.key)
        known = before.answers.get(draft.id) if before else None
        if known and known.state is Outcome.SENT:
            return Handled("dropped", Refusal.TWICE, author, where)
        result = self.answerer.answer(to.key, draft, now)
        if result.answer and result.answer.state is Outcome.PENDING and now() - received.at < TRIED_FOR:
            raise TryAgain(result.answer.code)
        if result.answer and result.answer.state is Outcome.SENT:
            return Handled("sent", "", author, where)
        say = self._say(to)
        words, _ = result_words(result, say, say.place(to.key.product))
        self._tell(author, to, message, words, now(), text)
        return Handled(_result(result), _why(result), author, where)

    def _say(self, to: ReplyTo) -> Phrases:
        team = self._team(to)
        return phrases(team.language, self.playbook.shop.timezone if team.hours.always else team.hours.zone)

    def _team(self, to: ReplyTo) -> Team:
        found = (t for t in self.playbook.teams.values() if to.mailbox in (t.email, t.fallback_email))
        return next(found, self.playbook.teams[self.playbook.default_team])

    def _tell(self, author: str, to: ReplyTo, message: EmailMessage, why: str, now: datetime, text: str = "") -> None:
        """Tells the sender, who is on the roster, why nothing was posted; once for each e-mail."""
        told = f"{author}|{header(message, 'Message-ID')}|{why}".encode()
        once = names.sender_told(hashlib.sha256(told).hexdigest()[:32])
        if self.store.marked(once):
            return
        say = self._say(to)
        subject = clean(f"[Earshot] {say('mail_subject')}", 150, one_line=True)
        body = f"{why}\n\n{say('mail_how')}\n"
        if text:
            body += f"\n{say('your_answer')}{say.colon}\n\n{text}\n"
        headers = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"}
        if id := header(message, "Message-ID"):
            headers |= {"In-Reply-To": clean(id, 200, one_line=True), "References": clean(id, 200, one_line=True)}
        try:
            self.mailer.send(Email(author, subject, body, _html(body), tags={"kind": "refusal"}, headers=headers))
        except MailUnknown:
            pass  # it may have gone out: told at most once
        except MailRefused as error:
            if error.again:
                raise
        self.store.mark(once, "told", now)


def _fingerprint(message: EmailMessage, received: Received) -> str:
    """Its Message-ID, or where it has none all of it: once each."""
    id = header(message, "Message-ID").strip().encode() or received.mime
    return hashlib.sha256(id).hexdigest()[:32]


def _result(result: Result) -> str:
    if result.answer is None:
        return "refused"
    return "refused" if result.answer.state is Outcome.PENDING else result.answer.state.value


def _why(result: Result) -> str:
    return result.problem.value if result.problem else result.answer.code if result.answer else ""


def _html(text: str) -> str:
    return f'<p style="white-space:pre-wrap;overflow-wrap:anywhere">{escape(text)}</p>'
