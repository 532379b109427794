"""Synthetic questions whose truth is known: a seasonal shop with a trend, holidays, a campaign and an outage.

The truth is worked out here with numpy from what was drawn, without DuckDB and without the reports' code, so that a
report which equals it has counted right.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from chalicelib.registry import PRODUCTS
from chalicelib.reports.columns import COLUMNS, TYPES
from infra.given_numbers import above_zero, whole

Array = npt.NDArray[Any]
WEEKDAYS: Final = np.array(
    [1.25, 1.1, 1.0, 0.98, 1.02, 0.85, 0.8]
)  # Monday first: the weekend's questions come with it
HOURS: Final = np.array(
    [1, 0.6, 0.4, 0.3, 0.3, 0.5, 1, 2, 4, 6, 7, 7, 6.5, 6, 6, 6, 6, 6.5, 7, 8, 8.5, 7, 4.5, 2.5], dtype=float
)
INTENTS: Final = {
    "order_status": ("delivery", 0.22), "delivery_late": ("delivery", 0.13), "return": ("returns", 0.12),
    "refund": ("returns", 0.07), "damaged_or_wrong": ("returns", 0.06), "stock": ("web_shop", 0.08),
    "discount_code": ("web_shop", 0.05), "payment": ("web_shop", 0.04), "store_info": ("stores", 0.06),
    "complaint": ("customer_service", 0.06), "legal_safety": ("pr", 0.005), "other": ("customer_service", 0.105),
}  # fmt: skip
SHARES: Final = (0.4, 0.3, 0.15, 0.1, 0.05)
PLATFORMS: Final = dict(zip(PRODUCTS, SHARES, strict=False))
LANGUAGES: Final = {"en": 0.7, "de": 0.15, "fr": 0.1, "es": 0.05}


@dataclass(frozen=True, slots=True)
class Shape:
    """How many questions come on a day. `campaign` and `outage` are days (from the start) and what they multiply by;
    `trend` is the growth a year; `yearly` the swing of the seasons."""

    start: date = date(2023, 1, 1)
    days: int = 365
    per_day: float = 100.0
    trend: float = 0.15
    yearly: float = 0.25
    noise: float = 0.05
    holidays: frozenset[date] = frozenset()
    campaigns: Mapping[int, float] = field(default_factory=dict)
    outages: Mapping[int, float] = field(default_factory=dict)

    def rates(self) -> Array:
        """The expected questions of each day."""
        number = np.arange(self.days)
        weekday = (self.start.weekday() + number) % 7
        seasons = np.cos(2 * np.pi * (number + (self.start - date(self.start.year, 1, 1)).days - 350) / 365.25)
        rate = self.per_day * (1 + self.trend) ** (number / 365.25) * WEEKDAYS[weekday] * (1 + self.yearly * seasons)
        closed = np.array([self.start + timedelta(int(n)) in self.holidays for n in number])
        rate[closed] *= 0.6
        for days in (self.campaigns, self.outages):
            for day, factor in days.items():
                rate[day] *= factor
        return np.asarray(rate)

    def counts(self, random: np.random.Generator) -> Array:
        """The questions that came on each day: Poisson, with days that are better and worse by `noise`."""
        better = np.exp(random.normal(-(self.noise**2) / 2, self.noise, self.days))
        return np.asarray(random.poisson(self.rates() * better))


@dataclass(frozen=True, slots=True)
class Drawn:
    """The questions that were drawn, by column; times are microseconds since 1970, UTC, with -1 for none."""

    columns: Mapping[str, Array]
    now: datetime

    def __len__(self) -> int:
        return len(self.columns["question"])

    def write(self, folder: Path, *, revisions: int = 1, form: str = "parquet") -> None:
        """Writes the facts under `folder`, each `revisions` times as its life went on, the way that the stream's
        function does (`form` json) or a replay (parquet)."""
        # start-up time: only who writes files needs pandas
        import pandas as pd

        frame = pd.DataFrame(dict(self.columns))
        db = duckdb.connect()
        db.register("drawn", frame)
        folder.mkdir(parents=True, exist_ok=True)
        times = {name: f"make_timestamp(nullif({name}, -1))" for name, kind in TYPES.items() if kind == "TIMESTAMP"}
        texts = {name: f"nullif({name}, '')" for name, kind in TYPES.items() if kind == "VARCHAR"}
        for revision in range(1, revisions + 1):
            early = revision < revisions
            known = {
                **times,
                **texts,
                "reach": "nullif(reach, -1)",
                "revision": str(revision),
                **({"state": "'open'", "answered_at": "NULL", "first_response_at": "NULL"} if early else {}),
            }
            picked = ", ".join(f"CAST({known.get(c, c)} AS {TYPES[c]}) AS {c}" for c in COLUMNS)
            query = f"SELECT {picked}, strftime(make_timestamp(asked_at), '%Y-%m-%d') AS day FROM drawn"
            options = f"FORMAT {form}, PARTITION_BY (day), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'part{revision}-{{i}}'"
            if form == "json":
                options += ", FILE_EXTENSION 'jsonl'"
            db.execute(f"COPY ({query}) TO '{folder}' ({options})")

    def truth(self) -> dict[str, Any]:
        """The counts that a ledger of all of it must show."""
        c, now = self.columns, int(self.now.timestamp() * 1e6)
        state, by = c["state"], c["answered_by"]
        ends = {
            "person": (state == "answered") & (by == "person"),
            "resolved": state == "resolved",
            "customer": (state == "answered") & (by == "customer"),
            "closed": (state == "closed") & (c["closed_why"] != "needs_none"),
            "no_answer_needed": (state == "closed") & (c["closed_why"] == "needs_none"),
            "withdrawn": state == "withdrawn",
            "overdue": (state == "open") & (c["promised_by"] < now),
            "waiting": (state == "open") & (c["promised_by"] >= now),
        }
        needed = ends["person"] | ends["customer"] | ends["overdue"] | ends["waiting"]
        answered = c["first_response_at"] >= 0
        wait = np.where(answered, (c["first_response_at"] - c["asked_at"]) / 1e6, np.inf)
        met = needed & answered & (c["first_response_at"] <= c["promised_by"])
        decided = needed & (answered | (c["promised_by"] < now))
        return {
            "asked": len(self),
            "ended": {name: int(mask.sum()) for name, mask in ends.items()},
            "needed": int(needed.sum()),
            "within": {bar: int((needed & (wait <= s)).sum()) for bar, s in _BARS.items()},
            "never": int((needed & ~answered).sum()),
            "met": int(met.sum()),
            "missed": int((decided & ~met).sum()),
            "by_intent": _counts(c["intent"]),
            "by_platform": _counts(c["platform"]),
            "by_team": _counts(c["team"]),
            "handed": sum(bool(h) for h in c["hand_overs"]),
            "by_day": _counts(c["asked_at"] // 86_400_000_000),
        }


_BARS: Final = {"15 min": 900, "1 h": 3600, "24 h": 86_400, "48 h": 172_800}


def draw(shape: Shape, *, seed: int = 7, attained: float = 0.7, promise_s: float = 3600.0) -> Drawn:
    """Questions as they come to a shop whose people answer about `attained` of them in time."""
    random = np.random.default_rng(seed)
    counts = shape.counts(random)
    n = int(counts.sum())
    start = int(datetime(shape.start.year, shape.start.month, shape.start.day, tzinfo=UTC).timestamp())
    day = np.repeat(np.arange(shape.days), counts)
    hour = random.choice(24, n, p=HOURS / HOURS.sum())
    asked = (start + day * 86_400 + hour * 3600) * 1_000_000 + random.integers(0, 3_600_000_000, n)
    intents = list(INTENTS)
    weights = np.array([w for _, w in INTENTS.values()])
    intent = random.choice(intents, n, p=weights / weights.sum())
    team = np.array([INTENTS[i][0] for i in sorted(intents)])[np.searchsorted(sorted(intents), intent)]
    columns = _life(random, n, asked, attained, promise_s)
    ids = np.char.add("q", np.char.zfill(np.arange(n).astype(str), 9))
    asker = random.integers(0, max(1, int(n * 0.7)), n)
    columns |= {
        "question": ids,
        "conversation": np.char.add("c", np.char.zfill((np.arange(n) * 9 // 10).astype(str), 9)),
        "customer": np.char.add("p", np.char.zfill(asker.astype(str), 9)),
        "platform": random.choice(list(PLATFORMS), n, p=list(PLATFORMS.values())),
        "account": np.full(n, "1"),
        "post": np.char.add("post", (day // 2).astype(str)),
        **_handed(seed, team, asked),
        "language": random.choice(list(LANGUAGES), n, p=list(LANGUAGES.values())),
        "intent": intent,
        "confidence": np.where(intent == "other", random.uniform(0.2, 0.6, n), random.uniform(0.6, 1.0, n)),
        "private": random.random(n) < 0.3,
        "urgent": intent == "legal_safety",
    }
    now = datetime.fromtimestamp(start, UTC) + timedelta(days=shape.days)
    return Drawn({name: columns[name] for name in COLUMNS if name != "revision"} | {"revision": np.ones(n, int)}, now)


def _life(random: np.random.Generator, n: int, asked: Array, attained: float, promise_s: float) -> dict[str, Array]:
    """What became of each question."""
    fate = random.random(n)
    none, texts = np.full(n, -1, dtype=np.int64), np.full(n, "", dtype="U16")
    person, customer, resolved = fate < 0.75, (fate >= 0.75) & (fate < 0.78), (fate >= 0.78) & (fate < 0.86)
    closed, needs_none = (fate >= 0.86) & (fate < 0.88), (fate >= 0.88) & (fate < 0.94)
    withdrawn, open_ = (fate >= 0.94) & (fate < 0.96), fate >= 0.96
    sigma = 1.3  # lognormal waits of which `attained` lie below the promise
    z = _normal_quantile(attained)
    wait = np.exp(np.log(promise_s) - z * sigma + sigma * random.normal(size=n))
    answer = asked + (wait * 1e6).astype(np.int64)
    acknowledged = (random.random(n) < 0.4) & ~needs_none
    kept = random.random(n)
    state = np.select(
        [person | customer, resolved, closed | needs_none, withdrawn],
        ["answered", "resolved", "closed", "withdrawn"],
        "open",
    )
    late = wait > promise_s
    complains = person & (random.random(n) < np.where(late, 0.25, 0.04))
    return {
        "asked_at": asked,
        "received_at": asked + 2_000_000,
        "acknowledged_at": np.where(acknowledged | resolved, asked + 4_000_000, none),
        "rung": np.where(acknowledged | resolved, "own", texts),
        "promised_by": asked + int(promise_s * 1e6),
        "told_at": np.where((wait > 600) & ~(resolved | closed | needs_none), asked + 600_000_000, none),
        "tier": np.where(wait > 600, 1, 0),
        "first_response_at": np.where(person, answer, none),
        "first_response_by": np.where(person, "person", texts),
        "answered_at": np.where(person | customer, answer, none),
        "answered_by": np.select([person, customer, resolved], ["person", "customer", "resolving_reply"], ""),
        "state": state,
        "closed_at": np.where(closed | needs_none, asked + 10_000_000, none),
        "closed_why": np.select([closed, needs_none], ["no_answer_needed", "needs_none"], ""),
        "edited": kept < 0.03,
        "deleted": withdrawn,
        "follow_ups": np.where(open_ | late, random.poisson(0.5, n), 0),
        "reaction": np.select([complains, person & (kept < 0.2), person], ["complaint", "thanks", "silence"], ""),
        "campaign": texts,
        "spike": texts,
        "helped_by": texts,
        "reach": np.full(n, -1, dtype=np.int64),
    }


def _handed(seed: int, team: Array, asked: Array) -> dict[str, Array]:
    """Of twenty questions one is given on: to customer service, and by it to the press office; after ten minutes."""
    given = np.random.default_rng((seed, 1)).random(len(team)) < 0.05
    to = np.where(team == "customer_service", "pr", "customer_service")
    at = np.datetime_as_string((asked + 600_000_000).astype("datetime64[us]"), unit="s")
    rows = [f'[["{a}","{b}","{t}"]]' if g else "" for g, a, b, t in zip(given, team, to, at, strict=True)]
    return {"hand_overs": np.array(rows, dtype=object), "team": np.where(given, to, team)}


def _normal_quantile(p: float) -> float:
    return NormalDist().inv_cdf(p)


def _counts(values: Array) -> dict[Any, int]:
    names, counts = np.unique(values, return_counts=True)
    return {name.item(): int(count) for name, count in zip(names, counts, strict=True)}


def main(arguments: list[str] | None = None) -> int:
    """Writes the facts of an invented shop, for who wants to see a report before there is anything to report."""
    parser = argparse.ArgumentParser(prog="python -m infra.reports.synthetic", description=(main.__doc__ or ""))
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--days", type=whole(1, 4000), default=800, help="that end yesterday")
    parser.add_argument("--per-day", type=above_zero, default=60.0)
    options = parser.parse_args(arguments)
    if options.out.exists():
        print(f"synthetic: {options.out} is already there; name a new folder", file=sys.stderr)
        return 2
    start = datetime.now(UTC).date() - timedelta(days=options.days)
    spikes = {options.days - 12: 1.9, options.days - 11: 1.5}
    drawn = draw(Shape(start=start, days=options.days, per_day=options.per_day, campaigns=spikes))
    drawn.write(options.out)
    print(f"{len(drawn):,} invented questions in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
