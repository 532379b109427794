"""What Earshot costs a month on AWS, by component: prices.yaml times what usage.yaml and the template say is used.
infra/stack/cost_tables.py prints it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, Unpack

import yaml

from chalicelib.aws.queues import BATCH
from chalicelib.outcomes.telemetry import METRICS
from infra.stack.definitions import holds
from infra.stack.package import merge_template
from infra.stack.prices import Prices, read_prices
from infra.stack.provisioned import ALARMS_A_POLICY

USAGE = Path(__file__).with_name("usage.yaml")
VOLUMES = (10_000, 1_000_000, 100_000_000)
MINUTES, SWEEPS, HOURS, NIGHTS = 30 * 24 * 60, 30 * 24 * 60, 30 * 24, 30
SECONDS = MINUTES * 60
POLLERS, POLL_S = 5, 20  # Lambda's on each queue, and how long one waits for a message
MAIL_BATCH, MAIL_WINDOW_S = 10, 10  # of mail events: app.py, resources.yaml
MEMORY_GB = 0.5  # of the functions whose size no parameter says
CORE_GB = 1769 / 1024  # buys one core
LOOKS = 30 * 24 * 12  # of the watch for spikes, every five minutes
READ_HOURS = 2.5  # that it looks at: this hour as far as it has come, and the two before
WEEKS = 30 / 7
APART = ("E-mail", "E-mail events")
FUNCTIONS_BUSY = 4  # receive, respond, escalate, notify
Amounts = list[tuple[str, str, float]]
"""(component, price, amount a month)"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a stack has that costs by itself or by the request, whatever is asked."""

    alarm_metrics: int
    own_metrics: int
    dashboards: int
    secrets: int
    polled_queues: int
    http_api: bool
    memory_mb: int = 512
    facts_window_s: int = 60


class Parameters(TypedDict, total=False):
    """Those of a stack that are not the template's defaults."""

    memory_mb: int
    facts_window_s: int


@dataclass(frozen=True, slots=True)
class Line:
    """One component: how much of it is used a month, and what that costs."""

    component: str
    price: str
    amount: float
    usd: float


@cache
def read_usage(path: Path = USAGE) -> dict[str, dict[str, float]]:
    """What the real handlers were recorded to use by question ("now", "before"), and "before_stack", the Shape then."""
    found: dict[str, dict[str, float]] = yaml.safe_load(path.read_text("utf-8"))
    return found


def metrics_of(alarm: Mapping[str, Any]) -> int:
    """How many metrics an alarm watches: each is billed as an alarm."""
    return sum("MetricStat" in m for m in alarm["Properties"].get("Metrics", ())) or 1


@cache
def shape() -> Shape:
    """That of a new stack, whose parameters are the template's defaults."""
    template = merge_template()
    resources = [r for r in template["Resources"].values() if "Condition" not in r or holds(template, r["Condition"])]
    kinds = [r["Type"] for r in resources]
    mail = holds(template, "ReceivesMail")
    return Shape(
        alarm_metrics=sum(metrics_of(r) for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"),
        own_metrics=len(METRICS),
        dashboards=kinds.count("AWS::CloudWatch::Dashboard"),
        secrets=kinds.count("AWS::SecretsManager::Secret"),
        # nobody polls the queue of incoming mail without a domain for it
        polled_queues=sum(r["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" in r["Properties"] for r in resources)
        - (not mail),
        http_api="AWS::ApiGatewayV2::Api" in kinds,
        memory_mb=template["Parameters"]["Memory"]["Default"],
        facts_window_s=template["Parameters"]["FactsWindow"]["Default"],
    )


def minutes_with(events: float) -> float:
    """In how many minutes of a month at least one of so many things happens, when they happen evenly. Those of a shop
    crowd into its hours and come several at once, so that it is fewer."""
    return spans_with(events, 60)


def spans_with(events: float, seconds: int) -> float:
    """The same of spans of so many seconds."""
    spans = SECONDS / seconds
    return spans * -math.expm1(-events / spans)


def idle_polls(messages: float, busy: float) -> float:
    """Receives a month that find nothing, on a queue whose `messages` all come in the `busy` share of it, and there at
    random: a poll ends with a message or after POLL_S."""
    rate = messages / (busy * SECONDS)
    expected = rate * POLL_S / POLLERS  # while one of them waits
    empty = rate / math.expm1(min(expected, 500.0)) if expected > 1e-9 else POLLERS / POLL_S
    return SECONDS * (busy * empty + (1 - busy) * POLLERS / POLL_S)


@dataclass(frozen=True, slots=True)
class Month:
    """`n` questions of customers, with what each uses and the template's `stack`."""

    n: float
    use: Mapping[str, float]
    used: Mapping[str, float]
    stack: Shape

    @property
    def told(self) -> float:
        """Deliveries with something to do: questions, the brand's replies, our echoes."""
        return self.n * self.used["deliveries"]

    @property
    def received(self) -> float:
        """Deliveries with something to do, as the platforms put it together."""
        return self.told / self.use["interactions_a_delivery"]

    @property
    def deliveries(self) -> float:
        return self.received + self.n * self.use["idle_a_question"]

    @property
    def emails(self) -> float:
        """One for each tier that was reached, none of them grouped: the dearest case."""
        return self.n * sum(self.used[f"reached_tier_{tier}"] for tier in (1, 2, 3))

    @property
    def batch(self) -> float:
        """Messages that one invocation of respond takes."""
        return min(self.use["respond_batch"], max(1.0, self.told / SECONDS))

    @property
    def sends(self) -> float:
        """Calls that put messages on a queue."""
        return self.n * (self.used["queue_messages"] - self.used["queue_batched"]) + self.swept_sends

    @property
    def swept_sends(self) -> float:
        """Those of the sweeps: what one of a minute queues goes BATCH at a time, of k messages at most
        (k + BATCH - 1) / BATCH calls."""
        batched = self.n * self.used["queue_batched"]
        return minutes_with(batched) * (1 - 1 / BATCH) + batched / BATCH

    @property
    def mail_batch(self) -> float:
        """SES's events that one invocation takes: the window in resources.yaml waits for more."""
        return min(MAIL_BATCH, 1 + self.emails / SECONDS * MAIL_WINDOW_S)

    @property
    def timers(self) -> float:
        """Executions, one for a minute in which anything falls due."""
        return minutes_with(self.n * self.used["timers"])

    @property
    def changes(self) -> float:
        """What the stream hands to the facts."""
        return self.n * self.used["fact_changes"]

    @property
    def stored_gb(self) -> float:
        """What the table and its indexes hold."""
        each = self.used["bytes_stored"] + self.used["index_bytes"]
        return self.n * self.use["retention_months"] * each / 2**30

    @property
    def fact_files(self) -> float:
        """Invocations of the facts, each with one object put: in each shard of the stream, of which there is one for
        each of the table's partitions, a batching window or a full batch."""
        shards = max(self.use["least_partitions"], self.stored_gb / self.use["partition_gb"])
        windows = shards * spans_with(self.changes / shards, self.stack.facts_window_s)
        return max(windows, self.changes / self.use["fact_batch"])

    def amounts(self) -> Amounts:
        """Everything that is charged."""
        return [*self._functions(), *self._queues(), *self._table(), *self._facts(), *self._mail(), *self._watching()]

    def _functions(self) -> Amounts:
        mail = self.emails * (1 + 1 / self.mail_batch)  # each sent alone, what became of them told together
        invocations = self.deliveries + self.told / self.batch + mail + SWEEPS + self.timers
        reports = self.use["reports_gb_seconds"] + LOOKS * self.use["look_s"] * MEMORY_GB
        reports += self.changes * self.use["look_fact_ms"] / 1000 * MEMORY_GB
        facts = self.changes * self.use["fact_change_ms"] + self.n * self.used["fact_calls"] * self.use["dynamodb_ms"]
        reports += facts / 1000 * MEMORY_GB
        out = self.deliveries * self.use["answer_kb"] + self.n * self.used["acknowledged"] * self.use["post_kb"]
        return [
            ("API Gateway", "api_request", self.deliveries if self.stack.http_api else 0.0),
            ("Lambda requests", "lambda_request", invocations + self.fact_files + LOOKS),
            ("Lambda time", "lambda_gb_second", self._lambda_gb_seconds()),
            ("Lambda for reports", "lambda_gb_second", reports),
            ("Data to the internet", "data_out", out / 2**20),
        ]

    def _lambda_gb_seconds(self) -> float:
        """Billed for all functions on a question's way: those whose memory is a parameter, and escalate and sweep."""
        memory_gb = self.stack.memory_mb / 1024
        ours = self._cpu_ms() / min(1.0, memory_gb / CORE_GB) + self._waits_ms() + self._begun_ms()
        return (ours * memory_gb + self._escalating_ms() * MEMORY_GB) / 1000

    def _cpu_ms(self) -> float:
        """On a whole core: receive, respond, notify, mail_events."""
        use = self.use
        received = self.received * use["receive_cpu_ms"] + self.n * use["idle_a_question"] * use["idle_cpu_ms"]
        mailed = self.emails * (use["notify_cpu_ms"] + use["mail_event_cpu_ms"])
        return received + self.told * use["respond_cpu_ms"] + mailed

    def _waits_ms(self) -> float:
        """For answers of AWS and of the platforms, in the same functions."""
        use, used = self.use, self.used
        table = self.n * (used["dynamodb_calls"] - used["escalate_calls"]) * use["dynamodb_ms"]
        queues = (self.sends - self.swept_sends) * use["sqs_ms"]
        return table + queues + self.n * used["acknowledged"] * use["platform_post_ms"] + self.emails * use["ses_ms"]

    def _begun_ms(self) -> float:
        """Lambda bills whole milliseconds: half of one for each invocation."""
        idle = self.n * self.use["idle_a_question"]
        return 0.5 * (self.received + idle + self.told / self.batch + self.emails * (1 + 1 / self.mail_batch))

    def _escalating_ms(self) -> float:
        """Of escalate and sweep, and what all functions' starts take."""
        use = self.use
        each = self.emails * use["escalate_cpu_ms"] / (MEMORY_GB / CORE_GB)
        calls = self.n * self.used["escalate_calls"] * use["dynamodb_ms"] + self.swept_sends * use["sqs_ms"]
        starts = HOURS * use["starts_an_hour"] * FUNCTIONS_BUSY * use["init_ms"]
        return each + calls + (SWEEPS + self.timers) * use["sweep_ms"] + starts

    def _queues(self) -> Amounts:
        """Each message is sent, received and deleted; respond's in batches, and a sweep's put together. Some polls find
        nothing."""
        messages = self.sends + self.n * self.used["queue_messages"] * 2 / self.batch + 3 * self.timers
        messages += self.emails * (1 + 1 / self.mail_batch)  # put by SNS; received, and deleted together
        read = [self.told, self.timers, self.emails, self.emails]  # inbox, due, escalations, mail events
        read += [0.0] * (self.stack.polled_queues - len(read))
        idle = sum(idle_polls(each, self.use["busy_share"]) for each in read)
        return [
            ("SQS", "sqs_request", messages + idle),
            ("Step Functions", "state_transition", self.timers * self.use["transitions_a_timer"]),
        ]

    def _table(self) -> Amounts:
        kept = self.n * self.use["retention_months"] / 2**30
        stored = self.stored_gb
        # the weekly report looks through the table, eventually consistent, until its time runs short
        counted = min(stored, self.use["looked_through_gb"]) * 2**30 / 4096 / 2
        reads = self.n * self.used["read_units"] + (SWEEPS + self.timers) * self.used["sweep_read_units"]
        return [
            ("DynamoDB writes", "dynamodb_write", self.n * self.used["write_units"]),
            ("DynamoDB reads", "dynamodb_read", reads + self.n * self.used["fact_read_units"] + WEEKS * counted),
            ("DynamoDB storage", "dynamodb_storage", stored),
            ("DynamoDB backup", "dynamodb_backup", kept * self.used["bytes_stored"]),
        ]

    def _facts(self) -> Amounts:
        """The stream's objects. Each look of the watch lists a day's, a thousand at a time, and reads those of the last
        five minutes, or of READ_HOURS where its process is a new one."""
        files, use = self.fact_files, self.use
        listed = LOOKS * math.ceil(files / 30 / 2 / 1000)
        of_a_look = files / LOOKS
        news = LOOKS * -math.expm1(-of_a_look)  # else it has nothing to keep
        anew = use["starts_an_hour"] * HOURS * (READ_HOURS - 1 / 12) * 12 * of_a_look
        return [
            ("Facts kept", "s3_storage", self.n * use["fact_kb"] / 2**20 * use["facts_months"]),
            ("Facts written", "s3_request", files + 4 * NIGHTS + listed + news),
            ("Facts read", "s3_read", LOOKS * (of_a_look + 1) + anew + files + 4 * 60),
        ]

    def _mail(self) -> Amounts:
        return [("E-mail", "email", self.emails), ("E-mail events", "sns_publish", self.emails)]

    def _watching(self) -> Amounts:
        logs = (self.n * self.used["log_bytes"] + (SWEEPS + self.timers) * 150) / 1e9
        return [
            ("Logs", "log_gb", logs),
            ("Logs kept", "log_storage", logs),
            ("Metrics", "metric", self.stack.own_metrics),
            ("Alarms", "alarm", self.stack.alarm_metrics),
            ("Dashboard", "dashboard", self.stack.dashboards),
            ("Secret", "secret", self.stack.secrets),
            (
                "Secret read",
                "secret_call",
                MINUTES / 5 * FUNCTIONS_BUSY + math.sqrt(self.n),
            ),  # each, every five minutes
        ]


def month(
    n: float, when: str = "now", use: Mapping[str, float] | None = None, **parameters: Unpack[Parameters]
) -> Month:
    """`n` questions a month as they are worked on now, or were "before", in a new stack, or in one with other
    `parameters`."""
    usage = read_usage()
    stack = Shape(**usage["before_stack"]) if when == "before" else shape()  # type: ignore[arg-type]
    return Month(n, use or read_prices().use, usage[when], replace(stack, **parameters))


def lines(
    n: float, when: str = "now", prices: Prices | None = None, *, free: bool = True, **parameters: Unpack[Parameters]
) -> list[Line]:
    """The month at `n` questions, component by component; what AWS gives for nothing is taken off once, unless not
    `free`. `parameters` as `month` has them."""
    prices = prices or read_prices()
    left = {name: price.free if free else 0.0 for name, price in prices.of.items()}
    found = []
    for component, name, amount in month(n, when, prices.use, **parameters).amounts():
        found.append(Line(component, name, amount, prices.of[name].cost(amount, left[name])))
        left[name] = max(0.0, left[name] - amount)
    return found


@cache
def memories() -> tuple[int, ...]:
    """The sizes, in MB, that functions can have by the template, the smallest first."""
    return tuple(sorted(merge_template()["Parameters"]["Memory"]["AllowedValues"]))


def without_mail(column: list[Line]) -> float:
    """Dollars a month, e-mail apart."""
    return sum(line.usd for line in column if line.component not in APART)


def table_otherwise(n: float, prices: Prices) -> tuple[float, float, float]:
    """Dollars a month for the table's requests and storage at `n` questions: on demand, provisioned with auto scaling
    (and its alarms), and on demand in the class for what is seldom read."""
    amounts = {name: amount for _, name, amount in month(n, use=prices.use).amounts() if name.startswith("dynamodb_")}
    writes, reads, stored = (amounts[f"dynamodb_{part}"] for part in ("write", "read", "storage"))
    of, other = prices.of, prices.capacity
    kept = of["dynamodb_storage"].cost(stored, of["dynamodb_storage"].free)
    template, an_hour = merge_template(), 3600 * prices.use["provisioned_use"]
    policies = sum(r["Type"].endswith("::ScalingPolicy") for r in template["Resources"].values())
    least = HOURS * policies / 2 * template["Parameters"]["TableUnits"]["Default"]
    provisioned = of["alarm"].cost(policies * ALARMS_A_POLICY)  # the stack's own use up the free ones
    for name, units in (("write_hour", writes), ("read_hour", reads)):
        provisioned += other[name].cost(max(least, units / an_hour), other[name].free)
    rare = other["rare_write"].cost(writes) + other["rare_read"].cost(reads) + other["rare_storage"].cost(stored)
    return of["dynamodb_write"].cost(writes) + of["dynamodb_read"].cost(reads) + kept, provisioned + kept, rare
