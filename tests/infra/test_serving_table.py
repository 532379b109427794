"""`make restore`, then `make deploy TABLE=`: the functions serve from a restored table, and back; `make smoke` does
it on an emulator."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.local.deployed import built
from infra.local.embedded import ACCOUNT, Embedded, client, embedded_aws
from infra.local.events import REGION
from infra.ops.restore import restore
from infra.stack import restored
from infra.stack.cloudformation import DeployError
from infra.stack.deploy import parameters, table_values
from infra.stack.package import merge_template
from infra.stack.serving_table import with_serving_table
from tests.test_package import expand

OF_THE_TABLE = r"\$\{Table[.}]"  # in a text for Fn::Sub


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return expand(json.loads((built() / "sam.json").read_text("utf-8")))


def chosen(value: Any, *, restored: bool) -> Any:
    """`value` after CloudFormation has looked at the condition."""
    if isinstance(value, list):
        return [chosen(v, restored=restored) for v in value]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value and value["Fn::If"][0] == "ServesRestored":
        return chosen(value["Fn::If"][1 if restored else 2], restored=restored)
    return {k: chosen(v, restored=restored) for k, v in value.items()}


def named(value: Any) -> Iterator[Any]:
    """Every place that names the stack's own table."""
    if isinstance(value, list):
        for v in value:
            yield from named(v)
    elif isinstance(value, dict):
        text = str(value.get("Fn::Sub"))
        if value == {"Ref": "Table"} or value.get("Fn::GetAtt", [""])[0] == "Table" or re.search(OF_THE_TABLE, text):
            yield value
        else:
            for v in value.values():
                yield from named(v)


def but_the_table(template: Mapping[str, Any], *, restored: bool) -> dict[str, Any]:
    made = {name: r for name, r in template["Resources"].items() if name != "Table"}
    return dict(chosen({"Resources": made, "Outputs": template["Outputs"]}, restored=restored))


def test_with_a_restored_table_nothing_names_the_stacks_own(template: dict[str, Any]) -> None:
    own, other = (but_the_table(template, restored=r) for r in (False, True))
    places = list(named(own))
    assert len(places) > 30 and list(named(other)) == []
    variables = [
        r["Properties"]["Environment"]["Variables"]["EARSHOT_TABLE"]
        for r in other["Resources"].values()
        if r["Type"] == "AWS::Lambda::Function"
    ]
    assert len(variables) == 13 and all(v == {"Ref": "TableName"} for v in variables)
    assert other["Outputs"]["Table"]["Value"] == {"Ref": "TableName"}


def test_the_rights_and_the_trigger_of_the_facts_move_too(template: dict[str, Any]) -> None:
    own, other = (but_the_table(template, restored=r)["Resources"] for r in (False, True))
    for resources, stream in ((own, {"Fn::GetAtt": ["Table", "StreamArn"]}), (other, {"Ref": "TableStream"})):
        (trigger,) = _triggers(resources)
        assert trigger["EventSourceArn"] == stream
        (statements,) = (
            [s for s in p["PolicyDocument"]["Statement"] if s["Sid"] == "ReadStream"]
            for p in resources["FactsRole"]["Properties"]["Policies"]
        )
        assert [s["Resource"] for s in statements] == [stream]
    arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableName}"
    roles = [n for n, r in other.items() if r["Type"] == "AWS::IAM::Role" and arn in json.dumps(r)]
    assert len(roles) == 12  # all but the timer's
    index = {"Fn::Sub": ["${TableArn}/index/overdue", {"TableArn": {"Fn::Sub": arn}}]}
    assert index in [s["Resource"] for s in _statements(other["EscalateRole"])]


def _triggers(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    mappings = (r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping")
    return [m for m in mappings if "StartingPosition" in m]


def _statements(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [s for p in role["Properties"]["Policies"] for s in p["PolicyDocument"]["Statement"]]


def test_a_way_of_naming_the_table_that_would_be_left_behind_stops_the_packaging() -> None:
    left = {"Resources": {"Table": {}, "Other": {"Properties": {"Name": {"Fn::Sub": "${Table}-copy"}}}}}
    with pytest.raises(ValueError, match="can stand in a text"):
        with_serving_table(left)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    with embedded_aws() as aws:
        yield aws


def _restored(aws: Embedded) -> str:
    dynamodb, table = client("dynamodb", aws.endpoint), aws.settings.table
    given = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=given)
    return restore(dynamodb, table, restored.recoverable(dynamodb, table)["EarliestRestorableDateTime"])


def test_a_restored_table_is_fit_to_serve_and_named_with_its_stream(aws: Embedded) -> None:
    name = _restored(aws)
    values = table_values(name)
    stream = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}/stream/"
    assert values["TableName"] == name and values["TableStream"].startswith(stream)
    dynamodb = client("dynamodb", aws.endpoint)
    first = restored.recoverable(dynamodb, name)["EarliestRestorableDateTime"]
    assert restore(dynamodb, name, first) == f"{aws.settings.table}-{first:%Y%m%dT%H%M%S}"  # the name does not grow


def test_what_a_restore_leaves_out_is_named_and_restore_sets_it(aws: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as died:
        died.setattr(restored, "set_again", lambda dynamodb, name: None)
        name = _restored(aws)
    everything = "its change stream, expiry, point-in-time recovery, protection against deletion"
    with pytest.raises(DeployError, match=f"{name} lacks {everything}: run make restore"):
        table_values(name)
    assert _restored(aws) == name  # the same time: it goes on with what is there
    assert table_values(name)["TableName"] == name


def test_a_table_that_is_not_there_is_refused(aws: Embedded) -> None:
    with pytest.raises(DeployError, match="no table earshot-prod-Tabel"):
        table_values("earshot-prod-Tabel")


def test_own_leads_back_and_nothing_said_stays_as_it_is() -> None:
    declared = {name: merge_template()["Parameters"][name] for name in ("TableName", "TableStream")}
    template, known = {"Parameters": declared}, set(declared)
    back = parameters(template, table_values("own"), known)
    assert [p["ParameterValue"] for p in back] == ["", "*"]
    assert all(p["UsePreviousValue"] for p in parameters(template, table_values(""), known))
