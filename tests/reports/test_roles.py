"""The roles of infra/stack/reports.yaml allow exactly the calls that their functions make: recorded while the packaged
functions work through all that can happen, as tests/test_policies.py does for app.py's."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.reports.bucket import Bucket
from chalicelib.reports.columns import to_lines
from chalicelib.reports.spikes import WEEK, hour_of
from chalicelib.reports.watch import WATCHED
from infra.local.deliveries import deliver
from infra.local.deployed import REPORTS, Deployed, deployed, until
from infra.local.embedded import client
from infra.stack.definitions import REPORTS as TEMPLATE
from tests.reports.test_ledger import fact
from tests.reports.test_stack import BUCKET, layer, started, stream
from tests.test_policies import LOGGING, permission

ROLES = sorted({*REPORTS.values()})
# What Lambda itself does in a function's name: it reads the stream and sets aside what cannot be worked on.
STREAM = {(f"dynamodb:{a}", "Table") for a in ("GetRecords", "GetShardIterator", "DescribeStream")}
TAKING = {"FactsRole": STREAM | {("dynamodb:ListStreams", "*"), ("sqs:SendMessage", "FactsDeadLetters")}}


class Permission(NamedTuple):
    """`within` are patterns of keys or objects, empty for all."""

    action: str
    resource: str
    within: tuple[str, ...]


def permissions(role: str) -> list[Permission]:
    template = yaml.safe_load(TEMPLATE.read_text("utf-8"))["Resources"]
    found = []
    for policy in template[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            actions, resources = statement["Action"], statement["Resource"]
            conditions = statement.get("Condition", {})
            keys = [
                k
                for by in ("ForAllValues:StringLike", "ForAllValues:StringEquals")
                for k in conditions.get(by, {}).get("dynamodb:LeadingKeys", [])
            ]
            for action in [actions] if isinstance(actions, str) else actions:
                assert "*" not in action
                for resource in resources if isinstance(resources, list) else [resources]:
                    name, within = _named(resource)
                    found.append(Permission(action, name, (*keys, *within)))
    return found


def _named(resource: Any) -> tuple[str, tuple[str, ...]]:
    """A resource by its name in the template, and the objects of a bucket."""
    if isinstance(resource, str):
        return resource, ()
    if "Fn::Sub" not in resource:
        name = resource.get("Ref") or resource["Fn::GetAtt"][0]
        return str(name), ()
    text = str(resource["Fn::Sub"])
    if ":ses:" in text:
        return "Mail", ()
    name, _, objects = text.removeprefix("${").partition(".Arn}/")
    return name, (objects,)


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Every function has done everything that it can do."""
    with deployed() as running:
        ask(running)
        bucket = Bucket(client("s3", running.aws.endpoint), BUCKET)
        with started(running, "facts") as facts:
            assert facts.invoke(stream(running))["facts"] >= 2
        busy(bucket, datetime.now(UTC))
        with started(running, "watch") as watch:
            assert watch.invoke({}) == {"spikes": 1}
        reports = layer("reports", folder(tmp_path_factory, "reports"))
        with started(running, "compact", reports) as compact:
            assert compact.invoke({})["days"] >= 1
        with started(running, "forecast", layer("forecast", folder(tmp_path_factory, "forecast"))) as forecast:
            forecast.invoke({})
        with started(running, "report", reports) as report:
            assert report.invoke({})["mail"] == "sent"
        yield running


def folder(made: pytest.TempPathFactory, name: str) -> Path:
    return made.mktemp(name)


def ask(running: Deployed) -> None:
    """A question, and thanks for somebody else's answer: others' words in the thread are looked at."""
    said = [
        SimulatedMessage("facebook", "Can I swap the size of my coat?", "77001", "Ann"),
        SimulatedMessage("facebook", "thanks so much, that helped!", "77002", "Robin"),
    ]
    assert deliver(running.apps, *said).send(running.url)[0] == 200
    until(lambda: len(stream(running)["Records"]) == len(said))


def busy(bucket: Bucket, now: datetime) -> None:
    """Far more than in any of the weeks before."""
    hour = hour_of(now)
    bucket.put_json(WATCHED, {"hours": {str(h): 4 for h in range(hour - 8 * WEEK, hour)}, "spikes": []})
    rows = [fact(f"q{n}", asked_at=now, received_at=now, post="viral") for n in range(80)]
    bucket.put(f"facts/day={now.date()}/busy.jsonl", to_lines(rows))


@pytest.mark.parametrize("role", ROLES)
def test_no_call_is_without_its_permission_and_no_permission_without_its_call(worked: Deployed, role: str) -> None:
    functions = {name for name, its in REPORTS.items() if its == role}
    made = {(c.action, permission(c, worked.aws)) for c in worked.recorder.calls if c.function in functions}
    made |= {(action, "Logs") for action in LOGGING} | TAKING.get(role, set())
    allowed = {(p.action, p.resource) for p in permissions(role)}
    assert made - allowed == set()
    assert allowed - made == set()


@pytest.mark.parametrize("role", ROLES)
def test_keys_and_objects_stay_within_what_the_role_names(worked: Deployed, role: str) -> None:
    functions = {name for name, its in REPORTS.items() if its == role}
    for call in (c for c in worked.recorder.calls if c.function in functions):
        same = (call.action, permission(call, worked.aws))
        fitting = [p for p in permissions(role) if (p.action, p.resource) == same]
        for key in call.keys:
            assert any(not p.within or any(fnmatch(key, w) for w in p.within) for p in fitting), (call.action, key)


def test_every_function_has_the_role_that_is_held_against_its_calls() -> None:
    resources = yaml.safe_load(TEMPLATE.read_text("utf-8"))["Resources"]
    functions = [r["Properties"] for r in resources.values() if r.get("Type") == "AWS::Serverless::Function"]
    roles = {f["Handler"].rpartition(".")[2]: json.dumps(f["Role"]) for f in functions}
    assert roles == {name: json.dumps({"Fn::GetAtt": [role, "Arn"]}) for name, role in REPORTS.items()}
