"""The escalation e-mail in text and HTML, safe whatever was written; and Jinja for who makes an e-mail or a page."""

from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.conversations.conversation import Bundle
from chalicelib.emails.email_view import Viewer
from chalicelib.emails.escalation_email import EscalationEmail
from chalicelib.emails.phrases import phrases
from chalicelib.emails.safe_text import clean, name, quoted

TEMPLATES = Path(__file__).with_name("templates")
GROUPED_WORDS = 600  # characters of one question in an e-mail of many


def render(email: EscalationEmail, language: str = "en") -> tuple[str, str, str]:
    """(subject, text, HTML) of the e-mail about one conversation."""
    say = phrases(language, email.timezone)
    view = {
        "v": Viewer(say).view(email),
        "say": say,
        "bounced_from": clean(email.bounced_from, one_line=True),
        "conversation": quoted(email.conversation, 200, one_line=True),
    }
    return subject(email, language), _template("escalation.txt").render(view), _template("escalation.html").render(view)


def render_many(
    emails: tuple[EscalationEmail, ...], kind: Bundle, language: str, team: str, most: int, more: int = 0
) -> tuple[str, str, str]:
    """(subject, text, HTML) of one e-mail about several conversations, each with its buttons, and `more` that are only
    counted; `team` is what its people call it, `most` how many e-mails an hour a mailbox gets before a digest."""
    say, count = phrases(language, emails[0].timezone), len(emails) + more
    viewer = Viewer(say, GROUPED_WORDS)
    view = {
        "say": say,
        "head": say(f"{kind}_head", count=count),
        "more": say("counted", count=more, listed=len(emails)) if more else "",
        "why": say(f"{kind}_why", most=most),
        "views": [viewer.view(email) for email in emails],
        "shop": emails[0].shop,
    }
    title = subject_of_many(emails[0], kind, language, team, count)
    return title, _template("many.txt").render(view), _template("many.html").render(view)


def subject(email: EscalationEmail, language: str = "en") -> str:
    """E.g. "[Earshot] Ana: Late delivery on Facebook (Example Shop)", the same for every tier, so that mail programs
    keep them together, and another for every customer."""
    say = phrases(language, email.timezone)
    words = say(
        "urgent_subject" if email.urgent else "subject",
        who=email.named or (say("quoted", words=email.first_words) if email.first_words else say("a_customer")),
        what=say.label(email.intent),
        where=say.place(email.product),
        account=name(email.account),
    )
    return clean(f"{'' if email.first else 'Re: '}[Earshot] {words}", 150, one_line=True)


def subject_of_many(first: EscalationEmail, kind: Bundle, language: str, team: str, count: int) -> str:
    """The subject of an e-mail about `count` conversations, of which it shows `first` first."""
    say = phrases(language, first.timezone)
    names = {"count": count, "where": say.place(first.product), "account": name(first.account)}
    return f"[Earshot] {say(f'subject_{kind}', **names, team=name(team))}"


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
