"""What is made and copied with every message, quickly: `swift` for a frozen slotted dataclass and `replace` for copies
of any. A frozen dataclass asks for each slot by its name; here they are written to an open twin of the class, which
becomes one of the class when all are."""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Final

_become: Final = object.__dict__["__class__"].__set__  # past the `__setattr__` of a frozen class

if TYPE_CHECKING:  # so that fields and their types are checked as ever
    from dataclasses import replace as replace
else:

    def replace(value, /, **changes):
        """The same as `dataclasses.replace` for a slotted dataclass whose `__init__` only sets its fields, in a tenth
        of the time; raises TypeError for a field that there is not."""
        kind = type(value)
        new = _copier(kind)(value)
        try:
            for name, changed in changes.items():
                setattr(new, name, changed)
        except AttributeError as error:
            raise TypeError(f"{kind.__name__} has no {error.name}") from None
        _become(new, kind)
        return new


def swift[T](kind: type[T]) -> type[T]:
    """The frozen slotted dataclass `kind`, made in a third of the time and less. Its `__init__` takes what it took."""
    setattr(kind, "__init__", _init(kind))  # noqa: B010 (mypy lets nobody assign it)
    return kind


@cache
def _twin(kind: type) -> type:
    """A class of the same slots that is not frozen, so that the one can become the other."""
    return type(kind.__name__, (), {"__slots__": kind.__slots__})  # type: ignore[attr-defined]


@cache
def _copier(kind: type) -> Callable[[Any], Any]:
    """What copies a value of `kind` as its twin."""
    lines = [f"    new.{name} = old.{name}" for name in kind.__slots__]  # type: ignore[attr-defined]
    return _written("copy", "(old)", ["    new = twin()", *lines, "    return new"], {"twin": _twin(kind)})


def _init(kind: Any) -> Callable[..., Any]:
    every = fields(kind)
    known = {"_become": _become, "_twin": _twin(kind), "_kind": kind, "_MISSING": MISSING}
    known |= {f"_default_{f.name}": f.default for f in every} | {f"_make_{f.name}": f.default_factory for f in every}
    lines = [f"    self.{f.name} = {_value(f)}" for f in every]
    lines = ["    _become(self, _twin)", *lines, "    _become(self, _kind)"]
    return _written("__init__", f"(self, {', '.join(_parameter(f) for f in every if f.init)})", lines, known)


def _parameter(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"{field.name}=_default_{field.name}"
    return field.name if field.default_factory is MISSING else f"{field.name}=_MISSING"


def _value(field: Field[Any]) -> str:
    name = field.name
    if not field.init:
        return f"_default_{name}" if field.default_factory is MISSING else f"_make_{name}()"
    return name if field.default_factory is MISSING else f"_make_{name}() if {name} is _MISSING else {name}"


def _written(name: str, parameters: str, lines: list[str], known: dict[str, Any]) -> Callable[..., Any]:
    """The function of these lines, as `dataclasses` makes its own."""
    exec("\n".join([f"def {name}{parameters}:", *lines]), known)
    made: Callable[..., Any] = known[name]
    return made
