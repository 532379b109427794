"""`make costs`: what Earshot costs a month on AWS, by component, from prices.yaml and resources.yaml beside it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.stack.package import merge_template

PRICES = Path(__file__).with_name("prices.yaml")
VOLUMES = (10_000, 1_000_000, 100_000_000)
MINUTES, SWEEPS = 30 * 24 * 60, 30 * 24 * 60
POLLS_A_QUEUE = 30 * 24 * 60 * 15  # Lambda's five pollers a queue wait up to 20 s each: 15 receives a minute
MEMORY_GB = 0.5
OWN_METRICS = 20  # names that outcomes/telemetry.py and outcomes/metric.py can write


@dataclass(frozen=True, slots=True)
class Price:
    """`usd` for each `per` of something, of which `free` cost nothing each month."""

    usd: float
    per: float
    of: str
    source: str
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


def amounts(n: float, use: Mapping[str, float], template: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """(component, price, amount a month) for `n` interactions of customers a month."""
    kinds = [r["Type"] for r in template["Resources"].values()]
    told = n * (1 + use["share_answered_by_brand"] + use["share_acknowledged"])  # with the brand's replies, our echoes
    deliveries = told / use["interactions_a_delivery"]
    escalated = n * use["share_escalated"]
    batches = told / min(use["respond_batch"], max(1.0, told / MINUTES))
    timers = min(use["due_minutes_a_month"], n)
    functions_ms = deliveries * use["receive_ms"] + told * use["respond_ms"]
    functions_ms += escalated * use["notify_ms"] + (SWEEPS + timers) * use["sweep_ms"]
    invocations = deliveries + batches + 2 * escalated + SWEEPS + timers
    queues = kinds.count("AWS::SQS::Queue") // 2
    messages = deliveries * (1 + 2 / use["respond_batch"]) + 6 * escalated + 3 * timers
    stored = told * use["item_kb"] * 2 / 2**20 * use["retention_months"]
    logs = (told * use["log_bytes_an_interaction"] + escalated * use["log_bytes_an_escalation"]) / 1e9
    logs += (SWEEPS + timers) * 250 / 1e9
    writes = told * (use["writes_an_interaction"] * use["write_units"] + use["index_writes"])
    writes += escalated * 4 * use["write_units"]
    reads = told * use["reads_an_interaction"] * use["read_units"] + escalated * 6 + (SWEEPS + timers) * 4
    return [
        ("API Gateway", "api_request", deliveries),
        ("Lambda requests", "lambda_request", invocations),
        ("Lambda time", "lambda_gb_second", functions_ms / 1000 * MEMORY_GB),
        ("SQS", "sqs_request", messages + queues * POLLS_A_QUEUE),
        ("DynamoDB writes", "dynamodb_write", writes),
        ("DynamoDB reads", "dynamodb_read", reads),
        ("DynamoDB storage", "dynamodb_storage", stored),
        ("DynamoDB backup", "dynamodb_backup", stored),
        ("Facts kept", "s3_storage", n * use["fact_kb"] / 2**20 * use["facts_months"]),
        ("Step Functions", "state_transition", timers * use["transitions_a_timer"]),
        ("E-mail", "email", escalated),
        ("E-mail events", "sns_publish", escalated),
        ("Logs", "log_gb", logs),
        ("Logs kept", "log_storage", logs),
        ("Metrics", "metric", OWN_METRICS),
        ("Alarms", "alarm", kinds.count("AWS::CloudWatch::Alarm")),
        ("Dashboard", "dashboard", kinds.count("AWS::CloudWatch::Dashboard")),
        ("Secret", "secret", kinds.count("AWS::SecretsManager::Secret")),
        ("Secret read", "secret_call", MINUTES / 5 * 4 + math.sqrt(n)),  # four busy functions, every five minutes
    ]


def lines(n: float) -> list[Line]:
    """The month at `n` interactions, component by component."""
    prices, use, _ = read_prices()
    return [
        Line(c, price, amount, prices[price].cost(amount)) for c, price, amount in amounts(n, use, merge_template())
    ]


def table() -> str:
    """The costs at each of VOLUMES as a Markdown table."""
    _, _, noted = read_prices()
    columns = [lines(n) for n in VOLUMES]
    head = " | ".join(f"{n:,} a month" for n in VOLUMES)
    rows = [f"| US dollars | {head} |", "|---|" + "---:|" * len(VOLUMES)]
    for row in zip(*columns, strict=True):
        rows.append(f"| {row[0].component} | " + " | ".join(f"{line.usd:,.2f}" for line in row) + " |")
    totals = [sum(line.usd for line in column) for column in columns]
    rows.append("| **together** | " + " | ".join(f"**{t:,.2f}**" for t in totals) + " |")
    each = [f"{t / n * 1000:,.3f}" for t, n in zip(totals, VOLUMES, strict=True)]
    rows.append("| for 1,000 interactions | " + " | ".join(each) + " |")
    where = f"eu-central-1, noted {noted} from memory, each with the page to check it on"
    return "\n".join([*rows, "", f"Prices and shares: infra/stack/prices.yaml ({where})."])


if __name__ == "__main__":
    print(table())
