"""What an escalation e-mail says of one conversation, in the words of a language: made once for text and HTML."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from chalicelib.emails.escalation_email import Asked, Done, EscalationEmail, Line, Speaker
from chalicelib.emails.known import lines
from chalicelib.emails.phrases import Phrases
from chalicelib.emails.safe_text import name, quoted
from chalicelib.playbook.wording import said_by

MOST_ASKED = 40  # open questions shown whole in one e-mail; the rest is counted and stands on the page
MOST_WORDS = 60_000  # characters of them: above about 100 KB mail programs hide the end
NOTE = 500  # characters of what somebody noted about what they did
_AT_ONCE = timedelta(minutes=1)


class Question(NamedTuple):
    """An open question: who wrote it when, the words, and how many attachments stand where ("" for none)."""

    intro: str
    text: str
    attachments: str


class Spoken(NamedTuple):
    """One thing that was said: by whom, in which role ("" for the customer), when, and what became of it."""

    who: str
    role: str
    time: str
    note: str
    text: str


class Deed(NamedTuple):
    """What somebody did."""

    who: str
    words: str
    time: str
    undone: str
    note: str


class Actions(NamedTuple):
    """What is written on the buttons."""

    answer_now: str
    on_it: str
    hand_over: str
    snooze: str
    no_answer: str


class View(NamedTuple):
    """Every word of it, not yet escaped. `open_on` and `find_them` say where the platform shows the conversation; one
    of them is "". `not_told` says that it tells nothing of answers there, "" where it does. `window` is "" where there
    is no messaging window, `window_closed` where it is over."""

    email: EscalationEmail
    label: str
    place: str
    account: str
    head: str
    tier: str
    questions: tuple[Question, ...]
    more: str
    known: tuple[str, ...]
    actions: Actions
    open_on: str
    find_them: str
    not_told: str
    promise: str
    window: str
    window_closed: bool
    said: tuple[Spoken, ...]
    deeds: tuple[Deed, ...]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Puts e-mails into words; `longest` is how many characters of a question are quoted."""

    say: Phrases
    longest: int = MOST_WORDS

    def view(self, email: EscalationEmail) -> View:
        say, shown = self.say, email.asked[: listed(email.asked)]
        place, account = say.place(email.product), name(email.account)
        more = email.more + len(email.asked) - len(shown)
        closes = email.window_closes_at
        window = ""
        if closes and closes > email.now:
            window = say("window", duration=say.duration(closes - email.now), time=say.time(closes))
        elif closes:
            window = say("window_closed")
        return View(
            email=email,
            label=say.label(email.intent),
            place=place,
            account=account,
            head=self._head(email),
            tier=say("tier", tier=email.tier, tiers=email.tiers),
            questions=tuple([self._question(asked, place) for asked in shown]),
            more=say("more_open", count=more) if more else "",
            known=tuple(lines(email.known, say)) if email.known else (),
            actions=_actions(say),
            open_on=say("open_on", where=place) if email.inbox else "",
            find_them=say("find_them", where=place, whom=name(email.whom)) if email.whom and not email.inbox else "",
            not_told=not_told(email, say) if email.page else "",
            promise=promise(email, say),
            window=window,
            window_closed=bool(closes and closes <= email.now),
            said=tuple([self._spoken(line, account) for line in email.lines]),
            deeds=tuple(self._deeds(email)),
        )

    def _question(self, asked: Asked, place: str) -> Question:
        say = self.say
        return Question(
            say("wrote", who=name(asked.name) or say("a_customer"), time=say.time(asked.at)),
            quoted(asked.text, self.longest) or say("no_text"),
            say("attachments", count=asked.attachments, where=place) if asked.attachments else "",
        )

    def _spoken(self, line: Line, account: str) -> Spoken:
        say, role = self.say, ""
        if line.who is Speaker.PERSON:
            role = say("by_person")
        elif line.who is Speaker.AUTOMATIC:
            role = say(f"automatic_{line.rung}" if line.rung else "automatic")
        return Spoken(
            name(line.name) or (account if role else say("customer")),
            role,
            say.time(line.at),
            say(line.note) if line.note else "",
            quoted(line.text) or say("no_text"),
        )

    def _deeds(self, email: EscalationEmail) -> Iterator[Deed]:
        say = self.say
        for deed in email.deeds:
            yield Deed(
                name(deed.who) or say("somebody"),
                deed_words(deed, say, email.now),
                say.time(deed.at),
                say("undone") if deed.undone else "",
                quoted(deed.note, NOTE),
            )

    def _head(self, email: EscalationEmail) -> str:
        """What it is about, and how long it has waited; what is told at once has not."""
        say, waited = self.say, email.now - email.since
        what = say.label(email.intent)
        if waited < _AT_ONCE:
            return say("head_now", what=what)
        return say("head", what=what, waiting=say.duration(waited))


@cache
def _actions(say: Phrases) -> Actions:
    return Actions(*map(say, Actions._fields))


def promise(email: EscalationEmail, say: Phrases) -> str:
    """By when the customer waits for an answer: the time that they were told, where they were."""
    if email.promised:
        return say("promised", time=say.time(said_by(email.answer_by)))
    return say("late" if email.answer_by <= email.now else "goal", time=say.time(email.answer_by))


def not_told(email: EscalationEmail, say: Phrases) -> str:
    """That an answer on the platform has to be told on the page; "" where the platform tells of it by itself."""
    where, button = say.place(email.product), say("answered_elsewhere")
    return "" if email.tells_answers else say("not_told", where=where, button=button)


def deed_words(deed: Done, say: Phrases, now: datetime) -> str:
    """What somebody did, in words; who is on it no more had taken it on."""
    until = say.time(deed.until) if deed.until else ""
    over = deed.key == "act_claim" and (deed.undone or (deed.until is not None and deed.until <= now))
    return say(f"{deed.key}_over" if over else deed.key, until=until, team=name(deed.team), what=say.label(deed.intent))


def listed(asked: tuple[Asked, ...]) -> int:
    """How many of the oldest questions fit into one e-mail; the first always."""
    shown, words = 0, 0
    for question in asked[:MOST_ASKED]:
        words += len(question.text)
        if shown and words > MOST_WORDS:
            break
        shown += 1
    return shown
