"""Copies with a change: the standard library's own result, whatever the class, and no field that there is not."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.conversations import conversation
from chalicelib.conversations.changed import maker, replace
from chalicelib.conversations.interaction import Interaction, Reading

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
COPIED = [
    *(kind for kind in vars(conversation).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)),
    Interaction,
    Reading,
]


@pytest.mark.parametrize("kind", COPIED)
def test_a_copy_is_the_standard_librarys(kind: Any) -> None:
    names = [field.name for field in dataclasses.fields(kind)]
    value = kind(**{name: f"{name} of old" for name in names})
    for name in names:
        copy = replace(value, **{name: AT})
        assert copy == dataclasses.replace(value, **{name: AT}) and type(copy) is kind
        assert getattr(value, name) == f"{name} of old"


def test_there_is_no_such_field() -> None:
    unknown: dict[str, Any] = {"teir": 2}
    with pytest.raises(TypeError, match="Ladder has no teir"):
        replace(conversation.Ladder(), **unknown)


@pytest.mark.parametrize("kind", COPIED)
def test_what_is_made_slot_by_slot_is_what_the_class_makes(kind: Any) -> None:
    fields = dataclasses.fields(kind)
    values = {field.name: f"a {field.name}" for field in fields}
    made = maker(kind)(**values)
    assert made == kind(**values) and type(made) is kind
    needed = {f.name: values[f.name] for f in fields if f.default is dataclasses.MISSING}
    assert maker(kind)(**needed) == kind(**needed)


def test_nothing_that_has_no_default_is_left_out() -> None:
    some: dict[str, Any] = {"intent": "refund", "confidence": 1.0, "chances": {}, "rungs": {}}
    with pytest.raises(TypeError, match="missing"):
        maker(Reading)(**some)
