"""The lake: facts in files by the day asked, read and compacted by DuckDB, the same on a laptop and in Lambda.

    facts/day=YYYY-MM-DD/{anything}.jsonl      what the stream's function writes, as it comes: rows may repeat
    facts/day=YYYY-MM-DD/{anything}.parquet    the same; a file of a replay or of somebody's export
    facts/day=YYYY-MM-DD/facts.parquet         what compaction made: each question once

A duplicate or late row does no harm: of the rows of one question in one day the highest `revision` holds.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from chalicelib.reports.columns import COLUMNS, TYPES, Fact, to_lines
from chalicelib.reports.spikes import Labelled

COMPACTED = "facts.parquet"
_DEFINITION = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
_NAMES = ", ".join(COLUMNS)
_JSON_TYPES = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in TYPES.items()) + "}"
_CAST = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in TYPES.items())


@dataclass(slots=True)
class Lake:
    """The facts in `folder` (which holds `day=…`). `memory` is DuckDB's own limit; what is more goes to disk."""

    folder: Path
    memory: str = "1GB"
    _db: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)

    @property
    def db(self) -> duckdb.DuckDBPyConnection:
        """One connection in memory, with the view `facts`: each question once."""
        if self._db is None:
            self._db = duckdb.connect()
            self._db.execute(f"CREATE TEMP TABLE none_yet ({_DEFINITION})")
            self._db.execute(
                f"SET memory_limit = '{self.memory}'; SET TimeZone = 'UTC'; SET preserve_insertion_order = false"
            )
            self._db.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
            self._view()
        return self._db

    def rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What `sql` finds; the view is `facts`."""
        return self.db.execute(sql, parameters).fetchall()

    def days(self) -> list[date]:
        """The days that have files, oldest first."""
        found = (p.name.removeprefix("day=") for p in self.folder.glob("day=*") if any(_files(p)))
        return sorted(date.fromisoformat(name) for name in found)

    def _view(self) -> None:
        assert self._db is not None
        clean, loose, lines = [], [], []
        for day in sorted(self.folder.glob("day=*")):
            files = list(_files(day))
            if [f.name for f in files] == [COMPACTED]:
                clean += files
                continue
            loose += [f for f in files if f.suffix == ".parquet"]
            lines += [f for f in files if f.suffix == ".jsonl"]
        parts = [f"SELECT {_NAMES} FROM ({_highest(_union(loose, lines))})"] if loose or lines else []
        parts += [_parquet(clean)] if clean else []
        union = " UNION ALL ".join(parts or [f"SELECT {_NAMES} FROM none_yet"])
        self._db.execute(f"CREATE OR REPLACE TEMP VIEW facts AS SELECT * FROM ({union}) WHERE state <> 'moved'")

    def compact(self, days: Iterable[date] | None = None, spikes: Sequence[Labelled] = ()) -> int:
        """Makes one Parquet file of each of `days` (all that have loose files); how many rows they hold then. The
        questions of `spikes` are marked as such.

        The new file stands before the old ones go, so that a crash in between leaves duplicates and loses nothing.
        """
        total = 0
        for day in list(days) if days is not None else self.days():
            folder = self.folder / f"day={day}"
            files = list(_files(folder))
            if not files or [f.name for f in files] == [COMPACTED]:
                continue
            parquet = [f for f in files if f.suffix == ".parquet"]
            source = _highest(_union(parquet, [f for f in files if f.suffix == ".jsonl"]))
            new = folder / f".{COMPACTED}.new"
            query = f"SELECT {_NAMES} FROM ({_marked(source, day, spikes)}) ORDER BY asked_at, question"
            self.db.execute(f"COPY ({query}) TO {_quoted(new)} (FORMAT parquet, COMPRESSION zstd)")
            total += self.db.execute(f"SELECT count(*) FROM read_parquet({_quoted(new)})").fetchall()[0][0]
            os.replace(new, folder / COMPACTED)
            for file in files:
                if file.name != COMPACTED:
                    file.unlink()
        self._db = None  # the view names files that are gone
        return total

    def anonymise(self, day: date) -> bool:
        """Takes the pseudonyms of people and conversations out of a compacted day; whether there were any."""
        file = self.folder / f"day={day}" / COMPACTED
        named = f"SELECT count(customer) + count(helped_by) + count(reach) FROM ({_parquet([file])})"
        if not self.db.execute(named).fetchall()[0][0]:
            return False
        new = file.with_name(f".{COMPACTED}.new")
        nobody = "CAST(NULL AS VARCHAR)"
        nameless = (
            f"* REPLACE ({nobody} AS customer, {nobody} AS helped_by, CAST(NULL AS BIGINT) AS reach,"
            " question AS conversation)"
        )
        query = f"SELECT {nameless} FROM ({_parquet([file])})"
        self.db.execute(f"COPY ({query}) TO {_quoted(new)} (FORMAT parquet, COMPRESSION zstd)")
        os.replace(new, file)
        return True


def write(folder: Path, facts: Iterable[Fact], name: str) -> int:
    """Writes `facts` as JSON lines under their days, into files called `name`; how many rows."""
    count = 0
    ordered = sorted(facts, key=lambda f: (f.day, f.question, f.revision))
    for day, rows in groupby(ordered, key=lambda f: f.day):
        part = folder / f"day={day}" / f"{name}.jsonl"
        part.parent.mkdir(parents=True, exist_ok=True)
        found = list(rows)
        part.write_bytes(to_lines(found))
        count += len(found)
    return count


def _files(day: Path) -> Iterable[Path]:
    return (f for f in sorted(day.iterdir()) if f.suffix in (".parquet", ".jsonl") and not f.name.startswith("."))


def _union(parquet: Sequence[Path], lines: Sequence[Path]) -> str:
    parts = []
    if parquet:
        parts.append(_parquet(parquet))
    if lines:
        options = f"format = 'newline_delimited', columns = {_JSON_TYPES}, hive_partitioning = false"
        parts.append(f"SELECT {_NAMES} FROM read_json({_list(lines)}, {options})")
    return " UNION ALL ".join(parts)


def _parquet(files: Sequence[Path]) -> str:
    """Their rows with every column, empty where a file is older than it."""
    rows = f"SELECT * FROM read_parquet({_list(files)}, hive_partitioning = false, union_by_name = true)"
    return f"SELECT {_CAST} FROM (SELECT * FROM none_yet UNION ALL BY NAME {rows})"


def _highest(source: str) -> str:
    """Of the rows of one question in one day the one with the highest revision. Plain window SQL, as Athena has it."""
    ranked = (
        "row_number() OVER (PARTITION BY question, CAST(asked_at AS DATE) ORDER BY revision DESC, received_at) AS nth"
    )
    return f"SELECT * FROM (SELECT *, {ranked} FROM ({source})) WHERE nth = 1"


def _marked(source: str, day: date, spikes: Sequence[Labelled]) -> str:
    """The rows of a day, each with the spike that it is of."""
    whens = []
    for spike in (s for s in spikes if s.since.date() <= day <= s.until.date()):
        within = f"asked_at >= '{_plain(spike.since)}' AND asked_at < '{_plain(spike.until)}'"
        of_post = f" AND post = {_text(spike.post)}" if spike.post else ""
        whens.append(f"WHEN {within}{of_post} THEN {_text(spike.id)}")
    return f"SELECT * REPLACE (CASE {' '.join(whens)} ELSE spike END AS spike) FROM ({source})" if whens else source


def _plain(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(_quoted(f) for f in files) + "]"


def _quoted(file: Path) -> str:
    return _text(str(file))
