"""The tables of the fit test: what was said, by language, rung and kind of message."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from chalicelib.conversations.interaction import Rung
from models.calibration import clopper_pearson
from models.policy import kind as kind_of
from models.said import LANGUAGES, Said


def share(part: int, whole: int) -> str:
    return f"{part / whole:6.1%}" if whole else "     -"


def questions(name: str, told: Sequence[Said]) -> Iterator[str]:
    """One line a language: how many get a reply, on which rung, and what it is worth."""
    yield f"{name:10} messages  replied    right  useless  wrong |    own   topic  general | right of replies"
    for language in LANGUAGES:
        some = [s for s in told if s.row["language"] == language]
        replies = [s for s in some if s.rung]
        verdicts, rungs = Counter(s.verdict for s in replies), Counter(s.rung for s in replies)
        yield (
            f"{language:10} {len(some):8}  {share(len(replies), len(some))}  {share(verdicts['right'], len(some))}  "
            f"{share(verdicts['useless'], len(some))} {share(verdicts['wrong'], len(some))} | "
            f"{share(rungs[Rung.OWN], len(some))} {share(rungs[Rung.TOPIC], len(some))}  "
            f"{share(rungs[Rung.GENERAL], len(some))} | {share(verdicts['right'], len(replies))}"
        )


def contact_table(name: str, told: Sequence[Said]) -> Iterator[str]:
    """One line a language and kind of first contact: the common questions, what is for people, what needs no answer."""
    yield f"{name:20} messages  replied    right | right of replies"
    for language in LANGUAGES:
        for kind in ("public", "aside", "needless"):
            some = [s for s in told if s.row["language"] == language and kind_of(s.row["intent"]) == kind]
            replies = [s for s in some if s.rung]
            yield (
                f"{language} {kind:17} {len(some):8}  {share(len(replies), len(some))}  "
                f"{share(right_ones(replies), len(some))}"
                f" | {share(right_ones(replies), len(replies))}"
            )


def spoilt_table(spoilt: Mapping[str, Sequence[Said]]) -> Iterator[str]:
    """How many of the questions still get a right reply when they are sent in a hurry, and how many a wrong one."""
    yield f"sent in a hurry      {'  '.join(f'{language:>6}' for language in LANGUAGES)} | wrong of replies"
    for how, told in spoilt.items():
        right = [of(told, language) for language in LANGUAGES]
        replies = [s for s in told if s.rung]
        wrong = sum(s.verdict == "wrong" for s in replies)
        shares = "  ".join(share(right_ones([s for s in some if s.rung]), len(some)) for some in right)
        yield f"{how:20} {shares} | {share(wrong, len(replies))}"


def trap_table(told: Sequence[Said]) -> Iterator[str]:
    """One line a kind of trap: how many are answered, on which rung."""
    yield "traps                messages  answered |    own   topic  general"
    for kind in (*dict.fromkeys(s.row["kind"] for s in told), ""):
        some = [s for s in told if kind in ("", s.row["kind"])]
        rungs = Counter(s.rung for s in some if s.rung)
        own, topic, general = (share(rungs[rung], len(some)) for rung in Rung)
        yield f"{kind or 'all':20} {len(some):8}    {share(rungs.total(), len(some))} | {own} {topic}  {general}"


def chatter_table(told: Sequence[Said]) -> Iterator[str]:
    """One line a language: how many posts that are nothing to a shop are answered, at most, and called urgent."""
    yield "nothing to a shop    messages  answered  95 % sure below  called urgent"
    for language in (*LANGUAGES, ""):
        some = [s for s in told if language in ("", s.row["language"])]
        silent = sum(s.rung is None for s in some)
        most = 1 - clopper_pearson(silent, len(some))
        answered, urgent = len(some) - silent, sum(s.urgent for s in some)
        yield (
            f"{language or 'all':20} {len(some):8}    {share(answered, len(some))}          {most:6.1%}         "
            f"{share(urgent, len(some))}"
        )


def nobody_table(told: Mapping[str, Sequence[Said]]) -> Iterator[str]:
    """One line a kind of message: how many of it would wait for nobody."""
    yield "waits for nobody                   messages  closed"
    for kind, some in told.items():
        yield f"{kind:34} {len(some):8}  {share(sum(s.closed for s in some), len(some))}"


def of(told: Iterable[Said], language: str) -> list[Said]:
    return [s for s in told if s.row["language"] == language]


def right_ones(told: Iterable[Said]) -> int:
    return sum(s.verdict == "right" for s in told)
