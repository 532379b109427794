"""Frozen dataclasses to plain JSON-able dicts and back, for everything that is stored or queued.

Readers ignore keys that they do not know and take the default for keys that are missing, so that items written by
the release before (or after) this one stay readable.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def to_time(text: str) -> datetime:
    """The aware UTC datetime written as ISO 8601; raises ValueError on anything else."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without an offset")
    return time.astimezone(UTC)


def from_time(time: datetime) -> str:
    """`time` as sortable ISO 8601 in UTC with milliseconds, e.g. 2026-11-21T10:00:00.000Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dump(value: Any) -> Any:
    """`value` (dataclass, mapping, sequence, time, enum or scalar) as plain data; None and empty fields left out."""
    if is_dataclass(value):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: dump(v) for name, v in pairs if v is not None and v != () and v != {}}
    if isinstance(value, datetime):
        return from_time(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {str(k): dump(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [dump(v) for v in value]
    return value


def load[T](cls: type[T], data: Mapping[str, Any]) -> T:
    """The `cls` that `dump` wrote as `data`; raises TypeError, ValueError or KeyError when it cannot be one."""
    known = {name: _read(hint, data[name]) for name, hint in _hints(cls).items() if name in data}  # type: ignore[arg-type]
    return cls(**{**_nones(cls), **known})  # type: ignore[arg-type]


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


@cache
def _nones(cls: type) -> dict[str, None]:
    """The fields that may be None and have no default: `dump` left them out."""
    required = (f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING)
    return {name: None for name in required if type(None) in get_args(_hints(cls)[name])}


def _read(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if value is None:
            return None
        return _read(next(a for a in get_args(hint) if a is not type(None)), value)
    if origin is dict:
        return {k: _read(get_args(hint)[1], v) for k, v in value.items()}
    if origin is tuple:
        return tuple(_read(get_args(hint)[0], v) for v in value)
    if hint is datetime:
        return to_time(value)
    if hint is timedelta:
        return timedelta(seconds=float(value))
    if is_dataclass(hint):
        return load(hint, value)  # type: ignore[arg-type]
    if hint in (int, float, bool) or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return hint(value)
    return value
