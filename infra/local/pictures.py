"""`make pictures`: what people read, drawn by a headless Chromium: e-mails of every kind, wide and on a phone, light
and dark, in build/pictures."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib import platforms
from chalicelib.conversations.conversation import Act, Bundle, Conversation, Deed, Question
from chalicelib.conversations.interaction import Interaction, Kind, Reading
from chalicelib.emails.escalation_email import Asked, Done, EscalationEmail, Line, Speaker
from chalicelib.emails.phrases import phrases
from chalicelib.emails.rendering import render, render_many
from chalicelib.staff.page import Earlier, Said, View
from chalicelib.staff.page import render as render_desk

OUT = Path("build/pictures")
WIDE, PHONE = (760, 1250), (320, 1700)
COMMENTS, MESSAGES, PHOTOS, *_ = platforms.PRODUCTS  # the registry's first: a Page's comments, its messages, pictures
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_NOW = datetime(2026, 11, 23, 10, 10, tzinfo=UTC)
_PAGE = "https://earshot.shop.example.com/api/act/…"


@dataclass(frozen=True, slots=True)
class Picture:
    """One e-mail to draw."""

    name: str
    html: str
    size: tuple[int, int] = WIDE
    dark: bool = False


def plain(text: str = "Where is my parcel? It was to be here on Friday.", name: str = "Ana Pérez") -> EscalationEmail:
    """A question below a post, ten minutes after it was asked."""
    asked_at = _NOW - timedelta(minutes=10)
    return EscalationEmail(
        conversation=f"{COMMENTS}:123:c1:5001",
        product=COMMENTS,
        account="Marigold & Finch",
        shop="Marigold & Finch",
        timezone="Europe/London",
        intent="delivery_late",
        tier=1,
        tiers=3,
        asked=(Asked(name, text, asked_at),),
        lines=(
            Line(
                Speaker.AUTOMATIC,
                "",
                "This is an automated reply. I am sorry that your parcel is late. "
                "A person will answer you today by 11:00.\nMarigold & Finch",
                asked_at + timedelta(seconds=3),
            ),
        ),
        since=asked_at,
        answer_by=asked_at + timedelta(hours=1),
        now=_NOW,
        promised=True,
        inbox="https://social.example.com/123/posts/77",
        page=_PAGE,
        by_mail=True,
    )


def second_tier() -> EscalationEmail:
    """Half an hour after the promise, with what was done about it."""
    first = plain()
    later = first.since + timedelta(minutes=90)
    return replace(
        first,
        tier=2,
        now=later,
        first=False,
        asked=(*first.asked, Asked("Ana Pérez", "Hello? Is anybody there?", later - timedelta(minutes=20))),
        deeds=(
            Done("Kim", first.since + timedelta(minutes=15), "act_claim", until=first.since + timedelta(minutes=45)),
        ),
    )


def urgent() -> EscalationEmail:
    """A lamp that caught fire, in the night, by direct message."""
    at = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
    words = "The lamp you sold me caught fire last night. My lawyer will contact you."
    return replace(
        plain(words, "Fay O’Neill"),
        product=MESSAGES,
        intent="legal_safety",
        urgent=True,
        now=at,
        since=at,
        answer_by=at + timedelta(hours=1),
        asked=(Asked("Fay O’Neill", words, at, attachments=2),),
        lines=(),
        inbox="",
        whom="Fay O’Neill",
        promised=False,
        window_closes_at=at + timedelta(hours=24),
        by_mail=False,
    )


def long() -> EscalationEmail:
    """Many messages, a word without a break, addresses, and a conversation behind them."""
    words = (
        "I ordered the oak table on 3 November and paid at once. Since then I have written four times. "
        "The tracking page says “handed to the carrier” since the 9th, the carrier says that it never got anything. "
    ) * 3
    wild = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
    said = [
        (Speaker.CUSTOMER, "Do you ship to Ireland?"),
        (Speaker.PERSON, "We do, within five days."),
        (Speaker.CUSTOMER, "Thanks!"),
    ]
    first = plain(words)
    return replace(
        first,
        asked=(
            *first.asked,
            Asked("Ana Pérez", wild, first.since),
            Asked("Ana Pérez", "see https://evil.example.com/login?next=x", first.since),
        ),
        lines=tuple(
            Line(who, "", text, first.since - timedelta(days=3, minutes=9 - n)) for n, (who, text) in enumerate(said)
        )
        + first.lines,
        more=12,
    )


def arabic() -> EscalationEmail:
    """Right-to-left words, joiners and a family of emoji in an English e-mail."""
    return replace(
        plain("مرحبا، أين طلبي رقم 4711؟ لم يصل بعد 👨‍👩‍👧", "ليلى حسن"),
        lines=(Line(Speaker.CUSTOMER, "ليلى حسن", "می‌خواهم بدانم", _NOW - timedelta(hours=3)),),
        product=PHOTOS,
        intent="order_status",
    )


def german() -> EscalationEmail:
    """To a German team, with everything that people may have done."""
    at = _NOW - timedelta(minutes=10)
    return replace(
        plain("Wo bleibt mein Paket? Es sollte am Freitag da sein.", "Jörg Weiß"),
        timezone="Europe/Berlin",
        deeds=(
            Done("Kim", at, "act_hand_over", team="Lieferung", note="Bitte beim Lager nachfragen."),
            Done("Ali", at + timedelta(minutes=4), "act_correct", intent="delivery_late"),
            Done("Ali", at + timedelta(minutes=5), "act_snooze", until=at + timedelta(hours=2), undone=True),
        ),
        bounced_from="versand@marigold.example.com",
    )


def desk(language: str = "en", said: Said | None = None) -> str:
    """The page behind the link of the second tier's e-mail."""
    email = second_tier()
    say = phrases(language, email.timezone)
    asked = {f"c{n}": Question(a.at, a.at, a.at, "delivery_late") for n, a in enumerate(email.asked)}
    claim = Act(Deed.CLAIM, email.now - timedelta(minutes=3), "Kim", until=email.now + timedelta(minutes=27))
    c = Conversation(COMMENTS, "123", "c1", "5001", questions=asked, acts={"a1": claim}, tier=2)
    to = Interaction(COMMENTS, "123", "c1", Kind.NEW, email.since, email.since)
    lines = tuple(Line(Speaker.CUSTOMER, a.name, a.text, a.at) for a in email.asked)
    earlier = Earlier(email.since - timedelta(days=40), "answered", "size_fit", "Does the green coat run small?")
    view = View(
        conversation=c,
        email=replace(email, deeds=(Done("Kim", claim.at, "act_claim", until=claim.until),)),
        everything=(lines[0], *email.lines, lines[1]),
        say=say,
        now=email.now,
        via="1.2",
        to=replace(to, reading=Reading("delivery_late", 0.9, 0.8, "en", True)),
        teams=tuple((key, say.team(key, {})) for key in ("customer_service", "delivery", "web_shop")),
        history=(earlier,),
        suggestion="I am sorry that your parcel is late. I am looking into it and will write again today.",
    )
    return render_desk(view, said or Said(), "once")


def pictures() -> Iterator[Picture]:
    """Every kind, wide and on a phone."""
    filled = Said(f"Ihre Antwort steht auf: {platforms.title(COMMENTS, 'de')}.", name="Kim")
    yield Picture("desk", desk(), (760, 2500))
    yield Picture("desk_phone", desk("de", filled), (320, 3600))
    yield Picture("desk_dark", desk(), (760, 2500), dark=True)
    kinds: Mapping[str, tuple[EscalationEmail, str]] = {
        "plain": (plain(), "en"),
        "second_tier": (second_tier(), "en"),
        "urgent": (urgent(), "en"),
        "long": (long(), "en"),
        "arabic": (arabic(), "en"),
        "german": (german(), "de"),
        "french": (plain("Où est mon colis ?", "Zoé"), "fr"),
        "spanish": (plain("¿Dónde está mi pedido?", "Íñigo"), "es"),
    }
    for name, (email, language) in kinds.items():
        html = render(email, language)[2]
        yield Picture(name, html)
        yield Picture(f"{name}_phone", html, PHONE)
    yield Picture("plain_dark", render(plain())[2], dark=True)
    texts = (
        "Where is it?",
        "Still nothing!",
        "Any news on my order?",
        "Do you have it in blue?",
        "Size 38?",
        "Opening hours?",
    )
    group = tuple(plain(text, f"Customer {n}") for n, text in enumerate(texts, start=1))
    html = render_many(group, Bundle.GROUP, "en", "Delivery", 20)[2]
    yield Picture("grouped", html, (760, 2300))
    yield Picture("grouped_phone", html, (320, 3400))
    html = render_many(group[:2], Bundle.DIGEST, "de", "Lieferung", 20, more=1200)[2]
    yield Picture("digest_phone", html, (320, 1500))


def draw(picture: Picture, out: Path, browser: str) -> None:
    """Writes `picture` as a PNG. The page stands in a frame, because a window is never narrower than 500 px."""
    width, height = picture.size
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        inner, outer = Path(folder) / "inner.html", Path(folder) / "outer.html"
        inner.write_text(picture.html, "utf-8")
        frame = f'<body style="margin:0"><iframe src="inner.html" style="border:0;width:{width}px;height:{height}px">'
        outer.write_text(f"<!doctype html>{frame}</iframe></body>", "utf-8")
        dark = ["--blink-settings=preferredColorScheme=0"] if picture.dark else []
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *dark]
        command += [f"--user-data-dir={folder}/profile", f"--window-size={max(width, 500)},{height}"]
        command += [f"--screenshot={out.resolve()}", outer.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.pictures", description="Draws the e-mails.")
    parser.add_argument("--only", default="", help="names that begin so")
    options = parser.parse_args(arguments)
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("pictures: no Chromium; `apt-get install chromium`, or put `chromium` on the PATH", file=sys.stderr)
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    for picture in pictures():
        if picture.name.startswith(options.only):
            draw(picture, OUT / f"{picture.name}.png", browser)
            print(OUT / f"{picture.name}.png", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
