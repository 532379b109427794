"""Labelled rows: the project's utterances, and JSONL or CSV files of somebody else's. Bad rows name file and line."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

UTTERANCES: Final = Path(__file__).parent / "utterances"
VALIDATION: Final = frozenset({"val", "valid", "validation", "dev"})
PROPOSED: Final = "proposed_"  # what an intent begins with that the report made up, and nobody has checked
TEXT_LIMIT: Final = 20_000  # characters; a longer "utterance" is a broken quote in a CSV file


class RowError(ValueError):
    """A row that cannot be used; the message starts with `file:line:`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    `group` names the paraphrases that belong together: no evaluation parts them. `language` is a code, "und" for
    a language that is not served, "" when unknown. `weight` counts the row that many times. `origin` is `file:line`.
    """

    text: str
    intent: str
    group: str
    split: str = ""
    language: str = ""
    weight: float = 1.0
    origin: str = ""
    source: str = ""


def utterances(folder: Path = UTTERANCES) -> list[Row]:
    """The project's own rows: `<language>/<intent>.txt`, groups parted by blank lines (utterances/README.md).

    Rows of `und/` are no intent's: they teach the model which languages are not served.
    """
    rows: list[Row] = []
    for file in sorted(folder.glob("*/*.txt")):
        language, group = file.parent.name, 0
        intent = "other" if language == "und" else file.stem
        for number, line in enumerate(_read(file).split("\n"), start=1):
            text = line.strip()
            if not text:
                group = number
            elif not text.startswith("# "):
                name = f"{language}/{file.stem}:{group}"
                rows.append(Row(text, intent, name, language=language, origin=f"{file}:{number}", source="shipped"))
    if not rows:
        raise RowError(f"{folder}: no utterances")
    return rows


def from_file(path: Path, split: str | None = None, source: str = "data", weight: float = 1.0) -> list[Row]:
    """The rows of a `.jsonl` or `.csv` file with the fields text, intent and (when they are there) split, group, lang.

    `split` keeps the rows of that split ("val" also finds "valid", "validation" and "dev"). Equal texts are one group.
    Raises: RowError for a line that is no row, for an unknown suffix, and when nothing is left.
    """
    readers = {".jsonl": _json_lines, ".csv": _csv_lines}
    if path.suffix.lower() not in readers:
        raise RowError(f"{path}:1: rows are read from .jsonl or .csv")
    rows = [_row(fields, f"{path}:{line}", source, weight) for line, fields in readers[path.suffix.lower()](path)]
    if split is not None:
        wanted = VALIDATION if split in VALIDATION else {split}
        rows = [row for row in rows if row.split in wanted]
    if not rows:
        raise RowError(f"{path}:1: no rows" + (f" of split {split!r}" if split else ""))
    return rows


def labelled(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that have a label, and those whose label is still the report's proposal. Raises: RowError when none has
    one."""
    waiting = [row for row in rows if row.intent.startswith(PROPOSED)]
    if rows and len(waiting) == len(rows):
        raise RowError(
            f"{rows[0].origin}: every intent still begins with {PROPOSED!r}: write your own labels there first"
        )
    return [row for row in rows if not row.intent.startswith(PROPOSED)], waiting


def lines_of(rows: Sequence[Row]) -> str:
    """Where the rows of one file stand, for people: "own.jsonl: lines 3, 5–9"."""
    file = rows[0].origin.rpartition(":")[0]
    runs: list[list[int]] = []
    for number in sorted(int(row.origin.rpartition(":")[2]) for row in rows):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    named = (f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
    return f"{file}: line{'s' if len(rows) > 1 else ''} {', '.join(named)}"


def texts(path: Path) -> list[str]:
    """The `text` of every line of a `.jsonl` file; lines need no label. Raises: RowError."""
    found = []
    for line, fields in _json_lines(path):
        if not isinstance(fields.get("text"), str):
            raise RowError(f"{path}:{line}: 'text' is missing or not a string")
        found.append(fields["text"])
    return found


def _row(fields: Mapping[str, Any], origin: str, source: str, weight: float) -> Row:
    for name in ("text", "intent"):
        value = fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise RowError(f"{origin}: {name!r} is missing, empty or not a string")
    if len(fields["text"]) > TEXT_LIMIT:
        raise RowError(f"{origin}: 'text' is longer than {TEXT_LIMIT} characters (an open quote?)")
    optional = {name: fields.get(name) or "" for name in ("split", "group", "lang", "source")}
    for name, value in optional.items():
        if not isinstance(value, str):
            raise RowError(f"{origin}: {name!r} is not a string")
    text = fields["text"].strip()
    return Row(
        text=text,
        intent=fields["intent"].strip(),
        group=optional["group"] or text.casefold(),
        split=optional["split"],
        language=optional["lang"],
        weight=weight,
        origin=origin,
        source=optional["source"] or source,
    )


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if line.strip():
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RowError(f"{path}:{number}: not JSON: {error}") from error
            if not isinstance(fields, dict):
                raise RowError(f"{path}:{number}: not a JSON object")
            yield number, fields


def _csv_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(_read(path).splitlines(keepends=True), strict=True)
    missing = {"text", "intent"} - set(reader.fieldnames or ())
    if missing:
        raise RowError(f"{path}:1: the header has no column {' and no column '.join(sorted(missing))}")
    try:
        for fields in reader:
            if None in fields:
                raise RowError(f"{path}:{reader.line_num}: more cells than the header has")
            yield reader.line_num, fields
    except csv.Error as error:
        raise RowError(f"{path}:{reader.line_num}: not CSV: {error}") from error


def _read(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RowError(f"{path}:{line}: not UTF-8: {error.reason}") from error
