"""A number that cannot be one ends a command at once, in a line that says what can."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.bench import storm
from infra.local import run
from infra.reports import backtest, quiet, scale, synthetic
from models import card, train

NONE_AT_ALL = ("0", "-5", "abc", "nan", "", "1e309", "9" * 30)
COMMANDS: dict[str, tuple[Callable[[list[str]], Any], tuple[str, ...]]] = {
    "--comments": (storm.main, NONE_AT_ALL),
    "--rush": (storm.main, (*NONE_AT_ALL, "1.5", "\u00b2")),
    "--port": (run.main, (*NONE_AT_ALL, "99999999", "65536")),
    "--pace": (run.main, ("0", "-1", "nan", "inf", "fast")),
    "--shops": (backtest.main, NONE_AT_ALL),
    "--weeks": (quiet.main, NONE_AT_ALL),
    "--tries": (quiet.main, NONE_AT_ALL),
    "--times": (quiet.main, ("0", "nan", "-4")),
    "--questions": (scale.main, NONE_AT_ALL),
    "--days": (synthetic.main, (*NONE_AT_ALL, "5000")),
    "--per-day": (synthetic.main, ("0", "nan", "inf", "-1")),
    "--own-weight": (train.main, ("0", "nan", "inf", "-1")),
    "--precision": (train.main, ("0", "1", "2", "nan")),
    "--also": (card.main, ("/nowhere.jsonl",)),
}


@pytest.mark.parametrize(("option", "value"), [(o, v) for o, (_, values) in COMMANDS.items() for v in values])
def test_it_is_said_before_anything_begins(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    needed = ["--out=nowhere"] if option in ("--own-weight", "--precision") else []
    with pytest.raises(SystemExit) as ended:
        COMMANDS[option][0]([f"{option}={value}", *needed])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert f"argument {option}: " in said.err.splitlines()[-1] and not said.out
