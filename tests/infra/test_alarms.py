"""Every alarm rings when what it is for happens, and is quiet on an ordinary day: its own expression, threshold and
treatment of missing data are evaluated over what the failure puts into the metrics."""

import json
import operator
from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.conversations.conversation import Conversation
from chalicelib.outcomes import metric
from chalicelib.outcomes.telemetry import METRICS, Telemetry
from chalicelib.outcomes.types import Notified
from infra.stack.package import merge_template
from infra.stack.prices import read_prices
from tests.world import NOW

COMPARE = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "GreaterThanOrEqualToThreshold": operator.ge,
}
Fed = Mapping[str, list[float]]
"""By metric name (and, where several resources have it, the resource): the values of the alarm's periods."""

ORDINARY: Fed = {
    "ApproximateNumberOfMessagesVisible": [0],
    "ApproximateAgeOfOldestMessage": [3],
    "EscalationLateness": [61],
    "Count": [40],
    "Invocations": [40] * 24,
    "AcknowledgementsSent": [12],
    "AcknowledgementsRefused": [1],
    "DeliveriesRefused": [1],
    "Errors": [0],
    "Throttles": [0],
    "5xx": [0],
    "Url5xxCount": [],
    "Reputation.BounceRate": [0.001],
    "Reputation.ComplaintRate": [0.0],
}

FAILURES: dict[str, list[Fed]] = {  # by alarm, each way in which it fails
    "inbox-oldest": [{"ApproximateAgeOfOldestMessage": [601]}],
    "escalations-oldest": [{"ApproximateAgeOfOldestMessage": [601]}],
    "overdue": [{"EscalationLateness": [121]}],
    "token": [{"TokenFailures": [1]}],
    "set-aside": [{"ConversationsSetAside": [1]}],
    "channels-failed": [{"ChannelsFailed": [3]}],
    "mail-failed": [{"EmailsFailed": [1]}],
    "served-stale": [{"ServedStale": [1]}],
    # a wrong secret at a shop with three deliveries in a quarter of an hour
    "deliveries-refused": [{"DeliveriesRefused": [3], "Invocations": [3]}],
    "acknowledgements-refused": [{"AcknowledgementsRefused": [3], "AcknowledgementsSent": []}],
    "gateway-throttled": [{"Count": [900], "Invocations": [700]}],
    "silence": [{"Invocations": []}],
    "receive": [{"Url5xxCount": [1]}],
    "receive-api": [{"5xx": [1]}],
    "receive-throttled": [{"Throttles": [1]}],
    "sweep": [{"Errors": [1]}, {"Errors": []}],
    "daily-check": [{"Errors": [1]}],
    "mail-bounces": [{"Reputation.BounceRate": [0.045]}],
    "mail-complaints": [{"Reputation.ComplaintRate": [0.0009]}],
}


def alarms() -> dict[str, dict[str, Any]]:
    resources = merge_template()["Resources"].values()
    found = [r["Properties"] for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"]
    return {a["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): a for a in found}


def failures(name: str) -> list[Fed]:
    if name.endswith("dead-letters"):
        return [{"ApproximateNumberOfMessagesVisible": [1]}]
    return FAILURES[name]


def rings(alarm: Mapping[str, Any], fed: Fed) -> bool:
    """CloudWatch's evaluation: all of the last EvaluationPeriods breach, missing ones as TreatMissingData says."""
    periods = alarm["EvaluationPeriods"]
    if isinstance(periods, dict):
        periods = merge_template()["Parameters"][periods["Ref"]]["Default"]
    values = [_value(alarm, fed, n) for n in range(periods)]
    compare, threshold = COMPARE[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    missing = alarm["TreatMissingData"] == "breaching"
    return all(missing if v is None else compare(v, threshold) for v in values)


def _value(alarm: Mapping[str, Any], fed: Fed, period: int) -> float | None:
    if "MetricName" in alarm:
        return _at(fed, alarm["MetricName"], period)
    (expression,) = [m["Expression"] for m in alarm["Metrics"] if m.get("ReturnData")]
    ids = {m["Id"]: m["MetricStat"]["Metric"]["MetricName"] for m in alarm["Metrics"] if "MetricStat" in m}
    known: dict[str, Any] = {id: _at(fed, name, period) for id, name in ids.items()}
    known["FILL"] = lambda value, otherwise: otherwise if value is None else value
    known["IF"] = lambda condition, then, otherwise: then if condition else otherwise
    try:
        return float(eval(expression, {"__builtins__": {}}, known))  # the template's own words
    except TypeError:  # one that is missing and not filled: no data point
        return None


def _at(fed: Fed, name: str, period: int) -> float | None:
    values = fed.get(name, [])
    return values[period] if period < len(values) else None


@pytest.mark.parametrize("name", alarms())
def test_it_rings_when_what_it_is_for_happens_and_not_on_an_ordinary_day(name: str) -> None:
    alarm = alarms()[name]
    assert not rings(alarm, ORDINARY)
    for failure in failures(name):
        assert rings(alarm, {**ORDINARY, **failure})
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]


def test_a_wrong_secret_rings_however_small_the_shop_and_an_attack_on_a_large_one_does_too() -> None:
    alarm = alarms()["deliveries-refused"]
    assert rings(alarm, {"DeliveriesRefused": [3], "Invocations": [3]})
    assert rings(alarm, {"DeliveriesRefused": [4000], "Invocations": [9000]})
    assert not rings(alarm, {"DeliveriesRefused": [40], "Invocations": [9000]})  # somebody's scanner


def test_our_own_metrics_are_written_under_the_names_and_the_dimension_that_alarms_ask_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metric.count("ServedStale", "prod", NOW)
    telemetry = Telemetry("prod", lambda *given: "pseudonym")
    telemetry.refused(401, "meta", "main")
    telemetry.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    told = {m["Name"] for line in lines for d in line["_aws"]["CloudWatchMetrics"] for m in d["Metrics"]}
    assert {"ServedStale", "DeliveriesRefused"} <= told
    for line in lines:
        (described,) = line["_aws"]["CloudWatchMetrics"]
        assert (described["Namespace"], described["Dimensions"], line["service"]) == (
            "Earshot",
            [["service"]],
            "earshot-prod",
        )


@pytest.mark.parametrize("result", ["refused", "unknown", "undeliverable"])
def test_whatever_keeps_an_escalation_from_its_people_feeds_the_alarm_on_e_mails(
    result: str, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = Telemetry(f"failed-{result}", lambda *given: "pseudonym")
    conversation = Conversation("facebook", "1", "c1", "5001")
    telemetry.notified(Notified(conversation, 1, "team@example.com", "", "sent"))
    telemetry.notified(Notified(conversation, 1, "team@example.com", "", result))
    telemetry.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["EmailsFailed"] for line in lines if "_aws" in line] == [[1.0]]
    assert f"e-mail {result}" in [line.get("message") for line in lines]


def test_our_own_metrics_are_those_that_alarms_ask_for_and_cost_nothing() -> None:
    asked = {a["MetricName"] for a in alarms().values() if a.get("Namespace") == "Earshot"}
    asked |= {
        m["MetricStat"]["Metric"]["MetricName"]
        for a in alarms().values()
        for m in a.get("Metrics", ())
        if m.get("MetricStat", {}).get("Metric", {}).get("Namespace") == "Earshot"
    }
    assert asked == METRICS
    assert len(METRICS) <= read_prices().of["metric"].free
