"""prices.yaml: what AWS charges, by region, each price with its page and whether somebody has looked there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PRICES = Path(__file__).with_name("prices.yaml")


@dataclass(frozen=True, slots=True)
class Price:
    """`usd` for each `per` of something, of which `free` cost nothing each month, for good. `verified`: the date on
    which somebody looked at the `source`, or False."""

    usd: float
    per: float
    of: str
    source: str
    verified: str | bool
    free: float = 0.0

    def cost(self, amount: float, free: float = 0.0) -> float:
        """Dollars for `amount`, of which `free` are not charged."""
        return max(0.0, amount - free) / self.per * self.usd


@dataclass(frozen=True, slots=True)
class Prices:
    """Those of one region; `capacity` are the table's other ways to bill, `use` is what of a month nobody can record,
    and `noted` when the prices were."""

    region: str
    of: Mapping[str, Price]
    capacity: Mapping[str, Price]
    use: Mapping[str, float]
    noted: str


def regions(path: Path = PRICES) -> tuple[str, ...]:
    """Whose prices are known; the first is the one that is meant where none is named."""
    return tuple(_read(path)["regions"])


def read_prices(region: str = "", path: Path = PRICES) -> Prices:
    """The prices of `region`. Raises ValueError for one whose prices are not known."""
    data = _read(path)
    region = region or data["regions"][0]
    if region not in data["regions"]:
        raise ValueError(f"REGION is one of {', '.join(data['regions'])}: {path.name} has no prices of {region}")
    found, otherwise = (
        {name: _price(row, region) for name, row in data[part].items()} for part in ("prices", "capacity")
    )
    return Prices(region, found, otherwise, data["use"], str(data["noted"]))


def _read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return data


def _price(row: Mapping[str, Any], region: str) -> Price:
    """A row whose `usd` and `verified` are either the same everywhere or by region."""
    here = {name: value.get(region, False) if isinstance(value, dict) else value for name, value in row.items()}
    return Price(**here | {"verified": here["verified"] and str(here["verified"])})
