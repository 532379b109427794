"""Waiting for what other threads do, without sleeps for luck."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Waits until `condition`; fails when that takes too long."""
    ends = monotonic() + seconds
    while not condition():
        assert monotonic() < ends, "it never came true"
        sleep(0.05)
