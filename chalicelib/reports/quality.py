"""Service quality by the GAP model and RATER: each a proxy that the facts carry, with its formula and its limits.

Source: A. Parasuraman, V. Zeithaml, L. Berry, "A conceptual model of service quality and its implications for future
research", Journal of Marketing 49 (1985), and "SERVQUAL", Journal of Retailing 64 (1988). The model was made for
questionnaires; what stands here is what can be seen without asking anybody, and each says what it cannot see.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Final

from chalicelib.reports.asked import Asked

UNSURE: Final = 0.5  # below this confidence the model did not know what was asked


@dataclass(frozen=True, slots=True)
class Proxy:
    """A share of `hits` among `of` questions; what it is called, its formula and its limits are the lines `key`,
    `key`_formula and `key`_limits of `words/`; `control` is the same share where no gap can be (gap 2), `before` the
    share in the span before. `value` None: there is nothing to measure it on."""

    key: str
    hits: int
    of: int
    control: float = 0.0
    before: float | None = None

    @property
    def value(self) -> float | None:
        return self.hits / self.of - self.control if self.of else None


@dataclass(frozen=True, slots=True)
class Moved:
    """A group (`by` team, intent or platform) whose share of broken promises, silence or complaints changed most
    against the span before. `z` is how many standard errors that is, so that small groups do not lead the list by
    chance."""

    what: str
    by: str
    group: str
    before: float
    now: float
    questions: int
    z: float


@dataclass(frozen=True, slots=True)
class TeamHour:
    team: str
    hour: int
    met: int
    missed: int


@dataclass(frozen=True, slots=True)
class Quality:
    gaps: tuple[Proxy, ...]
    rater: tuple[Proxy, ...]
    moved: tuple[Moved, ...]
    hours: tuple[TeamHour, ...]
    overrun_median_s: float | None


_RESTLESS: Final = "(follow_ups > 0 OR reaction = 'complaint')"
_QUICK: Final = "wait <= promised_within / 4"  # within a quarter of what was promised


@dataclass(frozen=True, slots=True)
class _Definition:
    key: str
    hits: str
    of: str


_GAPS: Final = (
    _Definition("gap1", f"needs AND (intent = 'other' OR confidence < {UNSURE})", "needs"),
    _Definition("gap2", f"met AND NOT ({_QUICK}) AND {_RESTLESS}", f"met AND NOT ({_QUICK})"),
    _Definition("gap3", "NOT met", "met IS NOT NULL"),
    _Definition("gap4", "acknowledged_at IS NOT NULL AND NOT met", "acknowledged_at IS NOT NULL AND met IS NOT NULL"),
    _Definition("gap5", "ended = 'person' AND reaction = 'complaint'", "ended = 'person' AND reaction IS NOT NULL"),
)
_RATER: Final = (
    _Definition("reliability", "met", "met IS NOT NULL"),
    _Definition("assurance", f"ended = 'person' AND NOT {_RESTLESS}", "ended = 'person'"),
    _Definition(
        "empathy",
        "met AND (urgent OR intent = 'complaint')",
        "met IS NOT NULL AND (urgent OR intent = 'complaint')",
    ),
    _Definition("responsiveness", "needs AND wait <= 3600", "needs"),
)  # tangibles (shops, goods, packaging) leave no trace in these data: absent, not guessed


def quality(asked: Asked) -> Quality:
    """Every proxy over `asked`, with the span before beside it."""
    definitions = (*_GAPS, *_RATER)
    now, before = _counted(asked, "asked", definitions), _counted(asked, "before", definitions)
    found = {d.key: Proxy(d.key, *now[d.key], before=_share(*before[d.key])) for d in definitions}
    found["gap2"] = _patience(asked, found["gap2"])
    hours = asked.rows(
        "SELECT team, hour, count(*) FILTER (WHERE met), count(*) FILTER (WHERE NOT met) FROM asked"
        " WHERE met IS NOT NULL GROUP BY ALL ORDER BY team, hour"
    )
    overrun = asked.rows("SELECT median(wait - promised_within) FROM asked WHERE NOT met AND wait IS NOT NULL")[0][0]
    return Quality(
        tuple(found[d.key] for d in _GAPS),
        tuple(found[d.key] for d in _RATER),
        moved(asked),
        tuple(TeamHour(*row) for row in hours),
        overrun,
    )


def _counted(asked: Asked, table: str, definitions: tuple[_Definition, ...]) -> dict[str, tuple[int, int]]:
    picked = ", ".join(f"count(*) FILTER (WHERE {d.hits}), count(*) FILTER (WHERE {d.of})" for d in definitions)
    row = asked.rows(f"SELECT {picked} FROM {table}")[0]
    return {d.key: (int(row[2 * n]), int(row[2 * n + 1])) for n, d in enumerate(definitions)}


def _patience(asked: Asked, gap: Proxy) -> Proxy:
    """Gap 2 with its control: the restless among those who were answered within a quarter of the promise."""
    restless = f"SELECT count(*) FILTER (WHERE {_RESTLESS}), count(*) FROM {{}} WHERE met AND {_QUICK}"
    control = _share(*asked.rows(restless.format("asked"))[0])
    earlier = _share(*asked.rows(restless.format("before"))[0])
    if control is None:  # nobody was answered quickly: there is nothing to hold it against
        return Proxy(gap.key, 0, 0)
    before = gap.before - earlier if gap.before is not None and earlier is not None else None
    return Proxy(gap.key, gap.hits, gap.of, control, before)


_WATCHED: Final = (
    ("broken", "NOT met", "met IS NOT NULL"),
    ("never", "needs AND wait IS NULL AND ended <> 'waiting'", "needs AND ended <> 'waiting'"),
    ("complaints", "reaction = 'complaint'", "ended = 'person'"),
)
_BY: Final = ("team", "intent", "platform")


def moved(asked: Asked, top: int = 3) -> tuple[Moved, ...]:
    """The groups that changed most against the span before, by the two-proportion z statistic; at least 2."""
    rows = []
    for what, hits, of in _WATCHED:
        for by in _BY:
            picked = f"{by} AS g, count(*) FILTER (WHERE {hits}) AS h, count(*) FILTER (WHERE {of}) AS n"
            sql = (
                f"SELECT a.g, a.h, a.n, b.h, b.n FROM (SELECT {picked} FROM asked GROUP BY g) a"
                f" JOIN (SELECT {picked} FROM before GROUP BY g) b ON a.g = b.g WHERE a.n > 0 AND b.n > 0"
            )
            for group, h, n, h0, n0 in asked.rows(sql):
                z = _z(h, n, h0, n0)
                if abs(z) >= 2:
                    rows.append(Moved(what, by, group, h0 / n0, h / n, n, z))
    rows.sort(key=lambda m: (-abs(m.z), m.what, m.by, m.group))
    return tuple(rows[:top])


def _z(hits: int, n: int, hits0: int, n0: int) -> float:
    pooled = (hits + hits0) / (n + n0)
    error = sqrt(pooled * (1 - pooled) * (1 / n + 1 / n0))
    return (hits / n - hits0 / n0) / error if error else 0.0


def _share(hits: int, of: int) -> float | None:
    return hits / of if of else None
