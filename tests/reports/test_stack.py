"""What the retailer learns, as it runs on AWS: out of the zip, under Lambda's own runtime client, with its layers."""

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.reports.bucket import Bucket, history, span_keys
from chalicelib.reports.columns import to_lines
from chalicelib.reports.compaction import anonymise, compact
from chalicelib.reports.lake import COMPACTED, Lake
from infra.local.deliveries import deliver
from infra.local.deployed import Deployed, deployed, until
from infra.local.embedded import STACK, client
from infra.local.lambda_runtime import Environment, function
from infra.stack.layers import LAYERS, LIMIT, names, unread
from infra.stack.package import MAX_UNZIPPED, merge_template
from tests.reports.test_ledger import fact

BUCKET = f"{STACK}-facts"


@pytest.fixture(scope="module")
def running() -> Iterator[Deployed]:
    with deployed() as found:
        yield found


def layer(name: str, folder: Path) -> Path:
    """The layer's libraries as installed here, of the same versions, without what the layer leaves out."""
    waiting = re.findall(r"^([\w.-]+)==", (LAYERS / f"{name}.txt").read_text("utf-8"), re.MULTILINE)
    done: set[str] = set()
    while waiting:
        found = distribution(waiting.pop())
        if found.metadata["Name"] in done:
            continue
        done.add(found.metadata["Name"])
        waiting += [re.split(r"[^\w.-]", r)[0] for r in found.requires or [] if ";" not in r]  # for every platform
        link(found, folder)
    return folder


def link(found: Distribution, folder: Path) -> None:
    for file in found.files or []:
        inside = file.as_posix()
        if not (inside.startswith("..") or unread(f"python/{inside}")):
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                os.symlink(str(found.locate_file(file)), target)


@contextmanager
def started(running: Deployed, name: str, layered: Path | None = None) -> Iterator[Environment]:
    own = {"EARSHOT_FACTS_BUCKET": BUCKET, "MPLCONFIGDIR": "/tmp/matplotlib", "AWS_ACCESS_KEY_ID": name}
    variables = running.variables("notify") | own
    handler = f"chalicelib.report_functions.{name}"
    with function(running.task, handler, variables, timeout_s=180.0, layer=layered) as environment:
        yield environment


def stream(running: Deployed) -> dict[str, Any]:
    """Everything in the table as DynamoDB Streams would have told of it."""
    table = running.aws.settings.table
    items = client("dynamodb", running.aws.endpoint).scan(TableName=table)["Items"]
    records = []
    for number, item in enumerate(i for i in items if i["sk"]["S"].startswith("c#")):
        told = {"Keys": {k: item[k] for k in ("pk", "sk")}, "NewImage": item, "SequenceNumber": f"{number:021}"}
        records.append({"eventName": "INSERT", "dynamodb": told})
    encoded = json.dumps({"Records": records}, default=lambda value: b64encode(value).decode())
    return json.loads(encoded)  # type: ignore[no-any-return]


def test_from_a_question_to_the_report(running: Deployed, tmp_path: Path) -> None:
    asked = [SimulatedMessage("facebook", f"Can I swap the size of my coat? ({n})", f"77{n}", "Ann") for n in range(3)]
    assert deliver(running.apps, *asked).send(running.url)[0] == 200
    until(lambda: len(stream(running)["Records"]) == 3)
    s3 = client("s3", running.aws.endpoint)
    bucket = Bucket(s3, BUCKET)
    with started(running, "facts") as facts:
        for _ in range(2):  # a batch that comes again replaces what it wrote
            assert facts.invoke(stream(running)) == {"facts": 3}
    ((day, (key,)),) = bucket.days().items()
    assert key.endswith(".jsonl")

    before = datetime.now(UTC) - timedelta(days=3)  # a report is of whole days
    old = fact(asked_at=before, received_at=before, promised_by=before + timedelta(hours=1))
    bucket.put(f"facts/day={before.date()}/a.jsonl", to_lines([old]))
    reports = layer("reports", tmp_path / "reports")
    with started(running, "compact", reports) as nightly:
        assert nightly.invoke({}) == {"days": 2, "anonymised": 0}
        assert nightly.invoke({}) == {"days": 0, "anonymised": 0}
    assert bucket.days() == {d: [f"facts/day={d}/{COMPACTED}"] for d in (before.date(), day)}
    tomorrow = datetime.now(UTC).date() + timedelta(days=2)
    assert sum(n for _, n in history(bucket.get_json("counts.json"), tomorrow)) == 4

    days = {(datetime.now(UTC).date() - timedelta(days=n)).isoformat(): 5 + n % 7 for n in range(40)}
    bucket.put_json("counts.json", {"all": days})
    with started(running, "forecast", layer("forecast", tmp_path / "forecast")) as forecast:
        assert forecast.invoke({})["days"] == 39  # whole days only
    with started(running, "watch") as watch:
        assert watch.invoke({}) == {"spikes": 0}
    with started(running, "report", reports) as report:
        made = report.invoke({})
        assert (made["exact"], made["mail"]) == (False, "sent")  # the fact of three days ago was made up
        assert report.invoke({})["mail"] == "sent before"
    email = running.aws.emails()[-1]
    assert email.to == "service-lead@shop.example.com" and email.tags["kind"] == "report"
    link = re.search(r"/report/\S+", email.text)
    assert link and email.images and f"{running.url}{link[0]}" in email.text
    shown = urlopen(running.url + link[0]).read().decode()
    html = s3.get_object(Bucket=BUCKET, Key=made["report"])["Body"].read().decode()
    assert "The next four weeks bring about" in html and shown == html
    assert {o["Key"].rpartition(".")[2] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix="reports/")["Contents"]} == {
        *("html", "json", "csv")
    }


def test_what_is_compacted_while_more_comes_loses_nothing(running: Deployed, tmp_path: Path) -> None:
    """A file that comes between reading a day and tidying it up stays, and so does what a crash left behind."""
    s3 = client("s3", running.aws.endpoint)
    s3.create_bucket(Bucket="again", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    class Busy(Bucket):
        def drop(self, keys: list[str]) -> None:
            self.put("facts/day=2026-11-02/later.jsonl", b"")
            super().drop(keys)

    bucket = Busy(s3, "again")
    bucket.put("facts/day=2026-11-02/a.jsonl", to_lines([fact("a"), fact("b")]))
    always = iter(lambda: True, False)
    assert compact(bucket, tmp_path, "Europe/London", always) == 1
    assert {k.rpartition("/")[2] for k in bucket.days()[fact().day]} == {COMPACTED, "later.jsonl"}
    bucket.put("facts/day=2026-11-02/b.jsonl", to_lines([fact("b", revision=7), fact("c")]))
    assert compact(bucket, tmp_path, "Europe/London", always) == 1
    bucket.fetch(bucket.days()[fact().day], tmp_path / "read")
    rows = Lake(tmp_path / "read").rows("SELECT question, revision FROM facts ORDER BY question")
    assert rows == [("a", 0), ("b", 7), ("c", 0)]
    assert compact(bucket, tmp_path, "Europe/London", iter([False])) == 0  # no time is left


def test_what_the_table_has_forgotten_carries_no_pseudonym_any_more(running: Deployed, tmp_path: Path) -> None:
    s3 = client("s3", running.aws.endpoint)
    s3.create_bucket(Bucket="old", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    bucket, always = Bucket(s3, "old"), iter(lambda: True, False)
    day = fact().day
    for n in range(2):
        at = fact().asked_at + timedelta(days=n)
        bucket.put(f"facts/day={day + timedelta(days=n)}/a.jsonl", to_lines([fact(asked_at=at, received_at=at)]))
    assert compact(bucket, tmp_path, "UTC", always) == 2
    assert anonymise(bucket, tmp_path, day + timedelta(days=1), always) == 1
    assert anonymise(bucket, tmp_path, day + timedelta(days=1), always) == 0  # done
    bucket.fetch([key for keys in bucket.days().values() for key in keys], tmp_path / "read")
    rows = Lake(tmp_path / "read").rows("SELECT customer, conversation, intent FROM facts ORDER BY asked_at")
    assert rows == [(None, "q1", "order_status"), ("p1", "c-q1", "order_status")]


def test_a_report_fetches_only_its_days() -> None:
    days = {datetime(2026, 11, n, tzinfo=UTC).date(): [str(n)] for n in range(1, 29)}
    since, end = datetime(2026, 11, 15, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
    assert span_keys(days, since, end) == [str(n) for n in range(9, 22)]


def test_the_facts_are_private_encrypted_and_do_not_outlive_an_erasure() -> None:
    resources = merge_template()["Resources"]
    bucket = resources["FactsBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"] and "VersioningConfiguration" not in bucket
    assert {r["Id"] for r in bucket["LifecycleConfiguration"]["Rules"]} == {"facts", "reports", "unfinished"}
    table = resources["Table"]["Properties"]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"} and table["KeySchema"]


def test_roles_name_actions_and_resources() -> None:
    for name in ("FactsRole", "ReportsRole"):
        for policy in merge_template()["Resources"][name]["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert all("*" not in action for action in actions)
                assert statement["Resource"] != "*" or actions == ["dynamodb:ListStreams"]


@pytest.mark.parametrize("name", names())
def test_a_layer_fits_beside_the_zip(name: str, tmp_path: Path) -> None:
    """By what is installed here; `make layers` weighs the wheels for Lambda's processor."""
    weight = sum(f.stat().st_size for f in layer(name, tmp_path).rglob("*") if f.is_file())
    assert weight + MAX_UNZIPPED < LIMIT
