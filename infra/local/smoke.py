"""`make smoke`: deploys the package into an AWS emulator on this machine and sends a webhook through it.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from chalicelib.apps import read_apps
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import DEMO_APPS, Delivery, deliver
from infra.stack.package import BUILD, ROOT, package, report

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
    machine's cannot run: the functions that need one stay away (tests/reports/test_stack.py runs them)."""
    shutil.copy(BUILD / "deployment.zip", out / "deployment.zip")
    template = json.loads((BUILD / "sam.json").read_text("utf-8"))
    event = template["Resources"]["Respond"]["Properties"]["Events"]["RespondSqsEventSource"]
    event["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 5
    template["Resources"] = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] != "AWS::Serverless::LayerVersion" and "Layers" not in resource.get("Properties", {})
    }
    (out / "sam.json").write_text(json.dumps(template))
    return out


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
    """Deploys, registers, sends, and waits for what should come of it; prints each step."""
    from boto3.session import Session

    from infra.ops import commands as ops
    from infra.stack import deploy

    os.environ.update(environment)
    make: Any = Session().client
    make("sesv2").create_email_identity(EmailIdentity=ADDRESS)
    given = {"MailFrom": ADDRESS, "MailIdentity": ADDRESS, "AlarmEmail": ADDRESS}
    outputs = deploy.deploy(out, STAGE, given)
    print(f"deployed: {outputs['WebhookURL']}")
    if ops.main(["--stage", STAGE, "apps", "--file", str(DEMO_APPS)]):
        raise SmokeError("the apps file was not taken")
    apps = read_apps(DEMO_APPS)
    delivery = deliver(apps, SimulatedMessage("facebook", URGENT, author="77001", name="Robin"))
    path = f"/restapis/{outputs['RestAPIId']}/api/_user_request_{delivery.path}"
    status, body = Delivery(path, delivery.headers, delivery.body).send(address)
    print(f"webhook: {status} {body}")
    if status != 200:
        raise SmokeError(f"the webhook was answered with {status}")
    refused = deliver(apps, SimulatedMessage("facebook", URGENT, author="77001"), secret="another secret")
    print(f"a forged one: {Delivery(path, refused.headers, refused.body).send(address)[0]}")
    dynamodb, table = make("dynamodb"), outputs["Table"]
    items = until("the interaction", lambda: dynamodb.scan(TableName=table)["Items"], 60)
    print(f"stored: {', '.join(sorted({i['pk']['S'].partition('#')[0] for i in items}))} in {len(items)} items")
    found = until("the e-mail", lambda: _sent(address), 90)
    print(f"escalated: e-mail to {', '.join(found)}")


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
