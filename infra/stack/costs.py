"""`make costs`: what Earshot costs a month on AWS, by component, from prices.yaml and resources.yaml beside it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from chalicelib.outcomes.telemetry import METRICS
from infra.stack.package import merge_template

PRICES, USAGE = Path(__file__).with_name("prices.yaml"), Path(__file__).with_name("usage.yaml")
VOLUMES = (10_000, 1_000_000, 100_000_000)
TARGETS = {10_000: 400, 1_000_000: 20, 100_000_000: 12}  # US dollars a million questions, e-mail apart
MINUTES, SWEEPS, HOURS, NIGHTS = 30 * 24 * 60, 30 * 24 * 60, 30 * 24, 30
POLLS_A_QUEUE = 30 * 24 * 60 * 15  # Lambda's five pollers a queue wait up to 20 s each: 15 receives a minute
MEMORY_GB = 0.5
LOOKS = 30 * 24 * 12  # of the watch for spikes, every five minutes
WEEKS = 30 / 7
APART = ("E-mail", "E-mail events")
FUNCTIONS_BUSY = 4  # receive, respond, escalate, notify
OPTIONAL_QUEUES = 1  # incoming mail: nobody polls it without a reply domain


@dataclass(frozen=True, slots=True)
class Price:
    """`usd` for each `per` of something, of which `free` cost nothing each month. `verified`: the date on which
    somebody looked at the `source`, or False."""

    usd: float
    per: float
    of: str
    source: str
    verified: str | bool
    free: float = 0.0

    def cost(self, amount: float) -> float:
        """Dollars for `amount`."""
        return max(0.0, amount - self.free) / self.per * self.usd


@dataclass(frozen=True, slots=True)
class Line:
    """One component: how much of it is used a month, and what that costs."""

    component: str
    price: str
    amount: float
    usd: float


def read_prices(path: Path = PRICES) -> tuple[dict[str, Price], dict[str, float], str]:
    """The prices, what an interaction uses, and the date on which the prices were noted."""
    data = yaml.safe_load(path.read_text("utf-8"))
    return {name: Price(**row) for name, row in data["prices"].items()}, data["use"], str(data["noted"])


def read_usage(path: Path = USAGE) -> dict[str, dict[str, float]]:
    """What the real handlers were recorded to use by question: "now" and "before"."""
    found: dict[str, dict[str, float]] = yaml.safe_load(path.read_text("utf-8"))
    return found


def metrics_of(alarm: Mapping[str, Any]) -> int:
    """How many metrics an alarm watches: each is billed as an alarm."""
    return sum("MetricStat" in m for m in alarm["Properties"].get("Metrics", ())) or 1


def lambda_ms(n: float, used: Mapping[str, float], use: Mapping[str, float]) -> float:
    """Billed milliseconds of all functions on a question's way, for `n` questions a month."""
    told, emails = used["deliveries"], used["reached_tier_1"] + used["reached_tier_2"] + used["reached_tier_3"]
    cpu = (told * use["respond_cpu_ms"] + emails * use["notify_cpu_ms"]) / use["cpu_share"]
    waits = (used["dynamodb_calls"] + used["queue_messages"] - told) * use["aws_call_ms"]
    waits += used["acknowledged"] * use["platform_post_ms"] + emails * use["ses_ms"]
    receive = told / use["interactions_a_delivery"] * use["receive_ms"] + use["idle_a_question"] * use["idle_ms"]
    starts = HOURS * use["starts_an_hour"] * FUNCTIONS_BUSY * use["init_ms"]
    return n * (cpu + waits + receive) + SWEEPS * use["sweep_ms"] + starts


def amounts(
    n: float, use: Mapping[str, float], used: Mapping[str, float], template: Mapping[str, Any]
) -> list[tuple[str, str, float]]:
    """(component, price, amount a month) for `n` questions of customers a month."""
    resources = template["Resources"].values()
    kinds = [r["Type"] for r in resources]
    told = n * used["deliveries"]  # with the brand's replies and our echoes
    deliveries = told / use["interactions_a_delivery"] + n * use["idle_a_question"]
    emails = n * (used["reached_tier_1"] + used["reached_tier_2"] + used["reached_tier_3"])
    batch = min(use["respond_batch"], max(1.0, told / MINUTES / 60))
    timers = min(use["due_minutes_a_month"], n * use["timers_a_question"])
    facts = min(n * use["fact_changes"], MINUTES)  # a batching window of a minute
    invocations = deliveries + told / batch + 2 * emails + SWEEPS + timers + facts + LOOKS
    polled = sum(r["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" in r["Properties"] for r in resources)
    messages = n * used["queue_messages"] * (1 + 2 / batch) + 2 * emails + 3 * timers
    stored = n * (used["bytes_stored"] + used["index_bytes"]) / 2**30 * use["retention_months"]
    backed_up = n * used["bytes_stored"] / 2**30 * use["retention_months"]
    counted = stored * 2**30 / 4096 / 2  # the weekly report looks through the table, eventually consistent
    logs = (told * use["log_bytes_a_message"] + emails * use["log_bytes_an_escalation"] + (SWEEPS + timers) * 150) / 1e9
    return [
        ("API Gateway", "api_request", deliveries),
        ("Lambda requests", "lambda_request", invocations),
        ("Lambda time", "lambda_gb_second", lambda_ms(n, used, use) / 1000 * MEMORY_GB),
        (
            "Lambda for reports",
            "lambda_gb_second",
            use["reports_gb_seconds"] + (facts * 0.1 + LOOKS * use["look_s"]) * MEMORY_GB,
        ),
        ("SQS", "sqs_request", messages + (polled - OPTIONAL_QUEUES) * POLLS_A_QUEUE),
        ("DynamoDB writes", "dynamodb_write", n * used["write_units"]),
        (
            "DynamoDB reads",
            "dynamodb_read",
            n * used["read_units"] + (SWEEPS + timers) * used["sweep_read_units"] + WEEKS * counted,
        ),
        ("DynamoDB storage", "dynamodb_storage", stored),
        ("DynamoDB backup", "dynamodb_backup", backed_up),
        ("Facts kept", "s3_storage", n * use["fact_kb"] / 2**20 * use["facts_months"]),
        ("Facts written", "s3_request", facts + 4 * NIGHTS + LOOKS),
        ("Facts read", "s3_read", LOOKS * min(120.0, 1 + facts / LOOKS * 9) + facts + 4 * 60),
        ("Step Functions", "state_transition", timers * use["transitions_a_timer"]),
        ("E-mail", "email", emails),
        ("E-mail events", "sns_publish", emails),
        ("Logs", "log_gb", logs),
        ("Logs kept", "log_storage", logs),
        ("Metrics", "metric", len(METRICS)),
        ("Alarms", "alarm", sum(map(metrics_of, (r for r in resources if r["Type"] == "AWS::CloudWatch::Alarm")))),
        ("Dashboard", "dashboard", kinds.count("AWS::CloudWatch::Dashboard")),
        ("Secret", "secret", kinds.count("AWS::SecretsManager::Secret")),
        ("Secret read", "secret_call", MINUTES / 5 * FUNCTIONS_BUSY + math.sqrt(n)),  # each, every five minutes
    ]


def lines(n: float, when: str = "now") -> list[Line]:
    """The month at `n` questions, component by component."""
    prices, use, _ = read_prices()
    found = amounts(n, use, read_usage()[when], merge_template())
    return [Line(c, price, amount, prices[price].cost(amount)) for c, price, amount in found]


def without_mail(column: list[Line]) -> float:
    """Dollars a month, e-mail apart."""
    return sum(line.usd for line in column if line.component not in APART)


def table() -> str:
    """The costs at each of VOLUMES as a Markdown table."""
    _, use, noted = read_prices()
    columns = [lines(n) for n in VOLUMES]
    head = " | ".join(f"{n:,} a month" for n in VOLUMES)
    rows = [f"| US dollars | {head} |", "|---|" + "---:|" * len(VOLUMES)]
    for row in zip(*columns, strict=True):
        rows.append(f"| {row[0].component} | " + " | ".join(f"{line.usd:,.2f}" for line in row) + " |")
    totals = [without_mail(column) for column in columns]
    whole = [sum(line.usd for line in column) for column in columns]
    rows.append("| **together** | " + " | ".join(f"**{t:,.2f}**" for t in whole) + " |")
    rows.append("| **e-mail apart** | " + " | ".join(f"**{t:,.2f}**" for t in totals) + " |")
    each = [f"{t / n * 1e6:,.2f}" for t, n in zip(totals, VOLUMES, strict=True)]
    rows.append("| a million questions, e-mail apart | " + " | ".join(each) + " |")
    before = [f"{without_mail(lines(n, 'before')) / n * 1e6:,.2f}" for n in VOLUMES]
    rows.append("| the same with what was used before | " + " | ".join(before) + " |")
    aimed = [f"{TARGETS[n]:,}" for n in VOLUMES]
    rows.append("| aimed at | " + " | ".join(aimed) + " |")
    where = f"eu-central-1, noted {noted} from memory, none verified, each with the page to check it on"
    idle = f"{use['idle_a_question']:g} deliveries with nothing to do beside each question"
    return "\n".join([*rows, "", f"Prices and shares: infra/stack/prices.yaml ({where}); {idle}."])


def usage_table() -> str:
    """What a question uses, before and now, side by side."""
    usage = read_usage()
    rows = ["| a question uses | before | now |", "|---|---:|---:|"]
    for name, now in usage["now"].items():
        rows.append(f"| {name.replace('_', ' ')} | {usage['before'].get(name, 0):,g} | {now:,g} |")
    return "\n".join([*rows, "", "Recorded from the real handlers: infra/stack/usage.yaml says over which mix."])


if __name__ == "__main__":
    print(table())
    print()
    print(usage_table())
