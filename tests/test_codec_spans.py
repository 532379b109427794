"""One way to write a span of time, wherever somebody writes one."""

from datetime import timedelta

import pytest

from chalicelib.codec import to_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("90min", timedelta(minutes=90)),
        ("4h", timedelta(hours=4)),
        ("2.5 d", timedelta(hours=60)),
    ],
)
def test_a_number_and_its_unit_are_a_span(text: str, span: timedelta) -> None:
    assert to_span(text) == span


@pytest.mark.parametrize("text", ["", "90", "min", "-4h", "4 hours", "1e9d", "٣h", "9" * 40 + "d", "36500d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90min"):
        to_span(text)
