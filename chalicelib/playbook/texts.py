"""The playbook's sections about what is said: wording and intents."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.playbook.policy import APOLOGY, INTENTS, NEED_NO_ANSWER, NEVER_ACKNOWLEDGED, IntentPolicy, Place
from chalicelib.playbook.wording import Wording
from chalicelib.playbook.yaml_parts import Block, Part, advice

_BRACES: Final = re.compile(r"\{([^{}]*)\}|[{}]")
_WORDING: Final[Mapping[str, tuple[str, ...]]] = {  # the placeholders that it must have, beside {shop} and {links.…}
    "disclosure": (),
    "received": (),
    "promise": ("when",),
    "promise_soon": (),
    "resolved": (),
    "signature": (),
    "time": ("hour", "minute"),
    "today": ("time",),
    "tomorrow": ("time",),
    "weekday": ("weekday", "time"),
    "date": ("day", "month", "time"),
}
_NAMES: Final = {"weekdays": 7, "months": 12}
_AS_OTHERS: Final = "add it as in the playbook that comes with Earshot"


@dataclass(frozen=True, slots=True)
class Names:
    """What these sections refer to; `fill` has the texts of {shop} and {links.…}."""

    languages: tuple[str, ...]
    teams: Collection[str]
    fill: Mapping[str, str]


def share(part: Part) -> float:
    """A number from 0 to 1."""
    return part.number(0, 1)


def place(part: Part) -> Place:
    """public, private or both."""
    return Place(part.choice(tuple(Place), "place"))


def _filled(part: Part, fill: Mapping[str, str], later: Collection[str] = ()) -> str:
    """The text with {shop} and {links.…} filled in; those filled in `later` stay."""
    known = (*later, *fill)

    def put(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            raise part.wrong(f'a lone "{found[0]}"', "write placeholders such as {shop}, and no other braces")
        if name not in known:
            raise part.wrong(f"unknown placeholder {{{name}}}", advice(name, known))
        return fill.get(name, found[0])

    return _BRACES.sub(put, part.text())


def read_wording(part: Part, names: Names) -> dict[str, Wording]:
    """The section `wording`: by language, what all replies share."""
    found = {}
    entries = part.items(names.languages, "language")
    for language in names.languages:
        with part.file.collect():
            if language not in entries:
                raise part.wrong(f'nothing about "{language}"', f"add `{language}:`, or take it out of shop.languages")
            found[language] = _wording(entries[language], names.fill)
    return found


def _wording(part: Part, fill: Mapping[str, str]) -> Wording:
    block = part.block(*_WORDING, *_NAMES)
    texts = {key: block.need(key, _phrase(fill, later), "", _AS_OTHERS) for key, later in _WORDING.items()}
    names = {key: block.need(key, _names(count), tuple[str, ...](), _AS_OTHERS) for key, count in _NAMES.items()}
    return Wording(**texts, **names)  # type: ignore[arg-type]  # the tables name exactly its fields


def _phrase(fill: Mapping[str, str], later: Collection[str]) -> Callable[[Part], str]:
    def read(part: Part) -> str:
        text = _filled(part, fill, later)
        for name in later:
            if f"{{{name}}}" not in text:
                raise part.wrong(f"{{{name}}} is missing", f"write {{{name}}} where it belongs in the sentence")
        return text

    return read


def _names(count: int) -> Callable[[Part], tuple[str, ...]]:
    def read(part: Part) -> tuple[str, ...]:
        words = part.each(Part.text)
        if len(words) != count and not part.file.mistakes:
            raise part.wrong(f"has {len(words)} entries", f"write all {count}, Monday or January first")
        return tuple(words)

    return read


def read_intents(part: Part, names: Names) -> dict[str, IntentPolicy]:
    """The section `intents`: by intent, who answers and what may be said."""
    found = {}
    for name, entry in part.items(INTENTS, "intent").items():
        with part.file.collect():
            found[name] = _intent(entry, name, names)
    return found


def _intent(part: Part, name: str, names: Names) -> IntentPolicy:
    keys = ["team", "acknowledge", "resolves", "place", "minimum_confidence", "minimum_margin", "reply"]
    keys += ["apologise"] * (name == APOLOGY) + ["closes_at"] * (name in NEED_NO_ANSWER)
    block, usual = part.block(*keys), IntentPolicy()
    acknowledge = block.get("acknowledge", lambda p: _acknowledge(p, name), usual.acknowledge)
    policy = IntentPolicy(
        team=block.get("team", lambda p: p.choice(names.teams, "team"), usual.team),
        acknowledge=block.get("apologise", Part.flag, acknowledge),
        resolves=block.get("resolves", Part.flag, usual.resolves),
        places=block.get("place", _places, usual.places),
        minimum_confidence=block.get("minimum_confidence", share, usual.minimum_confidence),
        minimum_margin=block.get("minimum_margin", share, usual.minimum_margin),
        closes_at=block.get("closes_at", lambda p: p.number(0.5, 1), usual.closes_at),
        replies=block.get("reply", lambda p: _reply(p, names), usual.replies),
    )
    if policy.acknowledge:
        _check(block, name, policy, names)
    return policy


def _acknowledge(part: Part, name: str) -> bool:
    wanted = part.flag()
    if wanted and name == APOLOGY:
        raise part.wrong("a complaint is never acknowledged as a question", "write apologise: true for an apology")
    if wanted and name in NEVER_ACKNOWLEDGED:
        raise part.wrong(f"{name} is never acknowledged automatically", "write acknowledge: false: people answer it")
    return wanted


def _check(block: Block, name: str, policy: IntentPolicy, names: Names) -> None:
    """Refuses an acknowledged intent that would have nothing to say, or would promise what nobody keeps."""
    part = block.part
    replies = block.entries.get("reply", part)
    given = replies.keys() if replies is not part else ()
    if missing := [language for language in names.languages if language not in given]:
        write = f"add `{missing[0]}: …` below reply, or write acknowledge: false"
        raise replies.wrong(f"no reply in {', '.join(missing)}", write)
    if name == APOLOGY and "minimum_confidence" not in block.entries:
        raise part.wrong("an apology needs a bound of its own", "write for instance minimum_confidence: 0.8")
    if name == APOLOGY and policy.resolves:
        raise block.entries["resolves"].wrong("an apology resolves nothing", "take the line out")
    if name in NEED_NO_ANSWER and not policy.resolves:
        raise part.wrong("the reply would promise a person, but nobody is called", "write resolves: true")


def _reply(part: Part, names: Names) -> dict[str, str]:
    found = {}
    for language, entry in part.items(names.languages, "language").items():
        with part.file.collect():
            found[language] = _filled(entry, names.fill)
    return found


def _places(part: Part) -> dict[str, Place]:
    if part.is_text:
        return {"default": place(part)}
    return {product: place(entry) for product, entry in part.items().items()}
