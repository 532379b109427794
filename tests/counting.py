"""Counts of Python calls: what a test may bound where seconds depend on the machine and on who else uses it."""

import sys
from collections.abc import Callable
from typing import Any


def calls(do: Callable[[], Any]) -> int:
    """How many Python functions `do` enters."""
    count = 0

    def enter(code: Any, offset: int) -> None:
        nonlocal count
        count += 1

    tool, start = sys.monitoring.PROFILER_ID, sys.monitoring.events.PY_START
    sys.monitoring.use_tool_id(tool, "counting")
    try:
        sys.monitoring.register_callback(tool, start, enter)
        sys.monitoring.set_events(tool, start)
        do()
    finally:
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.free_tool_id(tool)
    return count
