"""The replies of a playbook as customers will read them, by language and platform; for people who edit its texts."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from chalicelib.conversations.interaction import TOPICS, Reading, Rung
from chalicelib.playbook.parts import DIRECT_MESSAGES, INTENTS, Answer, Silence
from chalicelib.playbook.policy import Playbook

_PRIVATE = "direct message"
_MONDAY = datetime(2026, 3, 2, 10, 0)  # no holiday anywhere; the shop's own clock is put on it


def previews(playbook: Playbook) -> Iterator[str]:
    """The lines: each intent that has a reply, each topic, and the general reply. What differs on a platform or inside
    a direct message stands below what is said elsewhere in public."""
    shop = replace(playbook, stopped_altogether=False, stopped=frozenset(), quiet_hours={})
    now = _MONDAY.replace(tzinfo=ZoneInfo(shop.shop.timezone)).astimezone(UTC)
    for name, readings in _readings(shop):
        yield f"{name}:"
        for language in shop.languages:
            yield from _said(shop, replace(readings, language=language), now)
        yield ""
    yield from _campaigns(shop)


def _campaigns(shop: Playbook) -> Iterator[str]:
    """How each campaign's line reads behind a reply, on its first day at noon; alone, as if there were no other."""
    zone = ZoneInfo(shop.shop.timezone)
    for c in shop.campaigns:
        noon = datetime(c.first.year, c.first.month, c.first.day, 12, tzinfo=zone).astimezone(UTC)
        alone = replace(shop, campaigns=(c,))
        yield f"campaign {c.name}, {c.first} to {c.last}:"
        for intent in sorted(c.intents):
            for language in shop.languages:
                ways: dict[str, list[str]] = {}
                for where, product, private in _places(shop):
                    sure = Reading(intent, 1.0, 1.0, language, True, rungs=dict.fromkeys(Rung, 1.0), urgent=1e-9)
                    by = shop.promise(intent, noon)
                    answer = alone.acknowledgement(
                        sure, product=product, account="", private=private, now=noon, asked_at=noon, by=by
                    )
                    ways.setdefault(_with_line(answer), []).append(where)
                yield from (f"  {intent} {language} [{', '.join(places)}] {text}" for text, places in ways.items())
        yield ""


def _with_line(answer: Answer | Silence) -> str:
    if isinstance(answer, Silence):
        return _shown(answer)
    return answer.promoted[0].text.replace("\n", " ⏎ ") if answer.promoted else "without the line"


def _readings(shop: Playbook) -> Iterator[tuple[str, Reading]]:
    """What each reply is given for: (heading, a reading that is as sure as can be)."""
    sure = Reading("", 1.0, 1.0, None, True, rungs=dict.fromkeys(Rung, 1.0), urgent=1e-9)
    for intent in INTENTS:
        if intent in shop.intents and shop.intents[intent].acknowledge:
            yield intent, replace(sure, intent=intent)
    unsure = replace(sure, confidence=0.0, accepted=False)
    for topic in shop.topics:
        of_topic = next((i for i in TOPICS[topic] if i in shop.intents and shop.intents[i].general), None)
        if of_topic:
            yield f"topic {topic}", replace(unsure, intent=of_topic, topic=topic, allowed=(Rung.TOPIC,))
    general = next((i for i in INTENTS if i in shop.intents and shop.intents[i].general), None)
    if general:
        yield "general reply", replace(unsure, intent=general, allowed=(Rung.GENERAL,))


def _said(shop: Playbook, reading: Reading, now: datetime) -> Iterator[str]:
    """One line for each way in which it is said, with where: the platforms that say the same share a line."""
    ways: dict[str, list[str]] = {}
    for where, product, private in _places(shop):
        answer = shop.acknowledgement(
            reading,
            product=product,
            account="",
            private=private,
            now=now,
            asked_at=now,
            by=shop.promise(reading.intent, now),
        )
        ways.setdefault(_shown(answer), []).append(where)
    for text, places in ways.items():
        yield f"  {reading.language} [{', '.join(places)}] {text}"


def _places(shop: Playbook) -> Iterable[tuple[str, str, bool]]:
    public = min(DIRECT_MESSAGES)
    yield "public", public if public not in shop.products else "", False
    for product in shop.products:
        yield product, product, False
    yield "where there are no direct messages", "", False
    yield _PRIVATE, "", True


def _shown(answer: Answer | Silence) -> str:
    if isinstance(answer, Silence):
        return f"nothing is said: {answer.why.value.replace('_', ' ')}"
    rung = "" if answer.rung is Rung.OWN else f"({answer.rung.value} reply) "
    return rung + answer.text.replace("\n", " ⏎ ")
