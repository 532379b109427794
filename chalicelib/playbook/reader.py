"""From the file that a retailer edits to a Playbook; every message about a mistake names the file and the line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.playbook.business_time import Hours, Span
from chalicelib.playbook.policy import Caps, IntentPolicy, Place, Playbook, ProductPolicy, Shop, Team
from chalicelib.playbook.teams import Escalation, read_escalation, read_hours, read_teams
from chalicelib.playbook.texts import Names, place, read_intents, read_wording, share
from chalicelib.playbook.wording import Wording
from chalicelib.playbook.yaml_parts import Block, Part, parse

DEFAULT_PLAYBOOK: Final = Path(__file__).with_name("playbook.yaml")

_SECTIONS: Final = ("shop", "links", "hours", "teams", "escalation", "replies", "wording", "intents")
_OPTIONAL: Final = ("links", "replies")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_ACCOUNT: Final = re.compile(r"[a-z][a-z0-9_]*:\S+")
_URL: Final = re.compile(r"https://[^\s{}/]+\.[^\s{}]+")
_UNREAD: Final[tuple[Shop, tuple[str, ...]]] = (Shop("", "UTC"), ("en",))


def load_playbook(text: str, name: str = "playbook.yaml") -> Playbook:
    """The playbook written in the YAML `text`; `name` is what messages call the file.

    Raises PlaybookError with a line, `name:line: …`, for each mistake.
    """
    root = parse(text, name)
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
    names = Names(languages, teams, {"shop": shop.name, **links})
    hours = top.get("hours", lambda part: read_hours(part, shop.timezone), dict[str, Hours]())
    replies = top.get("replies", _replies, _Replies())
    wording = top.get("wording", lambda part: read_wording(part, names), dict[str, Wording]())
    _check_fit(top, replies, wording)
    escalation = top.get("escalation", lambda part: read_escalation(part, teams), Escalation())
    return {
        "shop": shop,
        "languages": languages,
        "teams": top.get("teams", lambda part: read_teams(part, languages, hours), dict[str, Team]()),
        "wording": wording,
        "intents": top.get("intents", lambda part: read_intents(part, names), dict[str, IntentPolicy]()),
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


@dataclass(frozen=True, slots=True)
class _Replies:
    """The section `replies`, in the Playbook's own fields."""

    caps: Caps = field(default_factory=Caps)
    products: Mapping[str, ProductPolicy] = field(default_factory=dict)
    place: Place = Place.PUBLIC
    minimum_confidence: float = 0.0
    minimum_margin: float = 0.0
    stopped_altogether: bool = False
    stopped: frozenset[str] = frozenset()
    quiet_hours: Mapping[Place, Span] = field(default_factory=dict)


def _replies(part: Part) -> _Replies:
    block = part.block("stop", "place", "minimum_confidence", "minimum_margin", "quiet_hours", "caps", "products")
    stop = block.get("stop", lambda p: p.block("all", "accounts"), Block(part, {}))
    return _Replies(
        caps=block.get("caps", _caps, Caps()),
        products=block.get("products", _products, dict[str, ProductPolicy]()),
        place=block.get("place", place, Place.PUBLIC),
        minimum_confidence=block.get("minimum_confidence", share, 0.0),
        minimum_margin=block.get("minimum_margin", share, 0.0),
        stopped_altogether=stop.get("all", Part.flag, False),
        stopped=frozenset(stop.get("accounts", lambda p: p.each(_account), list[str]())),
        quiet_hours=block.get("quiet_hours", _quiet_hours, dict[Place, Span]()),
    )


def _account(part: Part) -> str:
    account = part.word('write for instance "facebook:123"')
    if not _ACCOUNT.fullmatch(account):
        raise part.wrong(f'"{account}" is not a platform and an account', 'write for instance "facebook:123"')
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
    return {name: _product(entry) for name, entry in part.items().items()}


def _product(part: Part) -> ProductPolicy:
    block = part.block("longest", "links", "place")
    return ProductPolicy(
        block.get("longest", lambda p: p.whole(80, 100_000), None),
        block.get("links", Part.flag, True),
        block.get("place", place, None),
    )


def _check_fit(top: Block, replies: "_Replies", wording: Mapping[str, Wording]) -> None:
    """Refuses a general reply that does not fit a platform: nothing could be said there at all."""
    for language, words in wording.items() if not top.part.file.mistakes else ():
        when = max((words.today, words.tomorrow, words.weekday, words.date), key=len)
        month, weekday = max(words.months, key=len), max(words.weekdays, key=len)
        when = when.replace("{month}", month).replace("{weekday}", weekday)
        text = words.compose(words.received, words.promise.replace("{when}", when))
        for product, limits in replies.products.items():
            if not limits.allows(text):
                with top.part.file.collect():
                    why = f'the general reply in "{language}" has {len(text)} characters, or a link: not for {product}'
                    raise top.entries["wording"].wrong(why, "shorten disclosure, received, promise or signature")
