"""The escalation e-mail: what a person needs to answer a customer, in text and HTML, safe whatever was written.

In this order: what is asked, what to do, what was promised and when the window closes, what was said, who acted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.conversations.conversation import Bundle
from chalicelib.emails.known import Known, lines
from chalicelib.emails.phrases import Phrases, phrases
from chalicelib.emails.safe_text import clean, duration, first_words, name, quoted

TEMPLATES = Path(__file__).with_name("templates")

MOST_ASKED = 40  # open questions shown whole in one e-mail; the rest is counted and stands on the page
MOST_WORDS = 60_000  # characters of them: above about 100 KB mail programs hide the end
_AT_ONCE = timedelta(minutes=1)
GROUPED_WORDS = 600  # characters of one question in an e-mail of many


class Speaker(StrEnum):
    """Who said a line."""

    CUSTOMER = "customer"
    PERSON = "person"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Asked:
    """An open question."""

    name: str
    text: str
    at: datetime
    attachments: int = 0
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said. `note` is a phrase about its delivery, "" when it arrived; `rung` is how much an
    automatic reply said, "" where that is not known."""

    who: Speaker
    name: str
    text: str
    at: datetime
    attachments: int = 0
    note: str = ""
    rung: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What somebody did about it: the phrase `key` with what it names."""

    who: str
    at: datetime
    key: str
    until: datetime | None = None
    team: str = ""
    intent: str = ""
    note: str = ""
    undone: bool = False


@dataclass(frozen=True, slots=True)
class EscalationEmail:
    """Everything that an escalation e-mail tells. `page` is the address of the page on which staff act on it, `inbox`
    where the platform shows the conversation, `whom` whom to look for there where it has no address. `promised`: the
    customer was told `answer_by`. `first`: no e-mail of this conversation came before. `known` is
    what there is to tell of the customer."""

    conversation: str
    product: str
    account: str
    shop: str
    timezone: str
    intent: str | None
    tier: int
    tiers: int
    asked: tuple[Asked, ...]
    lines: tuple[Line, ...]
    since: datetime
    answer_by: datetime
    now: datetime
    deeds: tuple[Done, ...] = ()
    promised: bool = False
    urgent: bool = False
    first: bool = True
    more: int = 0
    inbox: str = ""
    whom: str = ""
    window_closes_at: datetime | None = None
    page: str = ""
    by_mail: bool = False
    bounced_from: str = ""
    known: Known | None = None

    @property
    def who(self) -> str:
        """Whom the subject names: the customer, or the first words where the name is not known."""
        named = next((name(a.name) for a in self.asked if name(a.name)), "")
        return named or first_words(self.asked[0].text if self.asked else "")


def render(email: EscalationEmail, language: str = "en") -> tuple[str, str, str]:
    """(subject, text, HTML) of the e-mail about one conversation."""
    view = _view(email, phrases(language, email.timezone))
    return subject(email, language), _template("escalation.txt").render(view), _template("escalation.html").render(view)


def render_many(
    emails: tuple[EscalationEmail, ...], kind: Bundle, language: str, team: str, most: int, more: int = 0
) -> tuple[str, str, str]:
    """(subject, text, HTML) of one e-mail about several conversations, each with its buttons, and `more` that are only
    counted; `most` is how many e-mails an hour a mailbox gets before a digest."""
    say, count = phrases(language, emails[0].timezone), len(emails) + more
    names = {"count": count, "where": say.place(emails[0].product), "account": name(emails[0].account)}
    title = say(f"subject_{kind}", **names, team=name(team))
    view = {
        "say": say,
        "head": say(f"{kind}_head", count=count),
        "more": say("counted", count=more, listed=len(emails)) if more else "",
        "why": say(f"{kind}_why", most=most),
        "parts_of": [_view(email, say) for email in emails],
        "shop": emails[0].shop,
        "quoted": quoted,
        "name": name,
        "words": GROUPED_WORDS,
    }
    return f"[Earshot] {title}", _template("many.txt").render(view), _template("many.html").render(view)


def subject(email: EscalationEmail, language: str = "en") -> str:
    """E.g. "[Earshot] Ana: Late delivery on Facebook (Example Shop)", the same for every tier, so that mail programs
    keep them together, and another for every customer."""
    say = phrases(language, email.timezone)
    words = say(
        "urgent_subject" if email.urgent else "subject",
        who=email.who or say("a_customer"),
        what=say.label(email.intent),
        where=say.place(email.product),
        account=name(email.account),
    )
    return clean(f"{'' if email.first else 'Re: '}[Earshot] {words}", 150, one_line=True)


def _view(email: EscalationEmail, say: Phrases) -> dict[str, Any]:
    closes = email.window_closes_at
    open_window = closes is not None and closes > email.now
    shown = _shown(email.asked)
    return {
        "email": email,
        "say": say,
        "label": say.label(email.intent),
        "place": say.place(email.product),
        "head": _head(email, say),
        "shown": shown,
        "more": email.more + len(email.asked) - len(shown),
        "late": email.answer_by <= email.now,
        "closes": closes if open_window else None,
        "closes_in": duration(closes - email.now) if closes and open_window else "",
        "closed": closes is not None and not open_window,
        "deeds": [(deed, deed_words(deed, say)) for deed in email.deeds],
        "known": list(lines(email.known, say)) if email.known else [],
        "quoted": quoted,
        "clean": clean,
        "name": name,
        "whole": MOST_WORDS,
    }


def deed_words(deed: Done, say: Phrases) -> str:
    """What somebody did, in words."""
    until = say.time(deed.until) if deed.until else ""
    return say(deed.key, until=until, team=name(deed.team.replace("_", " ")), what=say.label(deed.intent))


def _head(email: EscalationEmail, say: Phrases) -> str:
    """What it is about, and how long it has waited; what is told at once has not."""
    what, waited = say.label(email.intent), email.now - email.since
    return say("head", what=what, waiting=duration(waited)) if waited >= _AT_ONCE else say("head_now", what=what)


def _shown(asked: tuple[Asked, ...]) -> tuple[Asked, ...]:
    """The oldest questions that fit into one e-mail; the first always."""
    shown, words = 0, 0
    for question in asked[:MOST_ASKED]:
        words += len(question.text)
        if shown and words > MOST_WORDS:
            break
        shown += 1
    return asked[:shown]


def _template(file: str) -> Any:
    return environment().get_template(file)


@cache
def environment(templates: Path = TEMPLATES) -> Any:
    """Jinja over a folder of templates; HTML is escaped."""
    # start-up time: nobody who makes no e-mail or page needs it
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([templates, TEMPLATES]),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        auto_reload=False,  # they change with a deployment: nothing to ask the disk for with each e-mail
        trim_blocks=True,
        lstrip_blocks=True,
    )
