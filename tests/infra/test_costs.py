"""The cost table: from sourced prices, every component, growing with use."""

from datetime import date
from itertools import pairwise

import pytest

import app as entry
from infra.stack.cost_tables import LARGE, LARGEST, LONGEST, TARGETS, advised, components, million, usage
from infra.stack.costs import (
    MAIL_BATCH,
    MAIL_WINDOW_S,
    VOLUMES,
    idle_polls,
    lines,
    memories,
    month,
    read_usage,
    shape,
    table_otherwise,
    without_mail,
)
from infra.stack.definitions import holds
from infra.stack.package import merge_template
from infra.stack.prices import Prices, read_prices, regions
from tests.metered import Shop, record


@pytest.fixture(params=regions())
def prices(request: pytest.FixtureRequest) -> Prices:
    return read_prices(request.param)


def test_every_price_has_a_source_and_the_file_a_date(prices: Prices) -> None:
    assert len(prices.noted) == len("2026-11-21")
    for price in prices.of.values():
        assert price.source.startswith("https://aws.amazon.com/")
        assert price.usd > 0
        assert price.per >= 1
        # looked up on a day, or said not to be
        assert price.verified is False or date.fromisoformat(str(price.verified))
    assert all(value > 0 for value in prices.use.values())


def test_a_region_whose_prices_are_unknown_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"REGION is one of eu-central-1, us-east-1.*no prices of mars"):
        read_prices("mars")


def test_what_aws_gives_for_nothing_is_taken_off_once_although_two_components_use_it() -> None:
    """Lambda's GB-seconds are both the delivery's way and the reports'."""
    given = read_prices().of["lambda_gb_second"]
    charged = [line for line in lines(100_000_000) if line.price == "lambda_gb_second"]
    assert len(charged) == 2
    whole = sum(line.amount for line in charged)
    assert sum(line.usd for line in charged) == pytest.approx(given.cost(whole, given.free))
    assert without_mail(lines(10_000, free=False)) > without_mail(lines(10_000))


def test_timers_are_no_more_than_the_minutes_of_a_month_and_no_more_than_are_started() -> None:
    few, many = month(1000), month(100_000_000)
    assert few.timers == pytest.approx(1000 * few.used["timers"], rel=0.02)
    assert many.timers == pytest.approx(43_200)


def test_every_price_is_used_and_every_chargeable_resource_is_counted() -> None:
    assert {price for _, price, _ in month(1000).amounts()} == set(read_prices().of)
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
        *("ScalableTarget", "ScalingPolicy"),  # the alarms of scaling: table_otherwise
        "Url",  # charged by the invocation, as every function is
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
    assert million == pytest.approx(hundred)
    assert hundred < 4


def test_the_tables_show_every_component_each_region_beside_the_targets_and_what_was_before(prices: Prices) -> None:
    text = components(prices.region)
    assert f"US dollars in {prices.region}" in text
    assert text.count("\n| ") == len(lines(1)) + 2
    totals = [f"{without_mail(lines(n, prices=prices)) / n * 1e6:,.2f}" for n in VOLUMES]
    assert f"| {prices.region}, now | {' | '.join(totals)} |" in million()
    assert " | ".join(str(TARGETS[n]) for n in VOLUMES) in million()
    assert (
        f"| write units | {read_usage()['before']['write_units']:,g} | {read_usage()['now']['write_units']:,g} |"
        in usage()
    )
    assert (
        f"| a stack has: alarm metrics | {month(1, 'before').stack.alarm_metrics} | {shape().alarm_metrics} |"
        in usage()
    )


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


def test_functions_of_half_the_size_cost_half_where_they_wait_and_as_much_where_they_work() -> None:
    def share(name: str, value: float) -> float:
        """What half the memory costs of the whole, when one of the shares and waits is `value`."""
        use = {**read_prices().use, name: value}
        half, whole = (month(1e8, use=use, memory_mb=size) for size in memories()[:2])
        assert whole.stack.memory_mb == 2 * half.stack.memory_mb == shape().memory_mb
        of_half, of_whole = ({name: x for name, _, x in m.amounts()}["Lambda time"] for m in (half, whole))
        return of_half / of_whole

    assert share("platform_post_ms", 1e5) == pytest.approx(0.5, abs=0.01)
    assert share("respond_cpu_ms", 1e4) == pytest.approx(1, abs=0.01)
    assert 0.55 < share("platform_post_ms", 400.0) < 0.75


def test_what_is_aimed_at_is_met_in_us_east_1_with_what_is_advised_for_the_size() -> None:
    prices = read_prices("us-east-1")
    each = {n: advised(n, prices) / n * 1e6 for n in VOLUMES}
    assert {n: usd for n, usd in each.items() if usd > TARGETS[n]} == {}


def test_what_is_advised_for_a_size_is_cheaper_there_and_the_template_takes_it(prices: Prices) -> None:
    parameters = merge_template()["Parameters"]
    assert parameters["FactsWindow"]["MaxValue"] == LONGEST
    assert "provisioned" in parameters["TableCapacity"]["AllowedValues"]
    for n in (LARGE, LARGEST, VOLUMES[-1]):
        assert advised(n, prices) < without_mail(lines(n, prices=prices))


def test_facts_are_put_by_shard_and_window_or_by_full_batch() -> None:
    month_of = {window: month(1e6, facts_window_s=window) for window in (60, LONGEST)}
    assert month_of[60].fact_files == pytest.approx(4 * 43_200, rel=0.01)
    assert month_of[LONGEST].fact_files == pytest.approx(4 * 8_640, rel=0.01)
    large = month(1e8, facts_window_s=LONGEST)
    assert large.fact_files == pytest.approx(large.changes / 1000)


def test_deliveries_with_nothing_to_do_cost_no_write_and_no_message() -> None:
    use = read_prices().use
    few, many = (
        {part: amount for part, _, amount in month(1e6, use={**use, "idle_a_question": idle}).amounts()}
        for idle in (0.0, 10.0)
    )
    changed = {name for name in few if many[name] != few[name]}
    assert changed - {"API Gateway"} == {"Lambda requests", "Lambda time", "Data to the internet"}


def test_what_the_template_has_only_under_a_condition_is_not_charged_to_who_does_not_want_it() -> None:
    queues = [r for r in merge_template()["Resources"].values() if r["Type"] == "AWS::SQS::Queue"]
    read = sum("RedrivePolicy" in r["Properties"] for r in queues)
    assert shape().polled_queues == read - 1  # nobody reads the queue of incoming mail without a domain for it


def test_a_queue_that_is_idle_is_polled_fifteen_times_a_minute_and_a_busy_one_never_in_vain() -> None:
    whole = 30 * 24 * 60 * 15
    assert idle_polls(0, 1.0) == idle_polls(0, 0.5) == whole
    assert idle_polls(1e9, 1.0) == pytest.approx(0)
    assert idle_polls(1e9, 0.5) == pytest.approx(whole / 2)
    assert whole > idle_polls(1e4, 0.5) > idle_polls(1e5, 0.5) > idle_polls(1e6, 0.5) > whole / 2


def test_provisioned_capacity_pays_for_a_large_stage_only_and_the_rare_class_for_none(prices: Prices) -> None:
    million, hundred = (table_otherwise(n, prices) for n in VOLUMES[1:])
    assert hundred[1] < 0.75 * hundred[0]
    assert million[1] > million[0]  # what it never goes below, and the alarms of scaling
    assert hundred[2] > hundred[0]  # writes are most of it, and cost a quarter more there


def test_the_table_and_each_index_scale_apart_only_where_that_is_asked_for() -> None:
    template = merge_template()
    table = template["Resources"]["Table"]["Properties"]
    scaled = [r for r in template["Resources"].values() if "ApplicationAutoScaling" in r["Type"]]
    assert {r["Condition"] for r in scaled} == {"Provisioned"}
    ids = [r["Properties"]["ResourceId"]["Fn::Join"][1][2:] for r in scaled if r["Type"].endswith("Target")]
    indexes = [["index", str(index["IndexName"])] for index in table["GlobalSecondaryIndexes"]]
    assert sorted(ids) == sorted([[], *indexes] * 2)
    assert holds(template, "Provisioned", {"TableCapacity": "provisioned"})
    assert not holds(template, "Provisioned")
    for part in (table, *table["GlobalSecondaryIndexes"]):
        assert part["ProvisionedThroughput"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    assert table["BillingMode"] == {"Fn::If": ["Provisioned", "PROVISIONED", "PAY_PER_REQUEST"]}


def test_mail_events_wait_for_each_other_as_the_template_says() -> None:
    source = merge_template()["Resources"]["MailEvents"]["Properties"]["Events"]["MailEventsSqsEventSource"]
    assert source["Properties"]["MaximumBatchingWindowInSeconds"] == MAIL_WINDOW_S
    assert {s.name: s.batch_size for s in entry.app.event_sources if hasattr(s, "batch_size")}[
        "mail_events"
    ] == MAIL_BATCH
