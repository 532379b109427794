"""`make smoke`: deploys the package into an AWS emulator on this machine, again and again, and sends a webhook through.

The emulator (ministack) is young, so this is no part of `make test`. It gets an environment of its own under build/,
because its dependencies are not ours.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import USUAL, deliver
from infra.local.demo_apps import demo_apps, write
from infra.stack.package import BUILD, ROOT, dashboard_body, package, report

NEEDS = ("ministack==1.5.33", "aws-sam-translator==1.115.0")
STAGE, REGION, ADDRESS = "smoke", "eu-central-1", "earshot@marigold.example.com"
URGENT = "Your charger caught fire and burned my daughter, I will sue you"


class SmokeError(Exception):
    """The webhook did not go through."""


def emulator_python() -> Path:
    """The Python of an environment with the emulator in it, made when it is not there."""
    folder = ROOT / "build" / "smoke"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-warn-script-location",
                *NEEDS,
            ],
            check=True,
        )
        (folder / "ready").touch()
    return python


@contextmanager
def emulator(scratch: Path) -> Iterator[str]:
    """The emulator on loopback while inside; its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "STATE_DIR": str(scratch / "state"),
        "S3_DATA_DIR": str(scratch / "s3"),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": "123456789012",
    }
    with (scratch / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [str(emulator_python()), "-m", "ministack"], env=environment, cwd=scratch, stdout=log, stderr=log
        )
        try:
            until("the emulator", lambda: _answers(port), 60)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def for_the_emulator(out: Path) -> Path:
    """A copy of the package in `out`. The emulator compares the parameter RespondConcurrency, which CloudFormation
    hands over as text, with a number: so here it is one. Layers hold libraries for Lambda's processor, which this
    machine's cannot run: the functions that need one stay away (tests/reports/test_stack.py runs them). So do alarms
    that reckon with several metrics, which the emulator does not know (tests/infra/test_alarms.py rings them)."""
    shutil.copy(BUILD / "deployment.zip", out / "deployment.zip")
    template = json.loads((BUILD / "sam.json").read_text("utf-8"))
    event = template["Resources"]["Respond"]["Properties"]["Events"]["RespondSqsEventSource"]
    event["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 5
    made = {name: r for name, r in template["Resources"].items() if not _beyond_the_emulator(r)}
    made["Dashboard"]["Properties"]["DashboardBody"] = dashboard_body(made)  # names every alarm
    template["Resources"] = made
    (out / "sam.json").write_text(json.dumps(template))
    return out


def _beyond_the_emulator(resource: Mapping[str, Any]) -> bool:
    properties = resource.get("Properties", {})
    of_several = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties
    return resource["Type"] == "AWS::Serverless::LayerVersion" or "Layers" in properties or of_several


def _answers(port: int) -> bool:
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


def until(name: str, what: Callable[[], Any], seconds: float) -> Any:
    """What `what` returns as soon as it is something; raises SmokeError when it stays nothing."""
    end = monotonic() + seconds
    while not (found := what()):
        if monotonic() > end:
            raise SmokeError(f"{name} did not come within {seconds:.0f} s")
        sleep(0.5)
    return found


def smoke(out: Path, address: str, environment: Mapping[str, str]) -> None:
    """Deploys in every way that a deployment goes, registers, sends, and waits for what should come of it; prints each
    step."""
    # start-up time: each part loads what it drives
    from boto3.session import Session

    os.environ.update(environment)
    make: Any = Session().client
    make("sesv2").create_email_identity(EmailIdentity=ADDRESS)
    outputs = deployments(out, make)
    main_job(outputs, make, address)
    http_api(out, outputs, make)


def deployments(out: Path, make: Any) -> dict[str, str]:
    """The stack's outputs, after a creation that failed, a run that died, and every kind of change."""
    # start-up time: each part loads what it drives
    from infra.stack import cloudformation, rollback
    from infra.stack.deploy import deploy

    given, stack = {"MailFrom": ADDRESS, "MailIdentity": ADDRESS, "AlarmEmail": ADDRESS}, f"earshot-{STAGE}"
    print("the first creation, with a resource that cannot be made:")
    try:
        deploy(_blocked(out), STAGE, given)
    except cloudformation.DeployError as error:
        print(f"  refused: {error}")
    else:
        raise SmokeError("a creation that cannot succeed succeeded")
    print("again, and killed between create and execute:")
    execute = cloudformation.execute
    cloudformation.execute = _die
    try:
        deploy(out, STAGE, given)
    except KeyboardInterrupt:
        print("  killed")
    finally:
        cloudformation.execute = execute
    print("again:")
    deploy(out, STAGE, given)
    print("once more, with nothing changed:")
    deploy(out, STAGE, {})
    print("with another parameter:")
    deploy(out, STAGE, {"LogDays": "60"})
    before = versions(make, stack)
    print("with other code:")
    with zipfile.ZipFile(out / "deployment.zip", "a") as zip:
        zip.writestr("release.txt", "the next release")
    outputs = deploy(out, STAGE, {})
    after = versions(make, stack)
    if any(after[name] <= before[name] for name in before):
        raise SmokeError(f"the release made no versions: {before} → {after}")
    print(f"  versions {_span(before)} → {_span(after)}; back by one:")
    rollback.rollback(stack)
    if versions(make, stack) != before:
        raise SmokeError(f"not back where it was: {versions(make, stack)}")
    print(f"  versions {_span(before)} serve again")
    return outputs


def _blocked(out: Path) -> Path:
    """A copy of the package whose stack cannot be created."""
    folder = out / "blocked"
    folder.mkdir()
    shutil.copy(out / "deployment.zip", folder / "deployment.zip")
    template = json.loads((out / "sam.json").read_text("utf-8"))
    template["Resources"]["Blocked"] = {
        "Type": "AWS::Lambda::Url",
        "Properties": {"TargetFunctionArn": "nothing", "AuthType": "NONE"},
    }
    (folder / "sam.json").write_text(json.dumps(template))
    return folder


def _die(client: Any, stack: str, name: str) -> None:
    raise KeyboardInterrupt


def _span(versions: Mapping[str, int]) -> str:
    return "/".join(str(v) for v in sorted(set(versions.values())))


def versions(make: Any, stack: str) -> dict[str, int]:
    """What each function's alias calls."""
    # start-up time: each part loads what it drives
    from infra.stack import rollback
    from infra.stack.package import ALIAS

    names = rollback.functions_of(make("cloudformation"), stack)
    return {n: int(make("lambda").get_alias(FunctionName=n, Name=ALIAS)["FunctionVersion"]) for n in names}


def main_job(outputs: Mapping[str, str], make: Any, address: str) -> None:
    """Registers the shop, sends an urgent comment and waits for its e-mail."""
    # start-up time: each part loads what it drives
    from infra.ops.commands import main as ops

    print(f"deployed: {outputs['WebhookURL']}")
    if ops(["--stage", STAGE, "apps", "--file", str(write())]):
        raise SmokeError("the apps file was not taken")
    apps, url = demo_apps(), f"{address}/_aws/lambda-url/{urlsplit(outputs['WebhookURL']).netloc.partition('.')[0]}"
    delivery = deliver(apps, SimulatedMessage(USUAL, URGENT, author="77001", name="Robin"))
    status, body = delivery.send(url)
    print(f"webhook, through the function URL: {status} {body}")
    if status != 200:
        raise SmokeError(f"the webhook was answered with {status}")
    refused = deliver(apps, SimulatedMessage(USUAL, URGENT, author="77001"), secret="another secret")
    print(f"a forged one: {refused.send(url)[0]}, one to nowhere: {replace(delivery, path='/nowhere').send(url)[0]}")
    dynamodb, table = make("dynamodb"), outputs["Table"]
    items = until("the interaction", lambda: dynamodb.scan(TableName=table)["Items"], 60)
    print(f"stored: {', '.join(sorted({i['pk']['S'].partition('#')[0] for i in items}))} in {len(items)} items")
    found = until("the e-mail", lambda: _sent(address), 90)
    print(f"escalated: e-mail to {', '.join(found)}")


def http_api(out: Path, outputs: Mapping[str, str], make: Any) -> None:
    """The HTTP API beside the URL, as for moving from one to the other: a route for each of app.py's."""
    # start-up time: each part loads what it drives; app.py makes its services when it is imported
    import app
    from infra.stack.deploy import deploy

    both = deploy(out, STAGE, {"Endpoint": "both"})
    api = make("apigatewayv2")
    (integration,) = api.get_integrations(ApiId=both["ApiId"])["Items"]
    routes = {r["RouteKey"] for r in api.get_routes(ApiId=both["ApiId"])["Items"]}
    print(f"HTTP API beside it, payload {integration['PayloadFormatVersion']}: {len(routes)} routes")
    if routes != {f"{method} {path}" for path, methods in app.app.routes.items() for method in methods}:
        raise SmokeError(f"the routes are not app.py's: {routes}")
    if both["WebhookURL"] != outputs["WebhookURL"]:
        raise SmokeError(f"the address has changed: {outputs['WebhookURL']} → {both['WebhookURL']}")


def _sent(address: str) -> list[str]:
    """To whom the emulator's SES has sent."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    try:
        connection.request("GET", "/_ministack/ses/messages")
        data = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return [to for messages in data["messages"].values() for message in messages for to in message["To"]]


def main() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }
    print(report(package(BUILD)))
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with emulator(Path(scratch)) as address:
                smoke(for_the_emulator(Path(scratch)), address, {**environment, "AWS_ENDPOINT_URL": address})
        except Exception:
            print((Path(scratch) / "emulator.log").read_text("utf-8", "replace")[-6000:], file=sys.stderr)
            raise
    print("smoke: passed")


if __name__ == "__main__":
    main()
