"""`replace` for what changes with every step of a conversation, and `maker` for what is made with every message: slot
by slot, where a frozen dataclass asks for each slot by its name."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that fields and their types are checked as ever
    from dataclasses import replace as replace
else:

    def replace(value, /, **changes):
        """The same as `dataclasses.replace` for a slotted dataclass whose `__init__` only sets its fields, in a fifth
        of the time; raises TypeError for a field that there is not."""
        copy, writers = _copier(type(value))
        new = copy(value)
        try:
            for name, changed in changes.items():
                writers[name](new, changed)
        except KeyError as error:
            raise TypeError(f"{type(value).__name__} has no {error.args[0]}") from None
        return new


if TYPE_CHECKING:

    def maker[**P, T](kind: Callable[P, T]) -> Callable[P, T]: ...

else:

    def maker(kind):
        """What makes a slotted dataclass whose `__init__` only sets its fields in a third of the time; it takes names
        only, and a field whose default is made anew each time has to be given."""
        every = fields(kind)
        asked = [f.name if f.default is MISSING else f"{f.name}=_default_{f.name}" for f in every]
        lines = [f"    _write_{f.name}(_new, {f.name})" for f in every]
        made = {"_new_of": object.__new__, "_kind": kind, **{f"_default_{f.name}": f.default for f in every}}
        made |= {f"_write_{f.name}": getattr(kind, f.name).__set__ for f in every}
        head = f"def make(*, {', '.join(asked)}):"
        exec("\n".join([head, "    _new = _new_of(_kind)", *lines, "    return _new"]), made)
        return made["make"]


type Write = Callable[[Any, Any], None]


@cache
def _copier(kind: type) -> tuple[Callable[[Any], Any], dict[str, Write]]:
    """What copies a value of this class, written out slot by slot as `dataclasses` writes `__init__`; and how each slot
    is written by its name."""
    writers: dict[str, Write] = {field.name: getattr(kind, field.name).__set__ for field in fields(kind)}
    lines = [f"    write_{name}(new, old.{name})" for name in writers]
    made: dict[str, Any] = {"new_of": object.__new__, "kind": kind, **{f"write_{n}": w for n, w in writers.items()}}
    exec("\n".join(["def copy(old):", "    new = new_of(kind)", *lines, "    return new"]), made)
    return made["copy"], writers
