"""What `make package` builds: its weight, its contents, its template, and the main job run out of it."""

import http.client
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import app as entry
from chalicelib.apps import Apps
from chalicelib.keys import load_keys
from chalicelib.outcomes.telemetry import METRICS
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.compiled import PACKAGED, load_compiled
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from infra.local.deliveries import deliver, inbox_event
from infra.local.deployed import FUNCTIONS, Deployed, built, deployed, until
from infra.local.embedded import ACCOUNT, client
from infra.local.events import url_event
from infra.local.lambda_runtime import Environment, FunctionError, function
from infra.local.loopback import Call
from infra.ops.doctor import FOR_MAIL, NEEDED_AT_ONCE
from infra.stack.cloudformation import DeployError
from infra.stack.definitions import holds
from infra.stack.deploy import Bucket, parameters, placed, released, unchanged, values_of
from infra.stack.layers import names as layer_names
from infra.stack.package import (
    ALIAS,
    MAX_UNZIPPED,
    MAX_ZIP,
    ROOT,
    UNREAD_POWERTOOLS,
    PackageError,
    dashboard,
    merge_template,
    weights,
)
from infra.stack.package import package as make_package

NEVER = (
    "chalice/cli",
    "chalice/deploy",
    "sklearn",
    "numpy",
    "scipy",
    "moto",
    "botocore/",
    "boto3/",
    "models/",
    "infra/",
    "tests/",
)


@pytest.fixture(scope="module")
def package() -> Path:
    return built()


@pytest.fixture(scope="module")
def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package / "deployment.zip") as zip:
        return zip.namelist()


@pytest.fixture(scope="module")
def running() -> Iterator[Deployed]:
    with deployed() as found:
        yield found


def test_the_zip_is_small(package: Path) -> None:
    zipped, unzipped = weights(package / "deployment.zip")
    assert zipped <= MAX_ZIP
    assert unzipped <= MAX_UNZIPPED


def test_the_zip_holds_the_model_the_playbook_and_the_templates(package: Path) -> None:
    task = package / "task" / "chalicelib"
    assert not (task / "intents.model").is_symlink()
    assert (task / "intents.model").read_bytes() == (ROOT / "models" / "intents.model").read_bytes()
    assert load_compiled((task / "playbook" / PACKAGED.name).read_text("utf-8")) == read_playbook(DEFAULT_PLAYBOOK)
    templates = {p.relative_to(ROOT / "chalicelib") for p in (ROOT / "chalicelib").rglob("templates/*.*")}
    assert {p.relative_to(task) for p in task.rglob("templates/*.*")} == templates


def test_the_zip_holds_nothing_that_lambda_never_runs(names: list[str]) -> None:
    assert [n for n in names if n.startswith(NEVER) or n.startswith(UNREAD_POWERTOOLS)] == []


def test_every_module_in_the_zip_has_byte_code_that_is_never_checked_again(names: list[str], package: Path) -> None:
    compiled = {n for n in names if n.endswith(".pyc")}
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    for name in (n for n in names if n.endswith(".py")):
        folder, _, module = name.rpartition("/")
        expected = f"{folder}/__pycache__/" if folder else "__pycache__/"
        assert f"{expected}{module.removesuffix('.py')}.{tag}.pyc" in compiled
    flags = (package / "task" / "__pycache__" / f"app.{tag}.pyc").read_bytes()[4:8]
    assert flags == b"\x01\x00\x00\x00"  # a hash that nobody compares


def test_the_template_passes_cfn_lint(package: Path) -> None:
    lint = "import sys; from cfnlint import core, runner; sys.exit(runner.main())"
    regions = ["--regions", "eu-central-1", "us-east-1"]
    command = [sys.executable, "-c", lint, *regions, "--", str(package / "sam.json")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_function_is_small_on_arm_and_says_why_it_is_as_large_as_it_is(package: Path) -> None:
    template = json.loads((package / "sam.json").read_text("utf-8"))
    functions = {
        n: r["Properties"] for n, r in template["Resources"].items() if r["Type"] == "AWS::Serverless::Function"
    }
    handlers = {p["Handler"].removeprefix("app.") for p in functions.values()}
    assert {h for h in handlers if "." not in h} == set(FUNCTIONS)
    assert {h.rpartition(".")[2] for h in handlers if "." in h} == {"facts", "compact", "watch", "forecast", "report"}
    for properties in functions.values():
        assert properties["Architectures"] == ["arm64"]
        assert properties["Runtime"] == "python3.13" or sys.version_info < (3, 13)
        assert len(properties["Description"]) > 40


def test_who_waits_for_others_is_as_large_as_the_parameter_says_and_who_is_for_storms_is_not(package: Path) -> None:
    template = json.loads((package / "sam.json").read_text("utf-8"))
    sizes = {n: r["Properties"].get("MemorySize") for n, r in template["Resources"].items() if "Function" in r["Type"]}
    assert {name for name, size in sizes.items() if size == {"Ref": "Memory"}} == {
        "APIHandler",
        "Respond",
        "Notify",
        "MailEvents",
    }
    assert sizes["Sweep"] == sizes["Escalate"] == template["Parameters"]["Memory"]["Default"] == 512


def test_each_queue_is_invisible_for_more_than_six_time_outs_and_partial_failures_are_reported(package: Path) -> None:
    resources = json.loads((package / "sam.json").read_text("utf-8"))["Resources"]
    seen = set()
    for r in resources.values():
        for event in r["Properties"].get("Events", {}).values() if r["Type"] == "AWS::Serverless::Function" else ():
            if event["Type"] != "SQS":
                continue
            name = event["Properties"]["Queue"]["Fn::Sub"].removeprefix("${").removesuffix(".Arn}")
            seen.add(name)
            queue = resources[name]["Properties"]
            assert queue["VisibilityTimeout"] > 6 * r["Properties"]["Timeout"]
            assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3
            batch = event["Properties"]["BatchSize"]
            assert batch == 1 or event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert seen == {"InboxQueue", "DueQueue", "EscalationsQueue", "MailEventsQueue", "IncomingMailQueue"}


def test_the_traps_of_chalice_are_avoided(package: Path) -> None:
    template = json.loads((package / "sam.json").read_text("utf-8"))
    resources = template["Resources"]
    assert "RestAPI" not in json.dumps(template)
    assert "AWS::Serverless::Api" not in {r["Type"] for r in resources.values()}
    assert [n for n, r in resources.items() if r["Type"] == "AWS::Logs::LogGroup"] == ["Logs"]
    assert "${ApiHandler}" not in json.dumps(template)
    table = resources["Table"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["DeletionProtectionEnabled"] is True


def test_the_runbook_knows_every_alarm() -> None:
    runbook = (ROOT / "RUNBOOK.md").read_text("utf-8")
    for resource in merge_template()["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            name = resource["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
            assert f"### {name}\n" in runbook


def test_alarms_and_dashboard_name_metrics_and_lines_that_exist() -> None:
    telemetry = (ROOT / "chalicelib" / "outcomes" / "telemetry.py").read_text("utf-8")
    resources = merge_template()["Resources"]
    properties = [w["properties"] for w in dashboard(resources)["widgets"]]
    drawn = {m[1] for p in properties for m in p.get("metrics", []) if m[0] == "Earshot"}
    assert drawn <= METRICS  # test_alarms holds these against the alarms
    assert any("late_s" in p["query"] and "acknowledgement sent" in p["query"] for p in properties if "query" in p)
    assert '"late_s"' in telemetry


# --- out of the zip ---


def test_the_main_job_passes_out_of_the_zip(running: Deployed) -> None:
    answered = running.apps.apps[0].verify_token
    gateway = f"{running.url}/webhooks/meta/main?hub.mode=subscribe&hub.verify_token={answered}&hub.challenge=4711"
    assert _get(gateway) == (200, "4711")

    question = SimulatedMessage("facebook", "Can I return this dress?", author="70001", name="Robin")
    assert deliver(running.apps, question).send(running.url) == (200, "ok")
    posted = until(lambda: running.stand_in.posted)
    assert (posted[0].target, len(posted)) == (question.id, 1)

    urgent = SimulatedMessage(
        "facebook", "Your charger caught fire and burned my daughter, I will sue you", author="70002"
    )
    assert deliver(running.apps, urgent).send(running.url) == (200, "ok")
    email = until(running.aws.emails)[0]
    assert urgent.text in email.text
    lines = [json.loads(line) for line in until(lambda: running.log.read_text("utf-8")).splitlines()]
    delivery = email.headers["X-Earshot-Delivery"]
    named = (_in_the_log(running, urgent), delivery)
    assert any((line.get("interaction"), line.get("delivery")) == named for line in lines)
    until(lambda: "mail_events" in running.environments)

    running.schedule("sweep")
    running.schedule("doctor")
    assert len(running.aws.emails()) >= 1
    assert set(running.environments) == set(FUNCTIONS) - {"incoming_mail"}  # nobody has answered by e-mail
    assert running.aws.counts("InboxDeadLetters") == 0


def test_refused_deliveries_keep_their_status_out_of_the_zip(running: Deployed) -> None:
    said = SimulatedMessage("facebook", "Can I return this dress?", author="70003")
    assert deliver(running.apps, said, secret="another secret").send(running.url)[0] == 401
    delivery = deliver(running.apps, said)
    unknown = type(delivery)("/webhooks/meta/elsewhere", delivery.headers, delivery.body)
    assert unknown.send(running.url)[0] == 404
    encoded = type(delivery)(delivery.path, {**delivery.headers, "Content-Encoding": "br"}, delivery.body)
    assert encoded.send(running.url)[0] == 415


def test_the_log_tells_outcomes_without_customers_words(running: Deployed) -> None:
    said = SimulatedMessage("facebook", "Can I swap my canary-coloured scarf?", author="70004", name="Canaryname")
    deliver(running.apps, said).send(running.url)
    named = _in_the_log(running, said)
    until(lambda: named in running.log.read_text("utf-8"))
    log = running.log.read_text("utf-8")
    lines = [json.loads(line) for line in log.splitlines()]
    assert "canary" not in log.lower()
    assert said.id not in log
    assert any("_aws" in line for line in lines)
    told = [line["message"] for line in lines if line.get("interaction") == named]
    assert told
    assert len(told) == len(set(told))  # each once, not by two loggers


def _in_the_log(running: Deployed, said: SimulatedMessage) -> str:
    """What the log calls an interaction: its pseudonym under the stack's key."""
    secrets, id = client("secretsmanager", running.aws.endpoint), running.aws.settings.keys_secret
    keys = load_keys(secrets.get_secret_value(SecretId=id)["SecretString"])
    account = next(a for app in running.apps.apps for a in app.accounts if a.product == said.product)
    return keys.pseudonym("\0".join(("question", said.product, account.id, said.id)))


PROBE = """
import sys
from app import app

def handler(event, context):
    return {"answer": app(event, context), "modules": sorted(sys.modules)}
"""
NEVER_IN_RECEIVE = ("boto3", "botocore", "jinja2", "yaml", "aws_lambda_powertools", "holidays", "urllib3", "dateutil")
OUR_NEVER_IN_RECEIVE = (
    "intents",
    "playbook",
    "storage",
    "emails",
    "outcomes.telemetry",
    "aws.mailer",
    "aws.timer",
    "handlers.respond",
    "handlers.escalate",
    "handlers.notify",
)


def test_receive_imports_only_what_it_needs(package: Path, tmp_path: Path, running: Deployed) -> None:
    task = tmp_path / "task"
    shutil.copytree(package / "task", task)
    (task / "probe.py").write_text(PROBE)
    with function(task, "probe.handler", running.variables("app")) as environment:
        told = _ask(environment, running.apps)
    assert told["answer"]["statusCode"] == 200
    modules = set(told["modules"])
    tops = {m.partition(".")[0] for m in modules}
    assert tops.isdisjoint(NEVER_IN_RECEIVE)
    assert not [m for m in modules if f"{m}.".startswith(tuple(f"chalicelib.{n}." for n in OUR_NEVER_IN_RECEIVE))]
    platforms = {m.split(".")[2] for m in modules if m.startswith("chalicelib.platforms.")}
    assert platforms <= {"base", "contract", "http", "meta", "read", "rest", "simulation"}
    ours = [m for m in modules if m.partition(".")[0] == "chalicelib"]
    assert len(ours) <= 40, "receive loads more and more; seconds are in `make bench`"


RESPOND_PROBE = """
import sys
from app import respond

def handler(event, context):
    return {"answer": respond(event, context), "modules": sorted(sys.modules)}
"""


def test_respond_reads_its_playbook_without_yaml_and_without_the_library_of_holidays(
    package: Path, tmp_path: Path, running: Deployed
) -> None:
    task = tmp_path / "task"
    shutil.copytree(package / "task", task)
    (task / "probe.py").write_text(RESPOND_PROBE)
    said = SimulatedMessage("facebook", "Can I return this dress?", author="70010")
    variables = {**running.variables("respond"), "_HANDLER": "app.respond"}
    with function(task, "probe.handler", variables) as environment:
        told = environment.invoke(inbox_event(deliver(running.apps, said), "probe-1"))
    assert told["answer"] == {"batchItemFailures": []}
    assert {m.partition(".")[0] for m in told["modules"]}.isdisjoint({"yaml", "holidays", "boto3", "jinja2"})


def test_a_wrong_playbook_is_refused_with_its_line_and_nothing_is_built(tmp_path: Path) -> None:
    wrong = tmp_path / "mine.yaml"
    wrong.write_text(DEFAULT_PLAYBOOK.read_text("utf-8").replace("tell_after: 10min", "tell_after: soon"), "utf-8")
    with pytest.raises(PackageError, match=r"mine\.yaml:\d+: "):
        make_package(tmp_path / "out", wrong)
    assert not (tmp_path / "out").exists()


def _ask(environment: Environment, apps: Apps) -> Any:
    """What receive answers to a comment."""
    delivery = deliver(apps, SimulatedMessage("facebook", "Can I return this dress?", author="70009"))
    call = Call("POST", delivery.path, "", tuple(delivery.headers.items()), delivery.body)
    return environment.invoke(url_event(call))


def _get(url: str) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_runtime_api_here_tells_of_a_function_that_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(FunctionError, match="nothing_of_this_name"), function(tmp_path, "broken.handler", {}):
        pass


# --- what `make deploy` does with it; `make smoke` runs all of it against an emulator ---

TEMPLATE = {"Parameters": {"Stage": {"Default": "prod"}, "MailFrom": {}, "LogDays": {"Default": 30}}}


def test_the_first_deployment_needs_what_has_no_default() -> None:
    with pytest.raises(DeployError, match="MAIL_FROM"):
        parameters(TEMPLATE, {"Stage": "prod"}, set())
    given = parameters(TEMPLATE, {"Stage": "prod", "MailFrom": "earshot@shop.example.com", "LogDays": ""}, set())
    assert {p["ParameterKey"] for p in given} == {"Stage", "MailFrom"}


def test_a_later_deployment_keeps_what_was_given_before() -> None:
    kept = parameters(TEMPLATE, {"Stage": "prod", "LogDays": "90"}, {"Stage", "MailFrom", "LogDays"})
    assert {"ParameterKey": "MailFrom", "UsePreviousValue": True} in kept
    assert {"ParameterKey": "LogDays", "ParameterValue": "90"} in kept


def test_every_function_gets_the_uploaded_zip(package: Path) -> None:
    template = placed(
        json.loads((package / "sam.json").read_text("utf-8")), "a-bucket", "a-key.zip", {n: n for n in layer_names()}
    )
    codes = [r["Properties"]["CodeUri"] for r in template["Resources"].values() if r["Type"].endswith("::Function")]
    assert codes == [{"Bucket": "a-bucket", "Key": "a-key.zip"}] * (len(FUNCTIONS) + 5)
    layers = [r["Properties"] for r in template["Resources"].values() if r["Type"].endswith("::LayerVersion")]
    assert [p["ContentUri"] for p in layers] == [{"Bucket": "a-bucket", "Key": n} for n in ("reports", "forecast")]


def test_the_zip_is_uploaded_once_into_a_bucket_made_when_needed(package: Path, running: Deployed) -> None:
    s3 = client("s3", running.aws.endpoint)
    content = (package / "deployment.zip").read_bytes()
    buckets = [Bucket(s3, ACCOUNT, "eu-central-1") for _ in range(2)]
    keys = [bucket.put(content, "zip") for bucket in buckets]
    assert keys[0] == keys[1]
    assert buckets[0].name == buckets[1].name
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=buckets[0].name)["Contents"]] == [keys[0]]
    assert not buckets[0].name.endswith("eu-central-1-")  # nobody can have taken it before


def test_a_value_that_cloudwatch_does_not_take_is_refused_before_anything_is_uploaded() -> None:
    template = {"Parameters": {"LogDays": merge_template()["Parameters"]["LogDays"]}}
    with pytest.raises(DeployError, match="LOG_DAYS is one of 1, 3, 5"):
        parameters(template, {"LogDays": "31"}, set())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Stage", "My Shop", "STAGE cannot be 'My Shop': Name of this deployment"),
        ("MailFrom", "earshot", "MAIL_FROM cannot be 'earshot': Address that escalations come from"),
        ("RetentionDays", "a year", "RETENTION_DAYS is a whole number from 1 on"),
        ("RespondConcurrency", "1", "RESPOND_CONCURRENCY is a whole number from 2 to 1000"),
        ("NotifyConcurrency", "1", "NOTIFY_CONCURRENCY is a whole number from 2 to 1000"),
        ("FactsWindow", "600", "FACTS_WINDOW is a whole number from 0 to 300"),
        ("Memory", "300", "MEMORY is one of 256, 512, 1024, 1769"),
        ("Endpoint", "url", "ENDPOINT is one of function-url, http-api, both"),
        ("ReplyDomain", "reply shop", "REPLY_DOMAIN cannot be 'reply shop'"),
    ],
)
def test_what_cloudformation_would_refuse_is_refused_at_once(name: str, value: str, said: str) -> None:
    template = {"Parameters": {name: merge_template()["Parameters"][name]}}
    with pytest.raises(DeployError, match=said):
        parameters(template, {name: value}, set())


def test_none_takes_a_value_away_and_what_has_no_default_is_asked_for() -> None:
    found = parameters(TEMPLATE, {"LogDays": "none"}, {"Stage", "MailFrom", "LogDays"})
    assert {"ParameterKey": "LogDays", "ParameterValue": "30"} in found
    with pytest.raises(DeployError, match="MAIL_FROM"):
        parameters(TEMPLATE, {"MailFrom": "none"}, {"Stage", "MailFrom", "LogDays"})


NAMES = (
    *("Name", "AlarmName", "BucketName", "DashboardName", "LogGroupName", "QueueName", "RoleName", "RuleSetName"),
    *("TableName", "TopicName"),
)


def test_two_stages_in_one_account_share_no_name_and_no_second_api_is_made(package: Path) -> None:
    found = expand(json.loads((package / "sam.json").read_text("utf-8")))["Resources"]
    fixed = {
        name
        for name, resource in found.items()
        for key, value in resource.get("Properties", {}).items()
        if key in NAMES and not any(w in json.dumps(value) for w in ("AWS::StackName", '"Ref"', "Fn::GetAtt"))
    }
    assert fixed <= {n for n, r in found.items() if r["Type"] == "AWS::Lambda::Alias"}  # a function's own
    assert not [n for n, r in found.items() if r["Type"].startswith("AWS::ApiGateway::")]


def test_every_route_of_the_app_is_a_route_of_the_http_api(package: Path) -> None:
    resources = json.loads((package / "sam.json").read_text("utf-8"))["Resources"]
    routes = {r["Properties"]["RouteKey"] for r in resources.values() if r["Type"] == "AWS::ApiGatewayV2::Route"}
    assert routes == {f"{method} {path}" for path, methods in entry.app.routes.items() for method in methods}
    assert resources["ApiIntegration"]["Properties"]["PayloadFormatVersion"] == "1.0"  # the event that Chalice reads
    apis = {n: r for n, r in resources.items() if "ApiGatewayV2" in r["Type"] and not n.startswith("Domain")}
    assert {r["Condition"] for r in apis.values()} == {"HasApi"}


def test_a_new_stack_is_called_at_a_function_url_and_with_a_domain_or_when_it_had_one_at_the_http_api() -> None:
    template = merge_template()

    def doors(**given: str) -> list[str]:
        return [name for name in ("HasUrl", "HasApi") if holds(template, name, given)]

    assert doors() == ["HasUrl"]
    assert doors(Endpoint="http-api") == ["HasApi"]
    assert doors(Endpoint="both") == doors(DomainName="earshot.example.com") == ["HasUrl", "HasApi"]
    assert doors(Endpoint="http-api", DomainName="earshot.example.com") == ["HasApi"]


def test_an_update_keeps_the_address_that_is_registered_at_the_platforms() -> None:
    """A stack of before the function URL has no parameter for it, and its address must not go."""
    template = {"Parameters": {"Stage": {}, "Endpoint": merge_template()["Parameters"]["Endpoint"]}}

    def told(given: dict[str, str], known: set[str]) -> list[dict[str, Any]]:
        return [p for p in parameters(template, unchanged(given, known), known) if p["ParameterKey"] == "Endpoint"]

    assert told({"Stage": "prod"}, {"Stage"}) == [{"ParameterKey": "Endpoint", "ParameterValue": "http-api"}]
    assert told({"Stage": "prod", "Endpoint": ""}, {"Stage"})[0]["ParameterValue"] == "http-api"
    assert told({"Stage": "prod", "Endpoint": "both"}, {"Stage"})[0]["ParameterValue"] == "both"
    assert told({"Stage": "prod"}, {"Stage", "Endpoint"}) == [{"ParameterKey": "Endpoint", "UsePreviousValue": True}]


def test_everybody_may_call_the_url_and_through_it_alone_the_function(package: Path) -> None:
    expanded = expand(json.loads((package / "sam.json").read_text("utf-8")))["Resources"]
    url = expanded["ReceiveUrl"]
    assert url["DependsOn"] in expanded
    assert expanded[url["DependsOn"]]["Type"] == "AWS::Lambda::Alias"
    assert url["Properties"] == {"TargetFunctionArn": {"Ref": "APIHandler"}, "Qualifier": ALIAS, "AuthType": "NONE"}
    alias = {"FunctionName": {"Ref": url["DependsOn"]}, "Principal": "*"}
    allowed = [r["Properties"] for r in expanded.values() if r["Type"] == "AWS::Lambda::Permission"]
    assert [p for p in allowed if p["Principal"] == "*"] == [
        {**alias, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        {**alias, "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
    ]


def test_no_function_waits_for_the_url_that_waits_for_it(package: Path) -> None:
    """receive's own variables do not name its URL: a circle, which CloudFormation refuses."""
    template = expand(json.loads((package / "sam.json").read_text("utf-8")))["Resources"]
    named = re.compile(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)')
    needs = {name: named.findall(json.dumps(resource)) for name, resource in template.items()}
    waits = {name: {part for parts in found for part in parts if part in template} for name, found in needs.items()}
    for name, resource in template.items():
        waits[name] |= set(listed(resource.get("DependsOn", []))) & template.keys()
    assert list(TopologicalSorter(waits).static_order())
    assert "ReceiveUrl" in waits["Notify"]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_dashboard_names_an_alarm_only_where_the_stack_has_it() -> None:
    resources = merge_template()["Resources"]
    text, pieces = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            named = f'"${{{name}.Arn}}"'
            if condition := resource.get("Condition"):
                assert named not in text
                assert pieces[f"Shown{name}"] == {"Fn::If": [condition, {"Fn::Sub": f", {named}"}, ""]}
            else:
                assert named in text
    for shown in ("", r', "${\1.Arn}"'):  # with all of them or none it is JSON
        assert json.loads(re.sub(r"\$\{Shown(\w+)\}", shown, text))["widgets"]


def test_triggers_name_the_alias_and_a_release_is_one_version(package: Path) -> None:
    template = json.loads((package / "sam.json").read_text("utf-8"))
    assert "MODEL" not in json.dumps(template["Globals"])  # what belongs to the code lies in the zip
    expanded = expand(template)["Resources"]
    aliases = {n for n, r in expanded.items() if r["Type"] == "AWS::Lambda::Alias"}
    assert len(aliases) == sum(r["Type"] == "AWS::Lambda::Function" for r in expanded.values())
    for resource in expanded.values():
        properties = resource.get("Properties", {})
        if resource["Type"] in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"):
            assert properties["FunctionName"]["Ref"] in aliases
        if resource["Type"] == "AWS::Events::Rule":
            assert all(target["Arn"]["Ref"] in aliases for target in properties["Targets"])
        if resource["Type"] == "AWS::ApiGatewayV2::Integration":
            assert properties["IntegrationUri"]["Ref"] in aliases


def test_a_value_alone_makes_a_release_too_and_nothing_changed_makes_none(package: Path) -> None:
    def versions(**values: str) -> set[str]:
        template = released(json.loads((package / "sam.json").read_text("utf-8")), values)
        found = expand(template)["Resources"]
        names = {n for n, r in found.items() if r["Type"] == "AWS::Lambda::Function"}
        for variables in (found[n]["Properties"]["Environment"]["Variables"] for n in names):
            assert {"EARSHOT_RELEASE", "EARSHOT_WRITES"} <= variables.keys()
        return {n for n, r in found.items() if r["Type"] == "AWS::Lambda::Version"}

    first = versions(MailFrom="earshot@shop.example.com")
    assert versions(MailFrom="earshot@shop.example.com") == first
    assert not versions(MailFrom="help@shop.example.com") & first


def test_a_release_is_named_by_the_values_that_it_will_have() -> None:
    before = {"Parameters": [{"ParameterKey": "MailFrom", "ParameterValue": "earshot@shop.example.com"}]}
    found = parameters(TEMPLATE, {"LogDays": "60"}, {"MailFrom"})
    values = {"Stage": "prod", "MailFrom": "earshot@shop.example.com", "LogDays": "60"}
    assert values_of(TEMPLATE, found, before) == values


def expand(template: dict[str, Any]) -> dict[str, Any]:
    """What CloudFormation makes of the SAM template."""
    import boto3

    transform: Any = import_module("samtranslator.translator.translator").Translator
    parser: Any = import_module("samtranslator.parser.parser").Parser
    session = boto3.Session(region_name="eu-central-1")
    placed(template, "a-bucket", "a-key.zip", {n: n for n in layer_names()})
    found: dict[str, Any] = transform({}, parser(), boto_session=session).translate(template, {})
    return found


def test_the_packaged_model_is_the_one_of_the_packaged_hash(package: Path) -> None:
    from chalicelib.intents import DEFAULT_MODEL, IntentModel, ModelError, pinned

    model = package / "task" / "chalicelib" / DEFAULT_MODEL.name
    assert IntentModel.load(model, pinned(model))
    with pytest.raises(ModelError, match="differs"):
        IntentModel.load(model, "0" * 64)


def test_doctor_asks_for_the_quota_that_the_readers_of_the_queues_sweep_and_receive_may_take(package: Path) -> None:
    template = json.loads((package / "sam.json").read_text("utf-8"))
    readers: dict[bool, int] = {True: 0, False: 0}  # by whether it reads without a domain for answers
    for resource in template["Resources"].values():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            if event["Type"] == "SQS":
                most = event["Properties"]["ScalingConfig"]["MaximumConcurrency"]
                most = template["Parameters"][most["Ref"]]["Default"] if isinstance(most, dict) else most
                readers["Enabled" not in event["Properties"]] += most
    assert readers[True] + len(("sweep", "receive")) == NEEDED_AT_ONCE
    assert readers[False] == FOR_MAIL
    assert NEEDED_AT_ONCE <= 10  # what a new account runs at once
