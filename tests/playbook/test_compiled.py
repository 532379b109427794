"""The compiled playbook is the playbook: nothing is lost or changed, and a start needs neither YAML nor holidays."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from chalicelib.playbook import business_time
from chalicelib.playbook.business_time import public_holidays
from chalicelib.playbook.compiled import YEARS_AHEAD, compiled, load_compiled
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook

TODAY = date(2026, 11, 26)
TEXT = DEFAULT_PLAYBOOK.read_text("utf-8")
DEMO = (Path(__file__).parents[2] / "infra" / "local" / "demo_playbook.yaml").read_text("utf-8")
STOPPED = TEXT.replace("    all: false\n    accounts: []", '    all: true\n    accounts: ["facebook:1", "x:2"]')


@pytest.mark.parametrize("text", [TEXT, DEMO, STOPPED], ids=["shipped", "demo", "stopped"])
def test_it_is_the_same_playbook_to_the_last_field(text: str) -> None:
    before = load_playbook(text)
    after = load_compiled(compiled(before, TODAY))
    assert after == before
    assert repr(after) == repr(before)  # 1 is not 1.0, and a tuple is not a list
    assert after.clocks == before.clocks  # else every open conversation would be planned anew


def test_stopping_survives() -> None:
    found = load_compiled(compiled(load_playbook(STOPPED), TODAY))
    assert found.stopped_altogether
    assert found.stopped == {"facebook:1", "x:2"}


def test_every_holiday_of_the_years_ahead_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    region = next(t.hours.region for t in load_playbook(TEXT).teams.values() if t.hours.region)
    years = range(TODAY.year, TODAY.year + YEARS_AHEAD + 1)
    found = {year: public_holidays(region, year) for year in years}
    text = compiled(load_playbook(TEXT), TODAY)
    monkeypatch.setattr(business_time, "_computed", {})
    load_compiled(text)
    assert {year: business_time._computed[region, year] for year in years} == found
    assert all(len(days) > 5 for days in found.values())


COLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from chalicelib.playbook.compiled import load_compiled

playbook = load_compiled(Path(sys.argv[1]).read_text("utf-8"))
playbook.calls("refund", datetime(2026, 12, 24, 17, 0, tzinfo=UTC))
print(sorted({"yaml", "holidays", "dateutil"} & sys.modules.keys()))
"""


def test_a_start_needs_neither_yaml_nor_the_library_of_holidays(tmp_path: Path) -> None:
    file = tmp_path / "playbook.json"
    file.write_text(compiled(load_playbook(TEXT), TODAY), "utf-8")
    run = subprocess.run([sys.executable, "-c", COLD, str(file)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"years":[2026,2027],"holidays":{},"playbook":{"shop":1}}'])
def test_what_is_no_compiled_playbook_is_refused(text: str) -> None:
    with pytest.raises(PlaybookError, match="this release"):
        load_compiled(text)


def test_what_a_newer_release_adds_is_passed_over() -> None:
    data = json.loads(compiled(load_playbook(TEXT), TODAY))
    data["playbook"]["something_new"] = {"a": 1}
    assert load_compiled(json.dumps(data)) == load_playbook(TEXT)


def test_closures_from_a_calendar_are_in_it() -> None:
    shop = load_playbook(TEXT)
    shut = ((datetime(2026, 12, 24, 12, tzinfo=UTC), datetime(2026, 12, 27, tzinfo=UTC)),)
    teams = {name: replace(team, hours=replace(team.hours, shut=shut)) for name, team in shop.teams.items()}
    closed = replace(shop, teams=teams)
    found = load_compiled(compiled(closed, TODAY))
    assert found == closed
    assert (repr(found), found.clocks) == (repr(closed), closed.clocks)
