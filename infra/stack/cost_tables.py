"""`make costs [REGION=]`: what Earshot costs a month, by component and region, beside the targets, before and now."""

import argparse
import sys

from infra.stack.costs import VOLUMES, lines, memories, month, read_usage, table_otherwise, without_mail
from infra.stack.prices import Prices, read_prices, regions
from infra.stack.provisioned import ALARMS_A_POLICY

TARGETS = {10_000: 400, 1_000_000: 20, 100_000_000: 12}  # US dollars a million questions, e-mail apart, in us-east-1
BEFORE = "7acf047"
LARGE, LARGEST = 300_000, 10_000_000  # questions a month from which DEPLOYING.md advises other parameters
LONGEST = 300  # seconds, FactsWindow's maximum


def components(region: str = "") -> str:
    """The month at each of VOLUMES in `region`, component by component, as a Markdown table."""
    prices = read_prices(region)
    columns = [lines(n, prices=prices) for n in VOLUMES]
    rows = [_head(f"US dollars in {prices.region}")]
    for row in zip(*columns, strict=True):
        rows.append(_row(row[0].component, [line.usd for line in row]))
    rows.append(_row("**together**", [sum(line.usd for line in column) for column in columns], bold=True))
    rows.append(_row("**e-mail apart**", [without_mail(column) for column in columns], bold=True))
    verified = sum(bool(price.verified) for price in prices.of.values())
    noted = (
        f"noted {prices.noted} from memory, {verified} of {len(prices.of)} verified, each with the page to check it on"
    )
    idle = f"{prices.use['idle_a_question']:g} deliveries with nothing to do beside each question"
    return "\n".join([*rows, "", f"Prices and shares: infra/stack/prices.yaml ({noted}); {idle}."])


def million() -> str:
    """A million questions at each of VOLUMES, e-mail apart: every region, before, now and without what AWS gives."""
    rows = [_head("a million questions, US dollars, e-mail apart")]
    for region in regions():
        for name, when, free in (
            (f"at {BEFORE}", "before", True),
            ("now", "now", True),
            ("now, where other things use up what AWS gives for nothing", "now", False),
        ):
            prices = read_prices(region)
            each = [without_mail(lines(n, when, prices, free=free)) / n * 1e6 for n in VOLUMES]
            rows.append(_row(f"{region}, {name}", each))
        each = [advised(n, prices) / n * 1e6 for n in VOLUMES]
        rows.append(_row(f"{region}, now, with what DEPLOYING.md advises for the size", each))
    rows.append("| aimed at, by us-east-1's prices | " + " | ".join(f"{TARGETS[n]:,}" for n in VOLUMES) + " |")
    return "\n".join(rows)


def advised(n: float, prices: Prices) -> float:
    """Dollars a month, e-mail apart, with the parameters that DEPLOYING.md advises for so many questions: facts less
    often from LARGE on, smaller functions and the table provisioned from LARGEST on."""
    if n < LARGE:
        return without_mail(lines(n, prices=prices))
    if n < LARGEST:
        return without_mail(lines(n, prices=prices, facts_window_s=LONGEST))
    table, provisioned, _ = table_otherwise(n, prices)
    smallest = lines(n, prices=prices, facts_window_s=LONGEST, memory_mb=memories()[0])
    return without_mail(smallest) - table + provisioned


def capacity() -> str:
    """The table billed otherwise, at the larger volumes: what its requests and storage cost a month, each way."""
    rows = ["| the table's requests and storage, US dollars | on demand | provisioned | Standard-IA, on demand |"]
    rows.append("|---|---:|---:|---:|")
    for region in regions():
        for n in VOLUMES[1:]:
            ways = table_otherwise(n, read_prices(region))
            rows.append(f"| {region}, {n:,} questions | " + " | ".join(f"{usd:,.2f}" for usd in ways) + " |")
    use, alarms = read_prices().use["provisioned_use"], f"{ALARMS_A_POLICY} alarms a policy of scaling"
    counted = f"Provisioned units are used to {use:.0%} on the average; {alarms} and TableUnits' default are counted in"
    return "\n".join([*rows, "", f"{counted}. DEPLOYING.md says when it pays."])


def usage() -> str:
    """What a question uses, before and now, side by side, and what the stack has."""
    then, now = read_usage()["before"], read_usage()["now"]
    rows = [f"| a question uses | at {BEFORE} | now |", "|---|---:|---:|"]
    rows += [f"| {name.replace('_', ' ')} | {then.get(name, 0):,g} | {value:,g} |" for name, value in now.items()]
    stacks = month(1, "before").stack, month(1).stack
    rows += [f"| a stack has: {name.replace('_', ' ')} | {a:g} | {b:g} |" for name, a, b in _fields(*stacks)]
    return "\n".join([*rows, "", "Recorded from the real handlers: infra/stack/usage.yaml says over which mix."])


def _fields(then: object, now: object) -> list[tuple[str, float, float]]:
    return [(name, getattr(then, name), getattr(now, name)) for name in now.__dataclass_fields__]  # type: ignore[attr-defined]


def _head(title: str) -> str:
    return f"| {title} | " + " | ".join(f"{n:,} a month" for n in VOLUMES) + " |\n|---|" + "---:|" * len(VOLUMES)


def _row(title: str, dollars: list[float], *, bold: bool = False) -> str:
    mark = "**" if bold else ""
    return f"| {title} | " + " | ".join(f"{mark}{usd:,.2f}{mark}" for usd in dollars) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="", help=f"one of {', '.join(regions())}; the first without it")
    region = parser.parse_args().region
    try:
        tables = [components(region), million(), capacity(), usage()]
    except ValueError as error:
        sys.exit(f"costs: {error}")
    print("\n\n".join(tables))


if __name__ == "__main__":
    main()
