"""From the file that a retailer edits to a Playbook; every message about a mistake names the file and the line."""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.conversations.interaction import Rung
from chalicelib.playbook.business_time import Hours, Span
from chalicelib.playbook.campaign_texts import read_campaigns
from chalicelib.playbook.campaigns import Campaign
from chalicelib.playbook.machines import read_automatic
from chalicelib.playbook.notices import read_emails, read_reports
from chalicelib.playbook.parts import (
    Automatic,
    Bundling,
    Caps,
    IntentPolicy,
    Place,
    PlaybookError,
    ProductPolicy,
    Replies,
    Shop,
    Team,
)
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.teams import Escalation, check_clocks, read_email, read_escalation, read_hours, read_teams
from chalicelib.playbook.texts import Names, place, read_intents, read_topics, read_wording, share, unserved
from chalicelib.playbook.wording import Wording
from chalicelib.playbook.yaml_parts import Block, Part, advice, parse
from chalicelib.registry import PRODUCTS
from chalicelib.textfile import NotText, read_text

DEFAULT_PLAYBOOK: Final = Path(__file__).with_name("playbook.yaml")

_SECTIONS: Final = (
    *("shop", "links", "hours", "teams", "staff", "emails", "escalation", "automatic"),
    *("replies", "wording", "topics", "intents", "campaigns", "reports"),
)
_OPTIONAL: Final = ("links", "staff", "emails", "automatic", "replies", "topics", "campaigns", "reports")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_ACCOUNT: Final = re.compile(r"[a-z][a-z0-9_]*:\S+")
_URL: Final = re.compile(r"https://[^\s{}/]+\.[^\s{}]+")
_UNREAD: Final[tuple[Shop, tuple[str, ...]]] = (Shop("", "UTC"), ("en",))


def read_playbook(path: Path) -> Playbook:
    """The playbook in the file at `path`. Raises PlaybookError, OSError."""
    try:
        return load_playbook(read_text(path), path.name, path.parent)
    except NotText as error:
        raise PlaybookError(str(error)) from None


def load_playbook(text: str, name: str = "playbook.yaml", folder: Path | None = None) -> Playbook:
    """The playbook written in the YAML `text`; `name` is what messages call the file, calendars lie in its `folder`.

    Raises PlaybookError with a line, `name:line: …`, for each mistake.
    """
    root = parse(text, name, folder)
    parts: dict[str, Any] = {}
    with root.file.collect():
        parts = _sections(root.block(*_SECTIONS))
    root.file.raise_mistakes()
    return Playbook(**parts)


def _sections(top: Block) -> dict[str, Any]:
    """The Playbook's fields; for what could not be read a default stands in, and the mistakes are raised afterwards."""
    for section in _SECTIONS:
        if section not in _OPTIONAL:
            top.need(section, lambda part: None, None, "add it as in the playbook that comes with Earshot")
    shop, languages = top.get("shop", _shop, _UNREAD)
    links = top.get("links", _links, dict[str, str]())
    teams = top.entries["teams"].keys() if "teams" in top.entries else ()
    hours = top.get("hours", lambda part: read_hours(part, shop.timezone), dict[str, Hours]())
    replies = top.get("replies", _replies, Replies())
    spare = top.get("wording", lambda part: unserved(part, languages), tuple[str, ...]())
    names = Names(languages, teams, {"shop": shop.name, **links}, spare, replies.formal)
    wording = top.get("wording", lambda part: read_wording(part, names), dict[str, Wording]())
    _check_fit(top, replies, wording, shop)
    escalation = top.get("escalation", lambda part: read_escalation(part, teams), Escalation())
    mailboxes = top.get("teams", lambda part: read_teams(part, languages, hours), dict[str, Team]())
    intents = top.get("intents", lambda part: read_intents(part, names), dict[str, IntentPolicy]())
    check_clocks(top, escalation, mailboxes, intents)
    products, none = replies.products, tuple[Campaign, ...]()
    campaigns = top.get("campaigns", lambda part: read_campaigns(part, names, intents, wording, products), none)
    reports = top.get("reports", lambda part: read_reports(part, teams), ("", ""))
    return {
        "shop": shop,
        "languages": languages,
        "unserved": spare,
        "wording": wording,
        "topics": top.get("topics", lambda part: read_topics(part, names), dict[str, dict[str, str]]()),
        "teams": mailboxes,
        "intents": intents,
        "automatic": top.get("automatic", read_automatic, Automatic()),
        "campaigns": campaigns,
        "weekly_report_to": reports[0],
        "spikes_to": reports[1],
        "bundling": top.get("emails", read_emails, Bundling()),
        "staff": frozenset(top.get("staff", lambda part: part.each(read_email), list[str]())),
        **{f.name: getattr(part, f.name) for part in (escalation, replies) for f in fields(part)},
    }


def _shop(part: Part) -> tuple[Shop, tuple[str, ...]]:
    block = part.block("name", "timezone", "languages")
    name = block.need("name", Part.text, "", "write the name that customers know, for instance name: Example Shop")
    zone = block.need("timezone", _zone, "UTC", "write for instance timezone: Europe/London")
    languages = block.need(
        "languages", lambda p: p.each(_language), list[str](), "write for instance languages: [en, fr]"
    )
    if not languages and not part.file.mistakes:
        raise block.entries["languages"].wrong("no language", "write for instance languages: [en, fr]")
    return Shop(name, zone), tuple(dict.fromkeys(languages)) or ("en",)


def _is_zone(zone: str) -> bool:
    try:
        return bool(ZoneInfo(zone).key)
    except (ValueError, OSError, ZoneInfoNotFoundError):  # no such file, a folder, or no name at all
        return False


def _zone(part: Part) -> str:
    zone = part.word("write for instance Europe/London")
    if not _is_zone(zone):
        raise part.wrong(f'unknown time zone "{zone}"', "write one such as Europe/London or Europe/Berlin")
    return zone


def _language(part: Part) -> str:
    code = part.word("write a language code such as en")
    if not _LANGUAGE.fullmatch(code):
        raise part.wrong(f'"{code}" is not a language code', "write two small letters, such as en, de, fr or es")
    return code


def _links(part: Part) -> dict[str, str]:
    links = {}
    for key, entry in part.items().items():
        with part.file.collect():
            url = entry.word("write an address that begins with https://")
            if not _URL.fullmatch(url):
                raise entry.wrong(f'"{url}" is not a web address', "write one that begins with https://")
            links[f"links.{key}"] = url
    return links


_REPLIES: Final = (
    *("stop", "formal", "place", "rungs", "urgent", "minimum_confidence", "minimum_margin", "quiet_hours"),
    *("caps", "products"),
)


def _replies(part: Part) -> Replies:
    block = part.block(*_REPLIES)
    stop = block.get("stop", lambda p: p.block("all", "accounts"), Block(part, {}))
    stopped = dict(stop.get("accounts", lambda p: p.each(lambda a: (_account(a), a.place)), list[tuple[str, str]]()))
    return Replies(
        caps=block.get("caps", _caps, Caps()),
        products=block.get("products", _products, dict[str, ProductPolicy]()),
        place=block.get("place", place, Place.PUBLIC),
        minimum_confidence=block.get("minimum_confidence", share, 0.0),
        minimum_margin=block.get("minimum_margin", share, 0.0),
        stopped_altogether=stop.get("all", Part.flag, False),
        stopped=frozenset(stopped),
        stopped_at=stopped,
        quiet_hours=block.get("quiet_hours", _quiet_hours, dict[Place, Span]()),
        bars=block.get("rungs", _bars, dict[Rung, float | None]()),
        formal=block.get("formal", Part.flag, True),
        urgent_reply=block.get("urgent", lambda p: p.choice(("none", Rung.GENERAL.value), "reply"), "none") != "none",
    )


def _bars(part: Part) -> dict[Rung, float | None]:
    """By rung of the ladder, the bar above the model's own; None: switched off."""
    block = part.block(*Rung)
    return {rung: _bar(block.entries[rung]) for rung in Rung if rung in block.entries}


def _bar(part: Part) -> float | None:
    word = part.word("write true, false, or a bar such as 0.95").lower()
    if word in ("true", "false", "on", "off"):
        return 0.0 if word in ("true", "on") else None
    return share(part)


def _account(part: Part) -> str:
    account = part.word('write for instance "facebook:123"')
    if not _ACCOUNT.fullmatch(account):
        raise part.wrong(f'"{account}" is not a platform and an account', 'write for instance "facebook:123"')
    product = account.partition(":")[0]
    if product not in PRODUCTS:
        raise part.wrong(f'unknown platform "{product}"', advice(product, PRODUCTS))
    return account


def _quiet_hours(part: Part) -> dict[Place, Span]:
    block = part.block("public", "private")
    spans = {place: block.get(place.value, _quiet, None) for place in (Place.PUBLIC, Place.PRIVATE)}
    return {place: span for place, span in spans.items() if span}


def _quiet(part: Part) -> Span | None:
    return None if part.word('write "22:00-07:00" or none') == "none" else part.clock_span()


def _caps(part: Part) -> Caps:
    block, usual = part.block("author_per_thread_hours", "post_per_hour", "account_per_hour", "max_age"), Caps()
    return Caps(
        block.get("author_per_thread_hours", lambda p: p.whole(1, 720), usual.author_per_thread_hours),
        block.get("post_per_hour", lambda p: p.whole(0, 100_000), usual.post_per_hour),
        block.get("account_per_hour", lambda p: p.whole(0, 100_000), usual.account_per_hour),
        block.get("max_age", lambda p: p.duration(timedelta(minutes=1), timedelta(hours=1)), usual.max_age),
    )


def _products(part: Part) -> dict[str, ProductPolicy]:
    return {name: _product(entry) for name, entry in part.items(PRODUCTS, "platform").items()}


def _product(part: Part) -> ProductPolicy:
    block = part.block("longest", "links", "place", "rungs", "vary", "name_zone", "direct_messages")
    return ProductPolicy(
        block.get("longest", lambda p: p.whole(80, 100_000), None),
        block.get("links", Part.flag, True),
        block.get("place", place, None),
        block.get("rungs", _bars, dict[Rung, float | None]()),
        block.get("vary", Part.flag, False),
        block.get("name_zone", Part.flag, False),
        block.get("direct_messages", Part.flag, None),
    )


def _check_fit(top: Block, replies: Replies, wording: Mapping[str, Wording], shop: Shop) -> None:
    """Refuses a general reply that does not fit a platform, in any of its ways: nothing could be said there at all."""
    for language, words in wording.items() if not top.part.file.mistakes else ():
        when = f"{words.longest_when()} ({words.zone_name(shop.timezone)})"
        promise = max((way.replace("{when}", when) for way in words.promise), key=len)
        parts = (max(ways, key=len) for ways in (words.disclosure, words.received))
        text = " ".join((*parts, promise)) + "\n" + max(words.signature, key=len)
        for product, limits in replies.products.items():
            if not limits.allows(text):
                with top.part.file.collect():
                    why = f'the general reply in "{language}" has {len(text)} characters, or a link: not for {product}'
                    raise top.entries["wording"].wrong(why, "shorten disclosure, received, promise or signature")
