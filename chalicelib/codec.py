"""Frozen dataclasses to plain JSON-able dicts and back, for everything that is stored or queued.

Readers ignore keys that they do not know and take the default for keys that are missing, so that items written by
the release before (or after) this one stay readable.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache, partial
from operator import attrgetter
from types import MappingProxyType, UnionType
from typing import Any, TypeAliasType, Union, get_args, get_origin, get_type_hints

SPAN_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_CENTURY_S = 100 * 365 * 86_400
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(s|min|h|d)")
_PLAIN = {str, int, float, bool, bytes, type(None)}
_EMPTY: Mapping[Any, Callable[[], Any]] = {tuple: tuple, frozenset: frozenset, dict: dict, Mapping: dict}
_LEFT_OUT_EMPTY = (tuple, dict, MappingProxyType, frozenset)


@lru_cache(maxsize=4096)  # an item's many times are few different ones, and read again with every change
def to_time(text: str) -> datetime:
    """The aware UTC datetime written as ISO 8601, to the millisecond; raises ValueError on anything else."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without an offset")
    try:
        return to_milliseconds(time if time.tzinfo is UTC else time.astimezone(UTC))
    except OverflowError:
        raise ValueError("a time before the first year or after the last") from None


def to_milliseconds(time: datetime) -> datetime:
    """`time` as it is kept: what lies below a millisecond is not."""
    below = time.microsecond % 1000
    return time.replace(microsecond=time.microsecond - below) if below else time


@lru_cache(maxsize=4096)
def from_time(time: datetime) -> str:
    """`time` as sortable ISO 8601 in UTC with milliseconds, e.g. 2026-11-21T10:00:00.000Z."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[:-6] + "Z"


def to_span(text: str) -> timedelta:
    """The span of time written as a number and s, min, h or d, of at most a century: 90min, 4h, 2.5d. Raises ValueError
    on anything else."""
    found = _SPAN.fullmatch(text)
    seconds = float(found[1]) * SPAN_UNITS[found[2]] if found else _CENTURY_S
    if seconds >= _CENTURY_S:
        raise ValueError("no span of time such as 90min, 4h or 2d")
    return timedelta(seconds=seconds)


def dump(value: Any) -> Any:
    """`value` (dataclass, mapping, sequence, time, enum or scalar) as plain data; None and empty fields left out."""
    kind = type(value)
    return value if kind in _PLAIN else _writer(kind)(value)  # type: ignore[arg-type]


def lean(value: Any) -> Any:
    """The same without the fields that are as their class makes them by itself, which `load` adds again: for what is
    stored. So a default of a stored class never changes."""
    kind = type(value)
    return value if kind in _PLAIN else _writer(kind, short=True)(value)  # type: ignore[arg-type]


def load[T](cls: type[T], data: Mapping[str, Any]) -> T:
    """The `cls` that `dump` wrote as `data`; raises TypeError, ValueError or KeyError when it cannot be one."""
    return _loader(cls)(data)  # type: ignore[arg-type, no-any-return]


class Dumped(Mapping[str, Any]):
    """What `lean` makes of the dataclass `value`, made when somebody looks: a table in memory keeps the value."""

    __slots__ = ("_plain", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._plain: dict[str, Any] | None = None

    @property
    def plain(self) -> dict[str, Any]:
        if self._plain is None:
            self._plain = lean(self.value)
        return self._plain

    def __getitem__(self, name: str) -> Any:
        return self.plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.plain)

    def __len__(self) -> int:
        return len(self.plain)

    def __repr__(self) -> str:
        return repr(self.plain)


@cache
def _writer(kind: type, *, short: bool = False) -> Callable[[Any], Any]:
    """What makes plain data out of a value of exactly this type: looked up once for each, not for each value."""
    write = lean if short else dump
    if is_dataclass(kind):
        return _lean_writer(kind) if short else _fields_writer(tuple(f.name for f in fields(kind)))
    if kind is datetime:
        return from_time
    if kind is date:
        return date.isoformat
    if kind is timedelta:
        return timedelta.total_seconds
    if issubclass(kind, StrEnum):
        return attrgetter("value")
    if issubclass(kind, Mapping):
        return lambda value: {str(k): write(v) for k, v in value.items()}
    if issubclass(kind, list | tuple):
        return lambda value: [write(v) for v in value]
    if issubclass(kind, frozenset):
        return lambda value: sorted(dump(v) for v in value)
    return _same


def _fields_writer(names: tuple[str, ...]) -> Callable[[Any], dict[str, Any]]:
    def write(value: Any) -> dict[str, Any]:
        out = {}
        for name in names:
            field = getattr(value, name)
            kind = type(field)
            if kind in _PLAIN:
                if field is not None:
                    out[name] = field
            elif field or not isinstance(field, _LEFT_OUT_EMPTY):
                out[name] = _writer(kind)(field)  # type: ignore[arg-type]
        return out

    return write


def _lean_writer(kind: type) -> Callable[[Any], dict[str, Any]]:
    usual = tuple((f.name, f.default) for f in fields(kind))  # MISSING equals nothing

    def write(value: Any) -> dict[str, Any]:
        out = {}
        for name, default in usual:
            field = getattr(value, name)
            if field is None or field == default or (not field and isinstance(field, _LEFT_OUT_EMPTY)):
                continue
            out[name] = lean(field)
        return out

    return write


@cache
def _loader(cls: type) -> Callable[[Mapping[str, Any]], Any]:
    """What makes a `cls` out of plain data, prepared once for each class."""
    readers, left_out = _readers(cls), _left_out(cls)

    def read(data: Mapping[str, Any]) -> Any:
        known = dict(left_out)
        for name in data:
            if reader := readers.get(name):
                known[name] = data[name] if reader is _same else reader(data[name])
        return cls(**known)

    return read


def _same(value: Any) -> Any:
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


@cache
def _left_out(cls: type) -> dict[str, Any]:
    """The fields without a default that may be None or empty, as such: `dump` left them out."""
    required = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}
    hints = {name: hint for name, hint in _hints(cls).items() if name in required}
    nones = {name: None for name, hint in hints.items() if type(None) in get_args(hint)}
    empty = {name: kind() for name, hint in hints.items() if (kind := _EMPTY.get(get_origin(hint)))}
    return nones | empty


@cache
def _readers(cls: type) -> dict[str, Callable[[Any], Any]]:
    return {name: _reader(hint) for name, hint in _hints(cls).items()}


def _reader(hint: Any) -> Callable[[Any], Any]:
    """What makes a value of type `hint` out of plain data."""
    if isinstance(hint, TypeAliasType):
        return _reader(hint.__value__)
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        inner = _reader(next(a for a in get_args(hint) if a is not type(None)))
        return inner if inner is _same else lambda value: None if value is None else inner(value)
    if origin in (dict, Mapping):
        name, inner = map(_reader, get_args(hint))
        return lambda value: {name(k): inner(v) for k, v in value.items()}
    if origin in (tuple, frozenset):
        inner = _reader(get_args(hint)[0])
        return lambda value: origin(map(inner, value))
    if hint is datetime:
        return to_time
    if hint is date:
        return date.fromisoformat
    if hint is timedelta:
        return lambda value: timedelta(seconds=float(value))
    if is_dataclass(hint):
        return partial(load, hint)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        members = {member.value: member for member in hint}
        return lambda value: members.get(value) or hint(value)
    return hint if hint in (int, float, bool) else _same
