"""What is made and copied quickly: the standard library's own result, whatever the class."""

import copy
import dataclasses
import inspect
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.conversations import conversation
from chalicelib.conversations.changed import replace, swift
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
        changed = replace(value, **{name: AT})
        assert changed == dataclasses.replace(value, **{name: AT}) and type(changed) is kind
        assert getattr(value, name) == f"{name} of old"


def test_there_is_no_such_field() -> None:
    unknown: dict[str, Any] = {"teir": 2}
    with pytest.raises(TypeError, match="Ladder has no teir"):
        replace(conversation.Ladder(), **unknown)


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """One with every sort of field, and with the names that its maker might use itself."""

    self_: int
    kind: str
    twin: str = "a"
    become: dict[str, str] = dataclasses.field(default_factory=dict)
    MISSING: tuple[int, ...] = ()
    seen: list[int] = dataclasses.field(default_factory=list, init=False, compare=False)
    fixed: int = dataclasses.field(default=7, init=False)


@swift
@dataclasses.dataclass(frozen=True, slots=True)
class Swift:
    self_: int
    kind: str
    twin: str = "a"
    become: dict[str, str] = dataclasses.field(default_factory=dict)
    MISSING: tuple[int, ...] = ()
    seen: list[int] = dataclasses.field(default_factory=list, init=False, compare=False)
    fixed: int = dataclasses.field(default=7, init=False)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((1, "b"), {}),
        ((1, "b", "c", {"d": "e"}, (2,)), {}),
        ((1,), {"kind": "b", "MISSING": (3,)}),
        ((), {"self_": 1, "kind": "b", "become": {}}),
        ((), {"kind": "b"}),
        ((1, "b"), {"kind": "b"}),
        ((1, "b"), {"seen": []}),
        ((1, "b"), {"else": 1}),
    ],
)
def test_what_is_made_swiftly_is_what_the_standard_library_makes(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    makers: list[Any] = [Plain, Swift]
    plain, swiftly = (_made(kind, given, named) for kind in makers)
    assert plain == swiftly


def _made(kind: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    try:
        made = kind(*given, **named)
    except TypeError:
        return TypeError
    assert type(made) is kind and repr(made).startswith(kind.__name__)
    return dataclasses.astuple(made)


def test_what_is_made_swiftly_is_frozen_hashed_and_has_its_own_of_what_is_made_anew() -> None:
    one, other = Swift(1, "b"), Swift(1, "b")
    assert one == other and one.become is not other.become and one.seen is not other.seen
    assert hash(conversation.Ladder(tier=2)) == hash(conversation.Ladder(tier=2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.kind = "c"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(one)) == one and copy.deepcopy(one) == one
    assert dataclasses.replace(one, kind="c") == Swift(1, "c")


@pytest.mark.parametrize("kind", COPIED)
def test_every_class_takes_its_fields_in_their_order(kind: Any) -> None:
    names = [field.name for field in dataclasses.fields(kind)]
    value = kind(*[f"a {name}" for name in names])
    assert [getattr(value, name) for name in names] == [f"a {name}" for name in names]
    assert list(inspect.signature(kind).parameters) == names


def test_nothing_that_has_no_default_is_left_out() -> None:
    some: dict[str, Any] = {"intent": "refund", "confidence": 1.0, "chances": {}, "rungs": {}}
    with pytest.raises(TypeError, match="missing"):
        Reading(**some)
