"""What the real handlers use of AWS over a stated mix of questions, in the units that AWS bills.

`python -m tests.metered` plays the mix and prints what infra/stack/usage.yaml keeps for `make costs`;
tests/infra/test_costs.py holds that file against a fresh recording.

Sources: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html (sizes),
…/read-write-operations.html (units), …/GSI.html#GSI.ThroughputConsiderations.Writes (what a write costs in an index).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any

import yaml

from chalicelib.apps import Account, App, Apps
from chalicelib.aws.client import AwsError, LeanAws, Service
from chalicelib.outcomes.telemetry import Telemetry
from chalicelib.reports.facts import Deriver
from chalicelib.reports.stream import FactsOfChanges, work
from tests.aws_world import AwsWorld
from tests.world import NOW, PAGE, comment, delivery, message

USAGE = Path(__file__).parents[1] / "infra" / "stack" / "usage.yaml"
DAY_S = 24 * 3600
RETENTION_S = 90 * DAY_S  # RetentionDays' default
EXPIRES_IN_S = 2 * DAY_S  # "typically within two days of their expiration" DynamoDB takes an item away
LINE = 26  # bytes that CloudWatch counts with each line of a log
_stages = count()
INDEXES: Mapping[str, tuple[str, ...]] = {"overdue": ("shard", "wake_at"), "customer": ("customer",)}
Attributes = Mapping[str, Mapping[str, Any]]


def size(attributes: Attributes) -> int:
    """Bytes of an item as DynamoDB counts them."""
    return sum(len(name.encode()) + _value(value) for name, value in attributes.items())


def _value(stored: Mapping[str, Any]) -> int:
    ((kind, value),) = stored.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return ceil(len(str(value).strip("-0.").replace(".", "")) / 2) + 1
    if kind == "B":
        return len(value) * 3 // 4
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value(inner) for name, inner in value.items())
    if kind == "L":
        return 3 + sum(1 + _value(inner) for inner in value)
    return 1


def kept(attributes: Attributes) -> float:
    """Bytes of an item, with DynamoDB's own hundred, by the part of the retention for which they are kept."""
    lasts = int(attributes["expires_at"]["N"]) - NOW.timestamp() + EXPIRES_IN_S
    return (size(attributes) + 100) * min(1.0, lasts / RETENTION_S)


def _units(bytes: int, each: int) -> int:
    return max(1, ceil(bytes / each))


@dataclass
class Meter:
    """Counts by name: calls, write and read units (and of them those of each index), bytes written."""

    used: Counter[str] = field(default_factory=Counter)
    items: dict[tuple[str, str], Attributes] = field(default_factory=dict)
    stream: list[dict[str, Any]] = field(default_factory=list)
    """The changes that no facts were made of yet, as Lambda hands them over."""
    largest: Counter[str] = field(default_factory=Counter)

    def wrote(self, key: tuple[str, str], new: Attributes | None) -> None:
        """An item that was put, changed or (None) deleted."""
        old = self.items.get(key)
        bytes = max(size(old or {}), size(new or {}))
        kind = _kind(key)
        self._write(f"write units: {kind}", _units(bytes, 1024))
        self.used["bytes written"] += bytes
        if kind == "conversation" or (kind == "interaction" and old and new):  # as reports.yaml filters them
            self.used["fact changes"] += 1
            images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image}
            keys = {name: {"S": value} for name, value in zip(("pk", "sk"), key, strict=True)}
            number = f"{self.used['fact changes']:021}"
            self.stream.append({"dynamodb": {"Keys": keys, "SequenceNumber": number, **images}})
        self.largest[kind] = max(self.largest[kind], bytes)
        for index, names in INDEXES.items():
            before, after = _entry(old, names), _entry(new, names)
            if before != after:
                self._write(f"write units: index {index}", (before is not None) + (after is not None))
        if new is None:
            self.items.pop(key, None)
        else:
            self.items[key] = new

    def refused(self, key: tuple[str, str]) -> None:
        """A write whose condition failed costs as much as one that was done."""
        self._write("write units: refused", _units(size(self.items.get(key, {})), 1024))

    def read(self, bytes: int, *, consistent: bool) -> None:
        self.used["read units"] += _units(bytes, 4096) / (1 if consistent else 2)  # type: ignore[assignment]

    def _write(self, name: str, units: int) -> None:
        self.used[name] += units
        self.used["write units"] += units


def _kind(key: tuple[str, str]) -> str:
    pk, sk = key
    if pk.startswith("t#"):
        return "conversation" if sk.startswith("c#") else "thread"
    return {"i#": "interaction", "n#": "counter", "m#": "mark", "d#": "document"}.get(pk[:2], "other")


def _entry(attributes: Attributes | None, names: tuple[str, ...]) -> tuple[Any, ...] | None:
    if attributes is None or any(name not in attributes for name in names):
        return None
    return tuple(str(attributes[name]) for name in names)


@dataclass
class MeteredAws(LeanAws):
    """`inner`, with what each call costs noted."""

    inner: LeanAws
    meter: Meter

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.meter.used[f"{service.name} calls"] += 1
        name = f"{service.name}.{action}"
        if service.name != "dynamodb":
            self.meter.used[name] += 1
            self.meter.used["batched"] += len(parameters.get("Entries", ()))
        try:
            answer = self.inner.call(service, action, parameters)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                self.meter.refused(_key(parameters.get("Item") or parameters["Key"]))
            raise
        if note := _NOTES.get(name):
            note(self.meter, parameters, answer)
        return answer


def _key(attributes: Attributes) -> tuple[str, str]:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def _put(meter: Meter, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    meter.wrote(_key(request["Item"]), dict(request["Item"]))


def _update(meter: Meter, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    values = request["ExpressionAttributeValues"]
    old = meter.items.get(_key(request["Key"]), {})
    counted = int(old["n"]["N"]) if "n" in old else 0
    changed = {**request["Key"], **old, "n": {"N": str(counted + 1)}, "expires_at": values[":expires"]}
    meter.wrote(_key(request["Key"]), changed)


def _got(meter: Meter, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    meter.read(size(answer.get("Item", {})), consistent=bool(request.get("ConsistentRead")))


def _queried(meter: Meter, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    names = INDEXES.get(request.get("IndexName", ""))
    kept = [{n: i[n] for n in ("pk", "sk", *names)} if names else i for i in answer["Items"]]
    meter.read(sum(map(size, kept)), consistent=bool(request.get("ConsistentRead")))


_NOTES: Mapping[str, Callable[[Meter, Mapping[str, Any], Mapping[str, Any]], None]] = {
    "dynamodb.PutItem": _put,
    "dynamodb.UpdateItem": _update,
    "dynamodb.DeleteItem": lambda meter, request, answer: meter.wrote(_key(request["Key"]), None),
    "dynamodb.GetItem": _got,
    "dynamodb.Query": _queried,
}


# --- the mix: twenty questions, half under posts and half in private messages ---

APPS = Apps(  # a shop with two Pages, and one app at Meta for both
    (
        App(
            "meta",
            "main",
            secrets=("current", "previous"),
            app_id="424242",
            accounts=(
                Account(PAGE, "facebook", "Example Shop", "token-a"),
                Account(PAGE, "messenger", "Example Shop", "token-a"),
                Account("999", "facebook", "Example Shop Leeds", "token-b"),
            ),
        ),
    )
)

ASKED = (  # text, when a person of the brand answers on the platform (minutes after it; None: nobody has to)
    ("Can I return this dress?", 5),
    ("Do you ship to Norway?", 6),
    ("my discount code is not working", 8),
    ("hm, and the other one?", 4),
    ("I have written to you twice now, what is going on", 7),
    ("Thank you so much!", None),
    ("same as Maria above", 9),
    ("once more: what is going on over there?", 60),  # after the first tier
    ("this is the worst service ever!!", 60),
    ("terrible, just terrible", 60),
    ("Can I swap these shoes for a smaller size?", 5),
    ("Do you have gift cards?", 6),
    ("yes that one", 8),
    ("it was the blue one, ordered by my sister", 4),
    ("ok I sent it", 7),
    ("Thanks a lot, perfect!", None),
    ("what time does the leeds store close on sunday", 9),
    ("Do you ship to Canada?", 60),
    ("nobody answers, very disappointed", 120),  # after the second
    ("you took the money twice, this is a disgrace", 400),  # after all three
)
MINUTES = (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 30, 60, 61, 90, 91, 95, 120, 121, 200, 330, 335, 340, 400)


@dataclass(frozen=True, slots=True)
class Question:
    """One of ASKED: its number there, and where it is asked."""

    number: int
    text: str
    answered: int | None
    private: bool


MIX = tuple(Question(n, text, at, n >= len(ASKED) // 2) for n, (text, at) in enumerate(ASKED))


class Shop:
    """The mix, or some of it, on its way through the real handlers."""

    def __init__(self, asked: Sequence[Question] = MIX) -> None:
        self.asked = asked
        self.world, self.meter = AwsWorld(apps=APPS), Meter()
        services = self.world.services
        services.__dict__["lean_aws"] = MeteredAws(services.lean_aws, self.meter)
        self.world.sweep()  # the first one notes the playbook's clocks: once a playbook, not once a question
        self.meter.used.clear()
        self.once = frozenset(self.meter.items)
        self.log = StringIO()
        with redirect_stdout(self.log):  # which a logger keeps, so that each has a stage of its own
            services.telemetry = Telemetry(f"{next(_stages):04}", services.keys.pseudonym)
        self.deliveries = 0
        self.echoed = 0
        self.sweeps: list[int] = []  # each one's calls of the table

    def play(self) -> None:
        """Everything that happens, in the order of its time."""
        with redirect_stdout(self.log):
            self._play()

    def _play(self) -> None:
        for q in self.asked:
            self._deliver(self._question(q.number, q.text, private=q.private))
            self._echo(q.number, private=q.private)
        self._facts()
        for minute in MINUTES:
            self.world.services.time = NOW + timedelta(minutes=minute)
            for q in self.asked:
                if q.answered == minute:
                    self._deliver(self._answer(q.number, private=q.private))
            before = Counter(self.meter.used)
            self.world.sweep()
            self.swept = self.meter.used - before  # of the last sweep, at which nothing is due any more
            self.sweeps.append(self.swept["dynamodb calls"])
            self.world.work()
            self.world.mail_events()
            self._facts()

    def _facts(self) -> None:
        """The minute's changes become facts, as one batch; what that reads is counted apart."""
        services, before = self.world.services, Counter(self.meter.used)
        records, self.meter.stream = self.meter.stream, []
        deriver = Deriver(services.playbook, services.keys)
        work({"Records": records}, FactsOfChanges(services.store.table, deriver), lambda key, content: None)
        read = self.meter.used["read units"] - before["read units"]
        calls = self.meter.used["dynamodb calls"] - before["dynamodb calls"]
        self.meter.used = before
        self.meter.used["fact reads"] += read
        self.meter.used["fact calls"] += calls

    def _question(self, number: int, text: str, *, private: bool) -> bytes:
        id, author = f"q{number:014}", f"77{number:013}"
        if private:
            return message(f"m_{id}", text, author=author)
        return delivery(comment(f"{PAGE}_{id}", text, author=author, post=f"{PAGE}_{number:015}"))

    def _answer(self, number: int, *, private: bool) -> bytes:
        id = f"a{number:014}"
        return self._said(f"m_{id}" if private else f"{PAGE}_{id}", number, "Hello, here you are.", private=private)

    def _said(self, id: str, number: int, text: str, *, private: bool) -> bytes:
        at = self.world.services.time
        if private:
            return message(id, text, author=f"77{number:013}", at=at, is_echo=True)
        parent, post = f"{PAGE}_q{number:014}", f"{PAGE}_{number:015}"
        return delivery(comment(id, text, author=PAGE, at=at, parent=parent, post=post))

    def _deliver(self, body: bytes) -> None:
        self.deliveries += 1
        self.world.deliver(body)
        self.world.work()

    def _echo(self, number: int, *, private: bool) -> None:
        """The platform tells of our own reply as well."""
        texts = self.world.platforms.texts()
        for told, text in enumerate(texts[self.echoed :], self.echoed + 1):
            self._deliver(self._said(f"posted-{told}", number, text, private=private))
        self.echoed = len(texts)


def timers() -> int:
    """Executions that the mix starts when no two of its questions share a minute: each asked in a shop of its own."""
    shops = [Shop([question]) for question in MIX]
    for shop in shops:
        shop.play()
    return sum(shop.meter.used["states.StartExecution"] for shop in shops)


def record() -> dict[str, float]:
    """What the mix used, by question; what one idle sweep uses; and what the mix led to."""
    shop = Shop()
    shop.play()
    n, used, sweeps = len(ASKED), shop.meter.used, len(MINUTES)
    idle = shop.swept
    stored = [item for key, item in shop.meter.items.items() if key not in shop.once]
    lines = shop.log.getvalue().splitlines()
    notices = [notice for c in shop.world.conversations() for notice in c.notices.values()]
    found = {
        "deliveries": shop.deliveries,
        "acknowledged": shop.echoed,
        "reached_tier_1": sum(notice.tier == 1 for notice in notices),
        "reached_tier_2": sum(notice.tier == 2 for notice in notices),
        "reached_tier_3": sum(notice.tier == 3 for notice in notices),
        "write_units": used["write units"],
        **{name.replace(": ", "_").replace(" ", "_"): used[name] for name in sorted(used) if "units: " in name},
        "read_units": used["read units"] - sweeps * idle["read units"],
        "dynamodb_calls": used["dynamodb calls"] - sweeps * idle["dynamodb calls"],
        "escalate_calls": sum(shop.sweeps) - sweeps * idle["dynamodb calls"],
        "bytes_written": used["bytes written"],
        "bytes_stored": sum(map(kept, stored)),
        "index_bytes": sum(200 for item in stored for names in INDEXES.values() if _entry(item, names)),
        "queue_messages": used["sqs.SendMessage"] + used["batched"],
        "queue_batched": used["batched"],
        "fact_changes": used["fact changes"],
        "fact_read_units": used["fact reads"],
        "fact_calls": used["fact calls"],
        "log_bytes": sum(len(line.encode()) + LINE for line in lines),
        "timers": timers(),
    }
    by_question = {name: round(value / n, 3) for name, value in found.items()}
    return {**by_question, "sweep_read_units": idle["read units"], "sweep_calls": idle["dynamodb calls"]}


if __name__ == "__main__":
    print(yaml.safe_dump(record(), sort_keys=False))
