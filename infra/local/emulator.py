"""An emulator of AWS (ministack) on this machine, for `make smoke`: young, so no part of `make test`. It gets an
environment of its own under build/, because its dependencies are not ours."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from infra.stack.package import BUILD, ROOT, dashboard_body

NEEDS = ("ministack==1.5.33", "aws-sam-translator==1.115.0")
REGION = "eu-central-1"


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
    """A copy of the package in `out`. The emulator compares the parameters RespondConcurrency and NotifyConcurrency,
    which CloudFormation hands over as text, with a number: so here they are some. Layers hold libraries for Lambda's
    processor, which this machine's cannot run: the functions that need one stay away (tests/reports/test_stack.py runs
    them). So do alarms that reckon with several metrics, which the emulator does not know (tests/infra/test_alarms.py
    rings them)."""
    shutil.copy(BUILD / "deployment.zip", out / "deployment.zip")
    template = json.loads((BUILD / "sam.json").read_text("utf-8"))
    for name in ("Respond", "Notify"):
        event = template["Resources"][name]["Properties"]["Events"][f"{name}SqsEventSource"]
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
