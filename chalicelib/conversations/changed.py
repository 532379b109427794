"""`replace` for what changes with every step of a conversation: a copy is made from slot to slot."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that fields and their types are checked as ever
    from dataclasses import replace as replace
else:

    def replace(value, /, **changes):
        """The same as `dataclasses.replace` for a slotted dataclass whose `__init__` only sets its fields, in a third
        of the time; raises TypeError for a field that there is not."""
        slots, writers = _slots(type(value))
        new = object.__new__(type(value))
        for write, read in slots:
            write(new, read(value))
        for name, changed in changes.items():
            if name not in writers:
                raise TypeError(f"{type(value).__name__} has no {name}")
            writers[name](new, changed)
        return new


type Write = Callable[[Any, Any], None]
type Read = Callable[[Any], Any]


@cache
def _slots(kind: type) -> tuple[tuple[tuple[Write, Read], ...], dict[str, Write]]:
    """How each slot is written and read, and how one is written by its name."""
    slots = {field.name: getattr(kind, field.name) for field in fields(kind)}
    return tuple((slot.__set__, slot.__get__) for slot in slots.values()), {n: s.__set__ for n, s in slots.items()}
