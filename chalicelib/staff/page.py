"""The desk's page: what it shows, and its HTML. No script, nothing from elsewhere, and a style that is named by its
hash, so that the browser takes no other."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib import platforms
from chalicelib.conversations import staff_rules
from chalicelib.conversations.conversation import Conversation, Notice
from chalicelib.conversations.interaction import Interaction
from chalicelib.emails.email_view import deed_words, not_told, promise
from chalicelib.emails.escalation_email import EscalationEmail, Line
from chalicelib.emails.known import lines
from chalicelib.emails.phrases import Phrases
from chalicelib.emails.rendering import environment
from chalicelib.emails.safe_text import clean, first_words, name, quoted
from chalicelib.playbook.parts import INTENTS
from chalicelib.staff.choices import UNTIL

TEMPLATES = Path(__file__).with_name("templates")
SAID = 100  # lines of a conversation on the page, the newest
HISTORY = 6  # other conversations of the customer
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Earlier:
    """Another conversation of the customer."""

    at: datetime
    state: str
    intent: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the page says after an act; `bad` when nothing came of it, `draft` what was written, to go on with."""

    words: str = ""
    bad: bool = False
    draft: str = ""
    look_first: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the page shows. `to` is what an answer would be posted under; `later`: the customer has written
    since the page was opened from which this one was asked for. `teams` are keys with what people call them."""

    conversation: Conversation
    email: EscalationEmail
    everything: tuple[Line, ...]
    say: Phrases
    now: datetime
    via: str
    to: Interaction | None
    teams: tuple[tuple[str, str], ...]
    history: tuple[Earlier, ...]
    suggestion: str
    later: bool = False


def any_notice(c: Conversation, via: str, now: datetime) -> Notice:
    """The notice whose e-mail the link stands in; one like it, where it is no longer remembered."""
    return c.notices.get(via) or Notice(max(c.tier, 1), now)


def render(view: View, said: Said, once: str) -> str:
    """The page; `once` makes what its forms ask for happen once."""
    c, say = view.conversation, view.say
    product = platforms.product(c.product)
    acts = sorted(c.acts.items(), key=lambda row: row[1].at)
    private = product.private_replies and not (view.to and view.to.private)
    return _render(
        "desk.html",
        view=view,
        email=view.email,
        say=say,
        said=said,
        once=once,
        label=say.label(c.intent),
        place=say.place(c.product),
        state=_states(say)[c.state.value],
        shown=" ".join(staff_rules.shown(c)),
        most=product.max_reply,
        private=private,
        who=said.name or _last_name(c, view.via),
        open=bool(view.email.asked) and c.state.value == "open",
        unsure=any(staff_rules.unsure(a, view.now) for a in c.answers.values()),
        language=_language(view, say),
        untils=tuple(UNTIL),
        intents=[(i, say.label(i)) for i in INTENTS if i != "other"],
        deeds=[
            (id, done, deed_words(done_line, say, view.now), staff_rules.can_undo(done, view.now))
            for (id, done), done_line in zip(acts, view.email.deeds, strict=True)
        ],
        states=_states(say),
        known=list(lines(view.email.known, say)) if view.email.known else [],
        stopped=bool(view.email.known and view.email.known.stopped),
        not_told=not_told(view.email, say),
        promise=promise(view.email, say),
        first_words=first_words,
    )


def problem(words: str, say: Phrases) -> str:
    """A page that only says why there is none."""
    return _render("problem.html", say=say, words=words)


def _render(template: str, **view: Any) -> str:
    html = environment(TEMPLATES).get_template(template)
    return str(html.render(style=style(), quoted=quoted, clean=clean, name=name, longest_name=LONGEST_NAME, **view))


def _language(view: View, say: Phrases) -> str | None:
    """What the customer writes in, in the team's words; a code for a language that has none."""
    code = view.to.reading.language if view.to and view.to.reading else None
    return say.words("languages").get(code, code) if code else None


def _states(say: Phrases) -> dict[str, str]:
    return say.words("states")


def _last_name(c: Conversation, via: str) -> str:
    """The name last typed on this link's page."""
    acts = sorted((a.at, a.who) for a in c.acts.values() if a.link == via and via)
    return acts[-1][1] if acts else ""


@cache
def style() -> str:
    """The page's style sheet."""
    return (TEMPLATES / "desk.css").read_text("utf-8")


@cache
def policy() -> str:
    """The Content-Security-Policy: this style, forms to here, nothing else."""
    named = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{named}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
