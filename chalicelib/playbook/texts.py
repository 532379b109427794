"""The playbook's sections about what is said: wording and intents."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chalicelib.conversations.interaction import TOPICS, Rung
from chalicelib.playbook.parts import APOLOGY, INTENTS, NEED_NO_ANSWER, NEVER_ACKNOWLEDGED, URGENT, IntentPolicy, Place
from chalicelib.playbook.wording import Wording
from chalicelib.playbook.yaml_parts import Block, Part, advice
from chalicelib.registry import PRODUCTS

_BRACES: Final = re.compile(r"\{([^{}]*)\}|[{}]")
_ONLY: Final = re.compile(r"(public|private):")
_OPEN, _CLOSE = "\ue000", "\ue001"  # stand for braces that stay, while those around them are looked at
_WORDING: Final[Mapping[str, tuple[str, ...]]] = {  # the placeholders that it must have, beside {shop} and {links.…}
    "disclosure": (),
    "received": (),
    "promise": ("when",),
    "promise_soon": (),
    "resolved": (),
    "signature": (),
}
_TIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "time": ("hour|hh", "minute"),
    "today": ("time",),
    "tomorrow": ("time",),
    "weekday": ("weekday", "time"),
    "date": ("day", "month", "time"),
}
_OTHER_TIMES: Final[Mapping[str, tuple[str, ...]]] = {  # may be left out
    "full_hour": ("hour|hh",),
    "one_o_clock": ("hour|hh", "minute"),
    "midnight": (),
    "first": (),
    "zone": ("city",),
    "zone_before_vowel": ("city",),
}
_NAMES: Final = {"weekdays": 7, "months": 12}
_AS_OTHERS: Final = "add it as in the playbook that comes with Earshot"


@dataclass(frozen=True, slots=True)
class Names:
    """What these sections refer to; `fill` has the texts of {shop} and {links.…}. `unserved` are languages that have
    texts and are not served; `formal` says which of {Sie|du} is meant."""

    languages: tuple[str, ...]
    teams: Collection[str]
    fill: Mapping[str, str]
    unserved: tuple[str, ...] = ()
    formal: bool = True

    def by_language(self, part: Part) -> dict[str, Part]:
        """The entries of a mapping by language, without those of languages that are not served."""
        found = part.items((*self.languages, *self.unserved), "language")
        return {language: entry for language, entry in found.items() if language in self.languages}


def share(part: Part) -> float:
    """A number from 0 to 1."""
    return part.number(0, 1)


def place(part: Part) -> Place:
    """public, private or both."""
    return Place(part.choice(tuple(Place), "place"))


def filled(part: Part, names: Names, later: Collection[str] = ()) -> str:
    """The text with {shop}, {links.…} and {formal|familiar} filled in; what is filled in `later` stays, as do the
    sentences that belong only in public or only inside a direct message."""
    known = (*later, *names.fill)

    def put(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0]
        if name in later or _ONLY.match(name):
            return f"{_OPEN}{name}{_CLOSE}"
        if name.count("|") == 1:
            return name.split("|")[0 if names.formal else 1]
        if name not in known:
            raise part.wrong(f"unknown placeholder {{{name}}}", advice(name, known))
        return names.fill[name]

    text, before = part.text(), ""
    while text != before:  # from the inside out
        text, before = _BRACES.sub(put, text), text
    if lone := re.search("[{}]", text):
        raise part.wrong(f'a lone "{lone[0]}"', "write placeholders such as {shop}, and no other braces")
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def unserved(part: Part, languages: Collection[str]) -> tuple[str, ...]:
    """The languages below `wording` that are not among the served `languages`: their texts are kept and not used."""
    found = part.keys()
    return tuple(key for key in found if key not in languages and re.fullmatch("[a-z]{2,3}", key))


def read_wording(part: Part, names: Names) -> dict[str, Wording]:
    """The section `wording`: by language, what all replies share."""
    found = {}
    entries = names.by_language(part)
    for language in names.languages:
        with part.file.collect():
            if language not in entries:
                raise part.wrong(f'nothing about "{language}"', f"add `{language}:`, or take it out of shop.languages")
            found[language] = _wording(entries[language], names, language)
    return found


def _wording(part: Part, names: Names, language: str) -> Wording:
    block = part.block(*_WORDING, *_TIMES, *_OTHER_TIMES, *_NAMES, "cities")
    ways = {key: block.need(key, _ways(names, later), tuple[str, ...](), _AS_OTHERS) for key, later in _WORDING.items()}
    times = {key: block.need(key, _phrase(names, later), "", _AS_OTHERS) for key, later in _TIMES.items()}
    others = {
        key: block.get(key, _phrase(names, later), "") for key, later in _OTHER_TIMES.items() if key in block.entries
    }
    lists = {key: block.need(key, _names(count), tuple[str, ...](), _AS_OTHERS) for key, count in _NAMES.items()}
    cities = block.get("cities", lambda p: {key: entry.text() for key, entry in p.items().items()}, dict[str, str]())
    fields: dict[str, Any] = {**ways, **times, **others, **lists}  # the tables name exactly its fields
    return Wording(**fields, cities=cities, language=language)


def _ways(names: Names, later: Collection[str]) -> Callable[[Part], tuple[str, ...]]:
    """A sentence, or a list of sentences that say the same."""
    return lambda part: tuple(part.each(_phrase(names, later)))


def _phrase(names: Names, later: Collection[str]) -> Callable[[Part], str]:
    def read(part: Part) -> str:
        text = filled(part, names, [name for group in later for name in group.split("|")])
        for group in later:
            if not any(f"{{{name}}}" in text for name in group.split("|")):
                name = group.split("|")[0]
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
    keys = [
        "team",
        "answer_within",
        "acknowledge",
        "resolves",
        "place",
        "minimum_confidence",
        "minimum_margin",
        "reply",
    ]
    keys += ["apologise"] * (name == APOLOGY) + ["closes_at"] * (name in NEED_NO_ANSWER)
    block, usual = part.block(*keys), IntentPolicy()
    own, general = block.get("acknowledge", lambda p: _acknowledge(p, name), (usual.acknowledge, usual.general))
    policy = IntentPolicy(
        team=block.get("team", lambda p: p.choice(names.teams, "team"), usual.team),
        answer_within=block.get("answer_within", lambda p: p.duration(timedelta(seconds=1), timedelta(days=30)), None),
        acknowledge=block.get("apologise", Part.flag, own),
        general=general,
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


def _acknowledge(part: Part, name: str) -> tuple[bool, bool]:
    """Whether its own reply may be given, and whether a general one."""
    general = part.is_text and part.word() == Rung.GENERAL
    wanted = not general and part.flag()
    if wanted and name == APOLOGY:
        raise part.wrong("a complaint is never acknowledged as a question", "write apologise: true for an apology")
    if general and name in NEED_NO_ANSWER:
        raise part.wrong("the general reply promises a person, but nobody is called", "write acknowledge: false")
    if (wanted or general) and name == URGENT:
        raise part.wrong(f"{name} is for people, at once", "write acknowledge: false; replies.urgent says the rest")
    if wanted and name in NEVER_ACKNOWLEDGED:
        write = "write acknowledge: general, or false: people answer it"
        raise part.wrong(f"{name} is never acknowledged automatically as a question of its own", write)
    return wanted, general or (wanted and name not in NEED_NO_ANSWER)


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
    for language, entry in names.by_language(part).items():
        with part.file.collect():
            found[language] = filled(entry, names)
    return found


def read_topics(part: Part, names: Names) -> dict[str, dict[str, str]]:
    """The section `topics`: by topic and language, what is said when the intent is not sure but its topic is."""
    found = {}
    for name, entry in part.items(TOPICS, "topic").items():
        with part.file.collect():
            found[name] = _reply(entry, names)
            if missing := [language for language in names.languages if language not in found[name]]:
                raise entry.wrong(f"no reply in {', '.join(missing)}", f"add `{missing[0]}: …`, or drop the topic")
    return found


def _places(part: Part) -> dict[str, Place]:
    if part.is_text:
        return {"default": place(part)}
    return {product: place(entry) for product, entry in part.items(("default", *PRODUCTS), "platform").items()}
