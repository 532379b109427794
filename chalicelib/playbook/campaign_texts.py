"""The playbook's section `campaigns`, read strictly: what could never be said, or would be said wrongly, is refused."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from chalicelib.playbook.campaigns import LONGEST, NO_PROMOTION, Campaign, CampaignKind, Segment
from chalicelib.playbook.parts import INTENTS, NEVER_ACKNOWLEDGED, IntentPolicy, ProductPolicy
from chalicelib.playbook.texts import Names, filled
from chalicelib.playbook.wording import Wording, placed
from chalicelib.playbook.yaml_parts import Block, Part
from chalicelib.registry import PRODUCTS

_KEYS: Final = ("kind", "intents", "platforms", "from", "until", "segment", "per_day", "per_person", "text")
_NAME: Final = re.compile(r"[a-z0-9_]{1,40}")
_WRITE_DATE: Final = "write a day such as 2026-11-27"


def read_campaigns(
    part: Part,
    names: Names,
    intents: Mapping[str, IntentPolicy],
    wording: Mapping[str, Wording],
    products: Mapping[str, ProductPolicy],
) -> tuple[Campaign, ...]:
    """The campaigns in the order of the file: where two fit, the first one's line is said."""
    found = []
    for name, entry in part.items().items():
        with part.file.collect():
            if not _NAME.fullmatch(name):
                raise entry.wrong(
                    "not a name for a campaign", "write small letters, digits and _, such as black_friday"
                )
            block = entry.block(*_KEYS)
            campaign = _campaign(name, block, names, intents)
            if campaign.texts and campaign.intents and not part.file.mistakes:
                _check_fit(block, campaign, intents, wording, products)
            found.append(campaign)
    return tuple(found)


def _campaign(name: str, block: Block, names: Names, intents: Mapping[str, IntentPolicy]) -> Campaign:
    usual = Campaign(name, CampaignKind.PROMOTION, frozenset(), {}, date.min, date.max)
    kind = block.get("kind", lambda p: CampaignKind(p.choice(tuple(CampaignKind), "kind")), usual.kind)
    first = block.need("from", _day, usual.first, _WRITE_DATE)
    last = block.need("until", _day, usual.last, _WRITE_DATE)
    if last < first:
        with block.part.file.collect():
            raise block.entries["until"].wrong(f"{last} is before {first}", "write the last day on which it is said")
    asked = block.need(
        "intents", lambda p: p.each(lambda e: _intent(e, kind, intents)), list[str](), "write for instance [price]"
    )
    return Campaign(
        name,
        kind,
        frozenset(asked),
        block.need("text", lambda p: _texts(p, names), dict[str, str](), "write a line below it, by language"),
        first,
        last,
        frozenset(block.get("platforms", lambda p: p.each(_platform), list[str]())),
        block.get("segment", lambda p: Segment(p.choice(tuple(Segment), "segment")), usual.segment),
        block.get("per_day", lambda p: p.whole(1, 1_000_000), usual.per_day),
        block.get("per_person", lambda p: p.whole(1, 10), usual.per_person),
    )


def _day(part: Part) -> date:
    try:
        return date.fromisoformat(part.word(_WRITE_DATE))
    except ValueError:
        raise part.wrong(f'"{part.word()}" is not a day', _WRITE_DATE) from None


def _platform(part: Part) -> str:
    return part.choice(PRODUCTS, "platform")


def _intent(part: Part, kind: CampaignKind, intents: Mapping[str, IntentPolicy]) -> str:
    name = part.choice(INTENTS, "intent")
    if name in NEVER_ACKNOWLEDGED:
        raise part.wrong(f"a campaign never stands on {name}", "leave it out: people answer that")
    if kind is CampaignKind.PROMOTION and name in NO_PROMOTION:
        raise part.wrong(f"whoever writes about {name} is not advertised to", "leave it out, or write kind: notice")
    if not (name in intents and intents[name].acknowledge):
        raise part.wrong(f"{name} gets no reply of its own", f"write acknowledge: true for {name}, or leave it out")
    return name


def _texts(part: Part, names: Names) -> dict[str, str]:
    found = {}
    for language, entry in names.by_language(part).items():
        with part.file.collect():
            found[language] = filled(entry, names)
            if len(found[language]) > LONGEST:
                count = len(found[language])
                raise entry.wrong(f"has {count} characters", f"write at most {LONGEST}: nobody has asked for it")
    if not found and not part.file.mistakes:
        raise part.wrong("no line in a language that is served", "write for instance `en: …` below it")
    return found


def _check_fit(
    block: Block,
    campaign: Campaign,
    intents: Mapping[str, IntentPolicy],
    wording: Mapping[str, Wording],
    products: Mapping[str, ProductPolicy],
) -> None:
    """Refuses a line that would never be said: too long behind each of its replies, on a platform that is named."""
    for product in sorted(campaign.platforms & products.keys()):
        for language, line in campaign.texts.items():
            words, limits = wording[language], products[product]
            replies = [intents[n].replies[language] for n in campaign.intents if language in intents[n].replies]
            public = [placed(reply, private=False, direct_messages=False) for reply in replies]
            said = [words.compose(text, words.promise_soon, line=line) for text in public]
            shortest = min(said, key=len, default=line)
            if not limits.allows(shortest):
                why = "it has a link" if "://" in line and not limits.links else f"{len(shortest)} characters with it"
                write = f"shorten it, or leave {product} out of platforms"
                with block.part.file.collect():
                    raise block.entries["text"].wrong(f'never fits on {product} in "{language}": {why}', write)
