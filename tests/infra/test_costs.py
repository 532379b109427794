"""The cost table: from sourced prices, every component, growing with use."""

from datetime import date
from itertools import pairwise

import pytest

from infra.stack.costs import VOLUMES, amounts, lines, read_prices, read_usage, table
from infra.stack.package import merge_template
from tests.metered import Shop, record


def test_every_price_has_a_source_and_the_file_a_date() -> None:
    prices, use, noted = read_prices()
    assert len(noted) == len("2026-11-21")
    assert all(p.source.startswith("https://aws.amazon.com/") and p.usd >= 0 and p.per >= 1 for p in prices.values())
    assert all(value > 0 for value in use.values())
    for price in prices.values():  # looked up on a day, or said not to be
        assert price.verified is False or date.fromisoformat(str(price.verified))


def test_every_price_is_used_and_every_chargeable_resource_is_counted() -> None:
    prices, use, _ = read_prices()
    used = {price for _, price, _ in amounts(1000, use, read_usage()["now"], merge_template())}
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
    assert text.count("\n| ") == len(lines(1)) + 5


def test_the_units_are_those_that_the_real_handlers_use() -> None:
    """Else a release would cost more and nobody would see it: record them anew with `python -m tests.metered`."""
    recorded, kept = record(), read_usage()["now"]
    assert recorded.keys() == kept.keys()
    for name, value in recorded.items():
        near = 0.03 * kept[name] + 0.1 if "bytes" not in name else 0.05 * kept[name]
        assert value == pytest.approx(kept[name], abs=near), name


def test_the_mix_is_the_one_that_is_stated() -> None:
    kept = read_usage()["now"]
    names = ("acknowledged", "reached_tier_1", "reached_tier_2", "reached_tier_3")
    assert [kept[name] * 20 for name in names] == [7, 6, 2, 1]


def test_no_item_of_a_usual_question_takes_more_than_one_write_unit() -> None:
    shop = Shop()
    shop.play()
    assert max(shop.meter.largest.values()) <= 1024


def test_deliveries_with_nothing_to_do_cost_no_write_and_no_message() -> None:
    use, used = read_prices()[1], read_usage()["now"]
    few, many = (
        {part: amount for part, _, amount in amounts(1e6, {**use, "idle_a_question": idle}, used, merge_template())}
        for idle in (0.0, 10.0)
    )
    assert {name for name in few if many[name] != few[name]} == {"API Gateway", "Lambda requests", "Lambda time"}
