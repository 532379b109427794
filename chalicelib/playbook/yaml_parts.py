"""A YAML file part by part, so that every message about a mistake names the file and the line, and what to write."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import yaml

from chalicelib.codec import SPAN_UNITS, to_span
from chalicelib.playbook.parts import PlaybookError

_TIME: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_NULL_TAG: Final = "tag:yaml.org,2002:null"
_UNPRINTABLE: Final = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_FLAGS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class File:
    """The file's name and folder (None: it is no file), and the mistakes found in it so far by line."""

    name: str
    folder: Path | None = None
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Remembers a mistake made inside and goes on, so that one look finds as many as possible."""
        try:
            yield
        except _Mistake as mistake:
            self.mistakes.append((mistake.line, str(mistake)))

    def raise_mistakes(self) -> None:
        """Raises PlaybookError with all of them, if there are any."""
        if self.mistakes:
            lines = dict.fromkeys(text for _, text in sorted(self.mistakes))
            raise PlaybookError("\n".join(lines))


class _Mistake(Exception):
    """One mistake, on its way to the file's list."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Part:
    """A node of the file; `path` is how people call it, such as "teams.delivery.email"."""

    file: File
    node: yaml.Node
    path: str
    at: int

    def wrong(self, what: str, write: str) -> _Mistake:
        """The mistake to raise: what is wrong here and what to write instead."""
        place = f"{self.path}: " if self.path else ""
        return _Mistake(self.at, f"{self.file.name}:{self.at}: {place}{what}; {write}")

    @property
    def place(self) -> str:
        """Where it stands, as messages begin."""
        return f"{self.file.name}:{self.at}: {self.path}"

    @property
    def is_text(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode)

    def keys(self) -> tuple[str, ...]:
        """The keys of a mapping, unchecked; none when it is not one."""
        pairs = self.node.value if isinstance(self.node, yaml.MappingNode) else ()
        return tuple(str(key.value) for key, _ in pairs if isinstance(key, yaml.ScalarNode))

    def items(self, known: Collection[str] | None = None, kind: str = "key") -> dict[str, "Part"]:
        """The entries of a mapping by key; a key that is not `known` or stands twice is a mistake."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong(f"is {self._shape()}", "write `key: value` lines below it, indented")
        found: dict[str, Part] = {}
        for key_node, value in self.node.value:
            line = key_node.start_mark.line + 1
            with self.file.collect():
                key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
                part = Part(self.file, value, f"{self.path}.{key}" if self.path else key, line)
                if not key:
                    raise part.wrong("a key that is not a word", "write one word before the colon")
                if key in found:
                    raise part.wrong(f"stands twice, first in line {found[key].at}", "keep one of the two")
                found[key] = part
                if known is not None and key not in known:
                    del found[key]
                    raise part.wrong(f'unknown {kind} "{key}"', advice(key, known))
        return found

    def parts(self) -> list["Part"]:
        """The entries of a list; a single value counts as a list of one."""
        if isinstance(self.node, yaml.SequenceNode):
            nodes = enumerate(self.node.value, start=1)
            return [Part(self.file, node, f"{self.path}[{i}]", node.start_mark.line + 1) for i, node in nodes]
        if isinstance(self.node, yaml.ScalarNode) and self.node.tag != _NULL_TAG:
            return [self]
        raise self.wrong(f"is {self._shape()}", "write a list: [one, two]")

    def word(self, write: str = "write a word") -> str:
        """Any single value as it is written, be it a number or a time."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.wrong(f"is {self._shape()}", write)
        if self.node.tag == _NULL_TAG or not self.node.value.strip():
            raise self.wrong("is empty", write)
        return str(self.node.value).strip()

    def text(self, write: str = 'write a text, in "quotes" if in doubt') -> str:
        """A text; numbers and yes/no are refused unless quoted."""
        value = self.word(write)
        if self.node.tag != _TEXT_TAG:
            raise self.wrong(f"is {value}, not a text", f'write a text: "{value}"')
        return " ".join(value.split())

    def choice(self, known: Collection[str], kind: str) -> str:
        """One of the `known` words."""
        value = self.word(f"write one of: {', '.join(known)}")
        if value not in known:
            raise self.wrong(f'unknown {kind} "{value}"', advice(value, known))
        return value

    def flag(self) -> bool:
        value = self.word("write true or false").lower()
        if value not in _FLAGS:
            raise self.wrong(f'"{value}" is neither true nor false', "write true or false")
        return _FLAGS[value]

    def number(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        write = f"write a number from {low:g} to {high:g}"
        value = self.word(write)
        try:
            number = float(value)
        except ValueError:
            raise self.wrong(f'"{value}" is not a number', write) from None
        if not low <= number <= high:
            raise self.wrong(f"{value} is out of range", write)
        return number

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        number = self.number(low, high)
        if number != int(number):
            raise self.wrong(f"{number:g} is not a whole number", f"write a whole number from {low} to {high}")
        return int(number)

    def duration(self, low: timedelta, high: timedelta) -> timedelta:
        """A span of time such as 30min, 4h or 2d, from `low` to `high`."""
        value = self.word("write a span of time, such as 30min, 4h or 2d")
        try:
            span = to_span(value)
        except ValueError:
            raise self.wrong(f'"{value}" is not a span of time', "write it such as 30min, 4h or 2d") from None
        if not low <= span <= high:
            raise self.wrong(f"{value} is out of range", f"write from {span_text(low)} to {span_text(high)}")
        return span

    def clock_span(self) -> tuple[int, int]:
        """Two times of day such as 08:00-20:00, in minutes after midnight; 24:00 is the end of the day."""
        write = 'write two times of 24 hours in quotes, such as "08:00-20:00"'
        value = self.word(write)
        ends = [_TIME.fullmatch(end.strip()) for end in re.split("[-\u2013]", value)]
        minutes = [int(end[1]) * 60 + int(end[2]) for end in ends if end]
        if len(ends) != 2 or len(minutes) != 2 or max(minutes) > 24 * 60 or minutes[0] == 24 * 60:
            raise self.wrong(f'"{value}" is not a time from … to …', write)
        if minutes[0] == minutes[1]:
            raise self.wrong(f'"{value}" is no time at all', 'for the whole day write "00:00-24:00"')
        return minutes[0], minutes[1]

    def each[T](self, read: Callable[["Part"], T]) -> list[T]:
        """What `read` makes of each entry of the list; a mistake in one does not hide those in the next."""
        out: list[T] = []
        for part in self.parts():
            with self.file.collect():
                out.append(read(part))
        return out

    def block(self, *known: str) -> "Block":
        """A mapping with keys of which all have to be among `known`."""
        return Block(self, self.items(known))

    def _shape(self) -> str:
        if isinstance(self.node, yaml.MappingNode):
            return "a block of keys"
        if isinstance(self.node, yaml.SequenceNode):
            return "a list"
        empty = not isinstance(self.node, yaml.ScalarNode) or self.node.tag == _NULL_TAG
        return "empty" if empty else "a single value"


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping whose entries are read one by one; a mistake in one does not hide those in the next."""

    part: Part
    entries: dict[str, Part]

    def get[T](self, key: str, read: Callable[[Part], T], default: T) -> T:
        """What `read` makes of the entry `key`; `default` when it is missing (or wrong, which is remembered)."""
        if key in self.entries:
            with self.part.file.collect():
                return read(self.entries[key])
        return default

    def need[T](self, key: str, read: Callable[[Part], T], default: T, write: str) -> T:
        """The same for an entry that has to be there; `write` is what to write when it is not."""
        if key not in self.entries:
            with self.part.file.collect():
                raise self.part.wrong(f'"{key}" is missing', write)
        return self.get(key, read, default)


def advice(word: str, known: Collection[str]) -> str:
    """What to write instead of `word`: the likeliest of `known`, or all of them."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.55)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"write one of: {', '.join(known)}" if known else "leave it out"


def span_text(span: timedelta) -> str:
    """`span` as the playbook writes it: 30s, 45min, 4h."""
    seconds = span.total_seconds()
    unit = next((unit for unit in ("h", "min") if seconds and seconds % SPAN_UNITS[unit] == 0), "s")
    return f"{seconds / SPAN_UNITS[unit]:g}{unit}"


def parse(text: str, name: str, folder: Path | None = None) -> Part:
    """The whole file as one part. Raises PlaybookError when it is not YAML, or empty."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise PlaybookError(
            f"{name}:{line}: not YAML: {error.problem or error.context}; check indentation, colons and quotes here"
        ) from None
    except (yaml.YAMLError, RecursionError, UnicodeError):
        found = _UNPRINTABLE.search(text)
        line = text.count("\n", 0, found.start()) + 1 if found else 1
        raise PlaybookError(
            f"{name}:{line}: a character that no text has; save the file as plain text in UTF-8"
        ) from None
    if node is None or node.tag == _NULL_TAG or not node.value:
        raise PlaybookError(f"{name}:1: the file is empty; start from the playbook.yaml that comes with Earshot")
    return Part(File(name, folder), node, "", node.start_mark.line + 1)
