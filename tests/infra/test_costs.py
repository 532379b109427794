"""The cost table: from sourced prices, every component, growing with use."""

from itertools import pairwise

from infra.stack.costs import VOLUMES, amounts, lines, read_prices, table
from infra.stack.package import merge_template


def test_every_price_has_a_source_and_the_file_a_date() -> None:
    prices, use, noted = read_prices()
    assert len(noted) == len("2026-11-21")
    assert all(p.source.startswith("https://aws.amazon.com/") and p.usd >= 0 and p.per >= 1 for p in prices.values())
    assert all(value > 0 for value in use.values())


def test_every_price_is_used_and_every_chargeable_resource_is_counted() -> None:
    prices, use, _ = read_prices()
    used = {price for _, price, _ in amounts(1000, use, merge_template())}
    assert used == set(prices)
    counted = {
        "Table",
        "Queue",
        "StateMachine",
        "Secret",
        "Alarm",
        "Dashboard",
        "Function",
        "Api",
        "LogGroup",
        "Bucket",
    }
    free = {
        "Role",
        "ConfigurationSet",
        "ConfigurationSetEventDestination",
        "Topic",
        "TopicPolicy",
        "Subscription",
        "QueuePolicy",
        "Integration",
        "LayerVersion",
        "BucketPolicy",
        "ReceiptRule",
        "ReceiptRuleSet",
        "Stage",
        "Permission",
        "DomainName",
        "ApiMapping",
    }
    kinds = {r["Type"].rpartition("::")[2] for r in merge_template()["Resources"].values()}
    assert kinds <= counted | free


def test_no_component_costs_less_with_more_use() -> None:
    for smaller, larger in pairwise(VOLUMES):
        for one, other in zip(lines(smaller), lines(larger), strict=True):
            assert other.usd >= one.usd >= 0


def test_timers_cost_the_same_whatever_the_load() -> None:
    """One for each minute at most: the reason for minute buckets."""
    million, hundred = (next(x.usd for x in lines(n) if x.component == "Step Functions") for n in VOLUMES[1:])
    assert million == hundred < 4


def test_the_table_names_logs_and_totals() -> None:
    text = table()
    assert "| Logs |" in text
    assert "**together**" in text
    assert text.count("\n| ") == len(lines(1)) + 2
