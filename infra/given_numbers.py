"""Numbers that a command is given: what cannot be one is said in a line that names what can."""

import argparse
from collections.abc import Callable
from math import isfinite


def whole(least: int, most: int = 10**9) -> Callable[[str], int]:
    """Reads a whole number from `least` to `most`; raises argparse.ArgumentTypeError."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return read


def above_zero(text: str) -> float:
    """Reads a number above 0; raises argparse.ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not (found > 0 and isfinite(found)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0; write for example 1.5")
    return found
