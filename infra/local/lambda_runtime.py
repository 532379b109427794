"""A small Lambda Runtime API, so that a built package runs here under the runtime client that Lambda itself uses.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from time import clock_gettime, monotonic, time
from typing import Any
from uuid import uuid4

from infra.local.loopback import Answered, Call, serve

_CPUCLOCK_SCHED = 2  # what Linux's clock_getcpuclockid puts beside the complement of the process id
API = "/2018-06-01/runtime"
# What Lambda's Python runtime brings along: its client and the AWS SDK, and nothing else.
BROUGHT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")


class FunctionError(Exception):
    """The function raised, or could not start; the text is what it told the Runtime API."""


@dataclass(slots=True)
class Environment:
    """One execution environment of one function. `init_s` is from the start of the process until it asks for work,
    `first_s` how long its first invocation took, `last_s` its last one after that."""

    process: subprocess.Popen[bytes]
    timeout_s: float
    init_s: float = 0.0
    first_s: float | None = None
    last_s: float | None = None
    _events: "queue.Queue[tuple[str, bytes]]" = field(default_factory=queue.Queue)
    _answers: "queue.Queue[tuple[bool, bytes]]" = field(default_factory=queue.Queue)
    _ready: "queue.Queue[float]" = field(default_factory=queue.Queue)
    _lock: Any = field(default_factory=Lock)

    def invoke(self, event: Any, context: Any = None) -> Any:
        """What the function returns for `event`; one at a time. Raises FunctionError."""
        return json.loads(self.invoke_raw(json.dumps(event).encode()))

    def invoke_raw(self, event: bytes) -> bytes:
        """The same, as JSON in and out."""
        with self._lock:
            started = monotonic()
            self._events.put((str(uuid4()), event))
            try:
                fine, answer = self._answers.get(timeout=self.timeout_s)
            except queue.Empty:
                raise FunctionError(f"no answer within {self.timeout_s} s") from None
            took = monotonic() - started
            if self.first_s is None:
                self.first_s = took
            else:
                self.last_s = took
        if not fine:
            raise FunctionError(answer.decode())
        return answer

    def answer(self, call: Call) -> Answered | None:
        """The Runtime API's side."""
        if call.path == f"{API}/invocation/next":
            self._ready.put(monotonic())
            id, body = self._events.get()
            headers = {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": id,
                "Lambda-Runtime-Deadline-Ms": str(int((time() + self.timeout_s) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:earshot",
                "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
            }
            return Answered(200, headers, body) if body else None
        failed = call.path.endswith("/error")
        self._answers.put((not failed, call.body))
        if call.path == f"{API}/init/error":
            self._ready.put(monotonic())
        return Answered(202, {"Content-Type": "application/json"}, b'{"status":"OK"}')

    def wait(self, started: float) -> None:
        """Returns when the function asks for work; raises FunctionError when it does not."""
        try:
            self.init_s = self._ready.get(timeout=self.timeout_s) - started
        except queue.Empty:
            raise FunctionError("the function does not start") from None
        if not self._answers.empty():
            raise FunctionError(self._answers.get()[1].decode())

    def cpu_s(self) -> float:
        """Processor time that the process has used so far, in seconds. Source: clock_getcpuclockid(3)."""
        return clock_gettime((~self.process.pid << 3) | _CPUCLOCK_SCHED)  # threads that have ended are in it

    def peak_mb(self) -> float:
        """The most memory that the process has held so far, in MB of 2^20 bytes. Source: proc_pid_status(5)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._events.put(("", b""))  # lets the waiting request go


@contextmanager
def function(
    task: Path,
    handler: str,
    variables: Mapping[str, str],
    *,
    timeout_s: float = 60.0,
    log: Any = subprocess.DEVNULL,
    layer: Path | None = None,
) -> Iterator[Environment]:
    """Runs `handler` of the unzipped package `task` while inside, with `variables`, without this machine's packages;
    `layer` is a folder as a layer's `python/`."""
    holder: list[Environment] = []
    with tempfile.TemporaryDirectory() as scratch, serve(lambda call: holder[0].answer(call)) as address:
        brought = runtime_packages(Path(scratch))
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": f"{brought}:{layer}" if layer else str(brought),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_RUNTIME_API": address.removeprefix("http://"),
            "AWS_LAMBDA_FUNCTION_NAME": handler.rpartition(".")[2],
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "LAMBDA_TASK_ROOT": str(task),
            **variables,
            "_HANDLER": handler,
        }
        started = monotonic()
        # -S hides this machine's site-packages, so that a dependency that is not in the package shows
        process = subprocess.Popen(
            [sys.executable, "-S", "-m", "awslambdaric", handler], cwd=task, env=environment, stdout=log, stderr=log
        )
        holder.append(Environment(process, timeout_s))
        try:
            holder[0].wait(started)
            yield holder[0]
        finally:
            holder[0].stop()


def runtime_packages(folder: Path) -> Path:
    """`folder`, filled with what Lambda's runtime brings along."""
    for name in (*BROUGHT, *SDK):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise FunctionError(f"{name} is not installed: run make setup")
        origin = Path(spec.origin)
        package = origin.parent if spec.submodule_search_locations else origin
        target = folder / package.name
        target.symlink_to(package)
    return folder


BARE = """from chalice.app import Chalice

app = Chalice(app_name="bare")


@app.route("/")
def index():
    return {}
"""


def bare_chalice(package: Path, folder: Path) -> Path:
    """`folder` with the smallest Chalice app there is, on the Chalice runtime of `package`: the yardstick."""
    shutil.copytree(package / "chalice", folder / "chalice")
    (folder / "app.py").write_text(BARE)
    return folder
