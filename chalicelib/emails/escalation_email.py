"""The words of the escalation e-mail: what a person needs to answer, in text and HTML, safe whatever was written."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

TEMPLATES = Path(__file__).with_name("templates")

PRODUCTS = {
    "facebook": "Facebook",
    "messenger": "Messenger",
    "instagram": "Instagram",
    "whatsapp": "WhatsApp",
    "x": "X",
    "telegram": "Telegram",
    "line": "LINE",
    "discourse": "the forum",
    "standard": "the website",
    "google": "Google reviews",
}

_URL = re.compile(r"\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}(?=/|\b)", re.IGNORECASE)
_KEPT_CONTROLS = "\n\t"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said: by the customer, by the brand's people or by earshot."""

    who: str
    name: str
    text: str
    at: datetime
    received_at: datetime
    attachments: int = 0
    link: str | None = None
    open: bool = False
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class EscalationEmail:
    """Everything that an escalation e-mail tells. `act` is the address of the page on which staff act on it."""

    conversation: str
    product: str
    account: str
    shop: str
    timezone: str
    intent: str | None
    tier: int
    tiers: int
    asked: tuple[Line, ...]
    lines: tuple[Line, ...]
    since: datetime
    due_at: datetime
    now: datetime
    link: str | None = None
    window_closes_at: datetime | None = None
    private: bool = False
    act: str | None = None


def render(letter: EscalationEmail, language: str = "en") -> tuple[str, str, str]:
    """(subject, text, HTML). The subject is made of labels and figures only, never of a customer's words."""
    view = _view(letter)
    text = environment().get_template("escalation.txt").render(view)
    html = environment().get_template("escalation.html").render(view)
    return subject(letter), text, html


def subject(letter: EscalationEmail) -> str:
    """E.g. "[Earshot] Order status on Facebook, waiting 1 h 5 min (BrightBasket, tier 1)"."""
    what = label(letter.intent)
    where = PRODUCTS.get(letter.product, letter.product)
    waiting = duration(letter.now - letter.since)
    return clean(
        f"[Earshot] {what} on {where}, waiting {waiting} ({letter.account}, tier {letter.tier})", 150, one_line=True
    )


_LABELS = {
    "": "Question",
    "other": "Question",
    "delivery_late": "Late delivery",
    "damaged_or_wrong": "Damaged or wrong item",
    "account_login": "Account and login",
    "store_info": "Store and opening hours",
    "size_fit": "Size and fit",
    "legal_safety": "Safety or legal matter",
    "human_please": "Wants a person",
}


def label(intent: str | None) -> str:
    """An intent in words."""
    return _LABELS.get(intent or "") or str(intent).replace("_", " ").capitalize()


def duration(time: timedelta) -> str:
    """E.g. "45 s", "12 min", "3 h 5 min", "2 d 4 h"."""
    seconds = max(0, int(time.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def clean(text: str, longest: int = 4000, *, one_line: bool = False) -> str:
    """`text` without control, bidirectional, zero-width and other invisible characters, `longest` at most."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    visible = "".join(
        c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    )
    if one_line:
        visible = " ".join(visible.split())
    return visible if len(visible) <= longest else visible[: longest - 1] + "…"


def quoted(text: str) -> str:
    """A customer's text for reading: cleaned, and with addresses that no mail program turns into links."""
    return _URL.sub(lambda found: found[0].replace("://", "[:]//").replace(".", "[.]"), clean(text))


def _view(letter: EscalationEmail) -> dict[str, Any]:
    zone = ZoneInfo(letter.timezone)
    closes = letter.window_closes_at
    return {
        "letter": letter,
        "label": label(letter.intent),
        "product": PRODUCTS.get(letter.product, letter.product),
        "waiting": duration(letter.now - letter.since),
        "closes": closes if closes and closes > letter.now else None,
        "closes_in": duration(closes - letter.now) if closes and closes > letter.now else "",
        "closed": closes is not None and closes <= letter.now,
        "time": lambda t: f"{t.astimezone(zone):%a %d %b %Y, %H:%M %Z}",
        "quoted": quoted,
        "clean": clean,
    }


@cache
def environment(templates: Path = TEMPLATES) -> Any:
    """Jinja over a folder of templates; HTML is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(templates),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
