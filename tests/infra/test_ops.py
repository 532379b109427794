"""The operator's commands, on the embedded AWS."""

import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.keys import Keys, load_keys
from chalicelib.platforms.base import Step, TokenInvalid, Unsupported
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta import facebook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK
from chalicelib.registry import PRODUCTS
from chalicelib.services import Services
from chalicelib.storage.item_keys import counter_item
from chalicelib.storage.store import Store
from chalicelib.storage.table import DynamoTable
from infra.local.demo_apps import demo_text
from infra.local.embedded import client, embedded_aws
from infra.ops import access, redrive, rotate_key, rotate_secret
from infra.ops.commands import main
from infra.ops.given import since
from infra.ops.stage import OpsError, settings_of
from infra.ops.stage import client as operators
from infra.stack.cloudformation import DeployError
from infra.stack.deploy import check_playbook
from infra.stack.package import merge_template
from infra.stack.said import said
from tests.infra.operator import NOW, PAGE, Operator, dead_letters, put

# --- redrive ---


@pytest.mark.parametrize(
    ("queue", "name"),
    [
        ("inbox", "InboxQueue"),
        ("due", "DueQueue"),
        ("escalations", "EscalationsQueue"),
        ("mail-events", "MailEventsQueue"),
    ],
)
def test_redrive_puts_every_dead_letter_back(operator: Operator, queue: str, name: str) -> None:
    put(operator.aws, dead_letters(operator.aws, name), *({"n": n} for n in range(23)))
    assert operator.run("redrive", "--queue", queue) == 0
    assert operator.aws.counts(name) == 23
    assert operator.aws.counts(name.replace("Queue", "DeadLetters")) == 0


def test_redrive_puts_a_quarantined_delivery_back_and_tells_why(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    quarantined = {"v": 1, "id": "d1", "platform": "meta", "app": "main", "reasons": ["no id"], "body": "CANARY"}
    put(operator.aws, dead_letters(operator.aws, "InboxQueue"), {"v": 1, "id": "d2"}, quarantined)
    assert operator.run("redrive", "--queue", "inbox") == 0
    told = capsys.readouterr().out
    assert "was in quarantine: meta/main delivery d1: no id" in told
    assert "2 messages went back to inbox" in told
    assert "CANARY" not in told
    assert (operator.aws.counts("InboxDeadLetters"), operator.aws.counts("InboxQueue")) == (0, 2)


def test_redrive_loses_nothing_when_the_queue_does_not_take_it(operator: Operator) -> None:
    put(operator.aws, dead_letters(operator.aws, "DueQueue"), {"n": 1})

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(client("sqs", operator.aws.endpoint), name)

        def send_message(self, **request: Any) -> None:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        redrive.redrive(Refusing(), operator.aws.queue_url("DueQueue"), print)
    assert operator.aws.counts("DueDeadLetters") == 1


def test_every_client_of_a_local_command_speaks_to_the_running_make_run(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(operator.aws, dead_letters(operator.aws, "InboxQueue"), {"n": 1})
    running = {k: v for k, v in os.environ.items() if k.startswith(("AWS_", "EARSHOT_"))}
    monkeypatch.setattr(access.enter_local, "__defaults__", (tmp_path / "local.json",))
    access.write_local(running, tmp_path / "local.json")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with patch.dict(os.environ):  # monkeypatch would bring the names back after the embedded AWS had gone
        for name in running:
            del os.environ[name]
        assert operator.run("redrive", "--queue", "inbox") == 0


def test_redrive_of_an_unknown_queue_names_the_known_ones(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operator.run("redrive", "--queue", "outbox") == 2
    assert "inbox, due, escalations, mail-events, incoming-mail" in capsys.readouterr().err


# --- the apps file ---


def _secrets(operator: Operator) -> list[str]:
    fresh = Services(operator.aws.settings)
    app = fresh.apps.get("meta", "main")
    assert app
    return list(app.secrets)


def test_a_rotated_secret_verifies_beside_the_old_one_until_it_is_finished(
    registered: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _secrets(registered)
    for _ in range(2):  # twice does not add it twice
        monkeypatch.setattr("sys.stdin", io.StringIO("a-new-secret\n"))
        assert registered.run("rotate-secret", "--platform", "meta", "--app", "main") == 0
    assert _secrets(registered) == ["a-new-secret", *before]
    assert registered.run("rotate-secret", "--platform", "meta", "--app", "main", "--finish") == 0
    assert _secrets(registered) == ["a-new-secret"]
    assert "a-new-secret" not in capsys.readouterr().out


def test_rotating_keeps_what_this_release_does_not_know(registered: Operator) -> None:
    secrets = client("secretsmanager", registered.aws.endpoint)
    settings = registered.aws.settings
    data = json.loads(demo_text())
    data["apps"][0]["later"] = {"kept": True}
    secrets.put_secret_value(SecretId=settings.apps_secret, SecretString=json.dumps(data))
    rotate_secret.rotate_secret(settings, "meta", "main", "a-new-secret", finish=False)
    assert json.loads(secrets.get_secret_value(SecretId=settings.apps_secret)["SecretString"])["apps"][0]["later"]


def test_a_wrong_apps_file_is_not_stored(
    registered: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "apps.json"
    wrong.write_text('{"apps":[{"platform":"meta","app":"main","secrets":[]}]}')
    assert registered.run("apps", "--file", str(wrong)) == 2
    assert "apps[0].secrets" in capsys.readouterr().err
    assert _secrets(registered)


@pytest.mark.parametrize("command", ["playbook", "apps", "deploy"])
def test_a_playbook_that_stops_an_account_which_nobody_has_is_refused(
    registered: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    mine = tmp_path / "mine.yaml"
    text = DEFAULT_PLAYBOOK.read_text("utf-8")
    mine.write_text(text.replace("accounts: []", f'accounts: ["facebook:{PAGE}"]', 1), "utf-8")
    assert registered.run("playbook", "--file", str(mine)) == 0
    if command == "apps":
        other = tmp_path / "apps.json"
        other.write_text(
            '{"apps":[{"platform":"line","app":"l","secrets":["s"],"accounts":[{"id":"U1","product":"line"}]}]}'
        )
        assert registered.run("apps", "--file", str(other)) == 2
        assert "mine.yaml:" in capsys.readouterr().err
        return
    mine.write_text(text.replace("accounts: []", 'accounts: ["facebook:1"]', 1), "utf-8")
    if command == "deploy":
        stack = registered.aws.settings.apps_secret.rpartition(":secret:")[2].rpartition("/")[0]
        with pytest.raises(DeployError, match=r"mine\.yaml:"):
            check_playbook(stack, mine)
        return
    assert registered.run("playbook", "--file", str(mine)) == 2
    assert "mine.yaml:" in capsys.readouterr().err


# --- backfill ---


def _listed(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Interaction]:
    for n in range(3):
        yield Interaction(
            "facebook", account.id, f"c{n}", Kind.NEW, since, now, thread=f"c{n}", author="77001", text="Hello"
        )


def test_backfill_puts_what_the_platform_lists_on_the_inbox(
    registered: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(facebook, "PRODUCT", facebook.PRODUCT._replace(backfill=_listed))
    assert registered.run("backfill", "--account", f"facebook:{PAGE}", "--since", "36h") == 0
    assert "3 interactions" in capsys.readouterr().out
    assert registered.aws.counts("InboxQueue") == 3


@pytest.mark.parametrize("error", [Unsupported("comments only"), TokenInvalid("190")])
def test_backfill_says_what_stands_in_its_way(
    registered: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def refuse(*arguments: Any) -> Iterator[Interaction]:
        raise error

    monkeypatch.setattr(facebook, "PRODUCT", facebook.PRODUCT._replace(backfill=refuse))
    assert registered.run("backfill", "--account", f"facebook:{PAGE}", "--since", "36h") == 2
    assert str(error) in capsys.readouterr().err
    assert registered.run("backfill", "--account", "facebook:elsewhere", "--since", "36h") == 2


def test_backfill_refuses_a_time_of_which_nothing_would_be_taken_in(
    registered: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert registered.run("backfill", "--account", f"facebook:{PAGE}", "--since", "91d") == 2
    assert "RETENTION_DAYS" in capsys.readouterr().err


def test_since_is_a_time_or_so_long_ago() -> None:
    assert since("36h", NOW) == NOW - timedelta(hours=36)
    assert since("90min", NOW) == NOW - timedelta(minutes=90)
    assert since("7d", NOW) == NOW - timedelta(days=7)
    assert since("2026-11-20T10:00", NOW) == datetime(2026, 11, 20, 10, tzinfo=UTC)
    with pytest.raises(OpsError):
        since("yesterday", NOW)


# --- where everything is ---


def test_without_a_stack_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with embedded_aws():
        monkeypatch.delenv("EARSHOT_TABLE", raising=False)
        assert main(["--stage", "nowhere", "doctor"]) == 2
    assert "no stack earshot-nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("unset", ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION"])
def test_without_credentials_or_a_region_every_command_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], unset: str
) -> None:
    with embedded_aws():
        for name in ("EARSHOT_TABLE", "AWS_REGION", "AWS_PROFILE", unset):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("HOME", "/nowhere")
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
        assert main(["doctor"]) == 2
    assert "set AWS_PROFILE, or the keys, and AWS_DEFAULT_REGION" in capsys.readouterr().err


def test_what_aws_refuses_is_said_with_what_to_do() -> None:
    def refused(code: str) -> str:
        return said(ClientError({"Error": {"Code": code, "Message": "User x is not authorized"}}, "GetAlias"))

    assert "log in again" in refused("ExpiredTokenException")
    assert "does not know these credentials" in refused("UnrecognizedClientException")
    assert "not authorized: the policies" in refused("AccessDenied")
    assert (
        said(FileNotFoundError(2, "No such file or directory", "apps.json")) == "apps.json: No such file or directory"
    )


def test_a_local_stage_that_does_not_run_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("EARSHOT_TABLE", raising=False)
    monkeypatch.setattr(access.enter_local, "__defaults__", (tmp_path / "local.json",))
    assert main(["--stage", "local", "doctor"]) == 2
    assert "no make run is going" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "--customer", "facebok:1:2"], "facebok is none of facebook, messenger"),
        (["erase", "--customer", "facebok:1:2"], "facebok is none of facebook, messenger"),
        (["erase", "--customer", f"facebook:{PAGE}:2", "--request", "abc"], "no request abc is open"),
        (
            ["link", "--customer", f"facebook:{PAGE}:2", "--other", "x", "--by", "R"],
            "OTHER is product:account:customer",
        ),
        (["link", "--customer", f"facebook:{PAGE}:2", "--other", "line:9:2", "--by", "R"], "no account line:9"),
        (["link", "--customer", f"facebook:{PAGE}:2", "--other", f"facebook:{PAGE}:3", "--by", ""], "BY is who"),
        (["backfill", "--account", f"facebook:{PAGE}", "--since", "2090-01-01"], "2090-01-01 is not in the past"),
        (["restore", "--to", "soon"], "TO is a time such as"),
        (["rotate-secret", "--platform", "", "--app", ""], "APP is platform/key"),
        (
            ["rotate-secret", "--platform", "meta", "--app", "mian"],
            "no app meta/mian among the registrations (meta/main",
        ),
        (["rotate-secret", "--platform", "meta", "--app", "mian", "--finish"], "no app meta/mian"),
        (["apps", "--file", ""], "FILE is the apps file"),
        (["apps", "--file", "nothing.json"], "nothing.json: No such file"),
        (["playbook", "--file", "nothing.yaml"], "nothing.yaml: No such file"),
        (["playbook", "--version", "7"], "7"),
        (["redrive", "--queue", "inbx"], "QUEUE is one of inbox, due"),
    ],
)
def test_wrong_input_is_refused_with_what_to_write_and_changes_nothing(
    registered: Operator, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    def stored() -> Any:
        table = client("dynamodb", registered.aws.endpoint).scan(TableName=registered.aws.settings.table)["Items"]
        secret = operators("secretsmanager").get_secret_value(SecretId=registered.aws.settings.apps_secret)
        return table, secret["SecretString"]

    before = stored()
    capsys.readouterr()
    assert registered.run(*arguments) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.startswith(f"{arguments[0]}: ") and told.out == ""
    assert stored() == before


def test_stage_and_settings_agree(operator: Operator) -> None:
    assert settings_of("local") == operator.aws.settings


def test_a_new_key_signs_and_the_one_of_before_still_opens_links(operator: Operator) -> None:
    secrets = operators("secretsmanager")

    def keys() -> Keys:
        id = operator.aws.settings.keys_secret
        return load_keys(secrets.get_secret_value(SecretId=id)["SecretString"])

    before = keys()
    rotate_key.rotate_key(operator.aws.settings)
    assert keys().verifies("act", b"m", before.sign("act", b"m"))
    assert keys().current != before.current
    rotate_key.rotate_key(operator.aws.settings, fresh=True)
    assert not keys().verifies("act", b"m", before.sign("act", b"m"))


# --- the playbook ---


def test_a_playbook_is_checked_kept_and_served(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services = Services(operator.aws.settings)
    mine = tmp_path / "mine.yaml"
    mine.write_text(DEFAULT_PLAYBOOK.read_text("utf-8").replace("name: Example Shop", "name: Corner Shop"), "utf-8")
    assert operator.run("playbook", "--file", str(mine)) == 0
    assert "back to the one before: make playbook VERSION=0" in capsys.readouterr().out
    assert services.playbook.shop.name == "Corner Shop"

    mine.write_text(mine.read_text("utf-8").replace("tell_after: 10min", "tell_after: soon"), "utf-8")
    assert operator.run("playbook", "--file", str(mine)) == 2
    assert "mine.yaml:" in capsys.readouterr().err
    assert Services(operator.aws.settings).playbook.shop.name == "Corner Shop"

    assert operator.run("playbook") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["0", "1"]
    assert [line.endswith("served") for line in listed] == [False, True]
    assert operator.run("playbook", "--version", "0") == 0
    assert Services(operator.aws.settings).playbook.shop.name == "Example Shop"
    assert operator.run("playbook", "--version", "7") == 2


def test_a_stage_that_serves_a_file_says_so(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_PLAYBOOK_FILE", "shop.yaml")
    assert operator.run("playbook") == 2


# --- connect ---


def test_connect_changes_nothing_without_do_and_one_refusal_stops_no_other(
    registered: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def connecting(http: Http, app: App, account: Account, address: str) -> list[Step]:
        if account.id != PAGE:
            raise TokenInvalid("190")
        return [Step(f"register {address}", lambda: done.append(address)), Step("switch it on")]

    monkeypatch.setenv("EARSHOT_PUBLIC_URL", "https://earshot.example.com")
    for product in {a.product for app in registered.services.apps.apps for a in app.accounts}:
        module = import_module(f"chalicelib.platforms.{PRODUCTS[product].module}")
        monkeypatch.setattr(module, "PRODUCT", module.PRODUCT._replace(connect=connecting))
    only = ("connect", "--account", f"facebook:{PAGE}")
    assert registered.run(*only) == 0
    assert done == [] and "would register https://earshot.example.com/webhooks/" in capsys.readouterr().out
    assert registered.run("connect", "--do") == 1  # the others were refused
    told = capsys.readouterr().out
    assert "by hand: switch it on" in told and "did not answer (190)" in told
    assert set(done) == {"https://earshot.example.com/webhooks/meta/main"}
    assert registered.run("connect", "--account", "facebook:0") == 2


# --- restore ---


def _what_came_since_is_brought_back(operator: Operator, restored: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the roles of the two tables turned round: the restored one served, and this one is in use."""
    former = Store(DynamoTable(operator.services.lean_aws, restored), 90)
    asked = Interaction("facebook", PAGE, "c9", Kind.NEW, NOW, NOW, thread="c9", author="77001", text="Hello?")
    former.change_interaction(asked, lambda old: asked, NOW)
    former.table.count(counter_item("facebook"), 9, NOW + timedelta(days=1))
    former.mark("doctor", "found", NOW)
    capsys.readouterr()
    assert operator.run("backfill", "--table", restored) == 0
    assert "1 interactions are on the inbox, 1 notes copied" in capsys.readouterr().out
    assert operator.aws.counts("InboxQueue") == 1
    assert operator.run("backfill", "--table", operator.aws.settings.table) == 2
    assert "not the one in use" in capsys.readouterr().err
    assert operator.run("backfill", "--table", "earshot-nowhere") == 2
    assert operator.run("backfill", "--table", restored, "--account", f"facebook:{PAGE}") == 2


def test_restore_makes_a_table_with_the_old_items_and_every_setting(
    registered: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = registered
    dynamodb, table = client("dynamodb", operator.aws.endpoint), operator.aws.settings.table
    assert operator.run("restore", "--to", "1s") == 2
    assert "no point-in-time recovery" in capsys.readouterr().err
    dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    item = {"pk": {"S": "m#kept"}, "sk": {"S": "m"}}
    dynamodb.put_item(TableName=table, Item=item)
    assert operator.run("restore", "--to", "2090-01-01T00:00Z") == 2
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    first = backups["PointInTimeRecoveryDescription"]["EarliestRestorableDateTime"].astimezone(UTC)
    assert operator.run("restore", "--to", "9000d") == 2
    assert f"can be restored to a time from {first:%Y-%m-%d %H:%M}Z" in capsys.readouterr().err
    to = f"{first:%Y-%m-%dT%H:%M:%S}Z"
    for _ in range(2):  # again, it goes on with the table that is there
        assert operator.run("restore", "--to", to) == 0
    (name,) = [n for n in dynamodb.list_tables()["TableNames"] if n.startswith(f"{table}-")]
    assert f"make deploy STAGE=local TABLE={name}" in capsys.readouterr().out
    assert item in dynamodb.scan(TableName=name)["Items"]
    _what_came_since_is_brought_back(operator, name, capsys)
    old, new = (dynamodb.describe_table(TableName=n)["Table"] for n in (table, name))
    assert new["KeySchema"] == old["KeySchema"] and new["DeletionProtectionEnabled"]
    assert new["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert {i["IndexName"] for i in new["GlobalSecondaryIndexes"]} == {"overdue", "customer"}
    template = merge_template()["Resources"]["Table"]["Properties"]
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == template["TimeToLiveSpecification"]["AttributeName"]
    assert expiry["TimeToLiveStatus"] == "ENABLED"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
