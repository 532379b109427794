"""What to change first: the three findings that touch most customers, each with its number and what to do."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from chalicelib.reports.ledger import Ledger, Line
from chalicelib.reports.quality import Quality

LEAST = 5  # questions; below that a finding is an anecdote


@dataclass(frozen=True, slots=True)
class Advice:
    """`key` says which line of `words/` it is, `values` what is filled in: counts, shares (0–1), seconds, hours of the
    day, names as the playbook has them. `questions` is how many customers' questions it touches."""

    key: str
    values: Mapping[str, str | float]
    questions: int


def advice(ledger: Ledger, quality: Quality, resolving: frozenset[str], top: int = 3) -> tuple[Advice, ...]:
    """The findings that touch most questions, at most one of a kind; `resolving` are the intents whose reply already
    answers the question."""
    found = [a for find in _FINDERS for a in find(ledger, quality, resolving) if a.questions >= LEAST]
    return tuple(sorted(found, key=lambda a: -a.questions)[:top])


def _late_hours(ledger: Ledger, quality: Quality, resolving: frozenset[str]) -> Iterator[Advice]:
    """The three hours on end in which one team breaks most promises."""
    missed = {(h.team, h.hour): h.missed for h in quality.hours}
    decided = {(h.team, h.hour): h.missed + h.met for h in quality.hours}
    best = max(
        (
            (sum(missed.get((t, (h + n) % 24), 0) for n in range(3)), t, h)
            for t in {h.team for h in quality.hours}
            for h in range(24)
        ),
        default=(0, "", 0),
    )
    count, team, hour = best
    of = sum(decided.get((team, (hour + n) % 24), 0) for n in range(3))
    if count and count / of > 0.1:
        yield Advice("hours", {"team": team, "from": hour, "until": (hour + 3) % 24, **_of(count, of)}, count)


def _unknown(ledger: Ledger, quality: Quality, resolving: frozenset[str]) -> Iterator[Advice]:
    gap = quality.gaps[0]
    if gap.value and gap.value > 0.1:
        yield Advice("teach", _of(gap.hits, gap.of), gap.hits)


def _answer_once(ledger: Ledger, quality: Quality, resolving: frozenset[str]) -> Iterator[Advice]:
    """The most frequent kind of question that people answer one by one."""
    lines = [x for x in ledger.groups["intent"] if x.name not in {*resolving, "other", "complaint", "legal_safety"}]
    top = max(lines, key=lambda x: x.needed, default=None)
    if top and top.needed / max(ledger.total.needed, 1) > 0.1:
        yield Advice("once", {"what": top.name, **_of(top.needed, ledger.total.needed)}, top.needed)


def _never(ledger: Ledger, quality: Quality, resolving: frozenset[str]) -> Iterator[Advice]:
    """The platform on which most questions are overdue or never answered."""

    def lost(line: Line) -> int:
        return line.ended["overdue"]

    worst = max(ledger.groups["platform"], key=lost, default=None)
    if worst and lost(worst):
        yield Advice("look", {"where": worst.name, **_of(lost(worst), worst.needed)}, lost(worst))


def _promise(ledger: Ledger, quality: Quality, resolving: frozenset[str]) -> Iterator[Advice]:
    """A promise that is broken more often than kept cannot be the right one; where most wait for any answer, it is not
    the promise that is wrong."""
    worst = [
        x
        for x in ledger.groups["intent"]
        if x.attainment is not None and x.attainment < 0.5 and 2 * x.ended["overdue"] < x.missed
    ]
    top = max(worst, key=lambda x: x.missed, default=None)
    if top and top.p90 is not None:
        waits = {"median": top.median or 0.0, "p90": top.p90}
        yield Advice("promise", {"what": top.name, **waits, **_of(top.missed, top.met + top.missed)}, top.missed)


def _of(hits: int, of: int) -> dict[str, float]:
    return {"count": hits, "of": of, "share": hits / max(of, 1)}


_FINDERS: tuple[Callable[[Ledger, Quality, frozenset[str]], Iterator[Advice]], ...] = (
    _late_hours,
    _unknown,
    _answer_once,
    _never,
    _promise,
)
