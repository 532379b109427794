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
        new = object.__new__(type(value))
        for name, write, read in _slots(type(value)):
            write(new, changes.pop(name) if name in changes else read(value))
        if changes:
            raise TypeError(f"{type(value).__name__} has no {', '.join(changes)}")
        return new


@cache
def _slots(kind: type) -> tuple[tuple[str, Callable[[Any, Any], None], Callable[[Any], Any]], ...]:
    slots = [(field.name, getattr(kind, field.name)) for field in fields(kind)]
    return tuple((name, slot.__set__, slot.__get__) for name, slot in slots)
