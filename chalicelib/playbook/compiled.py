"""A playbook as data: validated once, read at a start without YAML and without the library of holidays."""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

from chalicelib.codec import dump, load
from chalicelib.playbook.business_time import public_holidays, remember
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook

PACKAGED: Final = Path(__file__).with_name("playbook.json")
"""What `make package` compiles the playbook into; only in the zip."""

YEARS_BACK, YEARS_AHEAD = 4, 10  # for the report's history, and for a stack that nobody deploys for years


def compiled(playbook: Playbook, today: date) -> str:
    """`playbook` as JSON, with the public holidays of its teams' regions for YEARS_BACK to YEARS_AHEAD."""
    years = range(today.year - YEARS_BACK, today.year + YEARS_AHEAD + 1)
    regions = sorted({team.hours.region for team in playbook.teams.values()} - {""})
    holidays = {region: [day.isoformat() for day in _days(region, years)] for region in regions}
    data = {"years": [years.start, years.stop], "holidays": holidays, "playbook": dump(playbook)}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def load_compiled(text: str) -> Playbook:
    """The playbook that `compiled` wrote; raises PlaybookError for anything else."""
    try:
        data = json.loads(text)
        for region, days in data["holidays"].items():
            remember(region, range(*data["years"]), map(date.fromisoformat, days))
        return load(Playbook, data["playbook"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PlaybookError(f"not a playbook that this release can read ({type(error).__name__})") from None


def _days(region: str, years: Iterable[int]) -> list[date]:
    return sorted(day for year in years for day in public_holidays(region, year))
