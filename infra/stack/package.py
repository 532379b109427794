"""`make package`: the template and the zip that `make deploy` hands to CloudFormation, and what they weigh.

Chalice packages the app; before, timer.asl.json and the dashboard go into the merge template; after, an HTTP API takes
the REST API's place and the table becomes a choice, what Lambda never reads goes out of the zip, and byte code and the
model's hash go in.
"""

import argparse
import compileall
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from chalicelib.intents import HASH_SUFFIX
from chalicelib.playbook.compiled import PACKAGED, compiled
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from infra.stack.definitions import REPORTS, RESOURCES, TIMER
from infra.stack.http_api import with_http_api
from infra.stack.provisioned import with_provisioned
from infra.stack.serving_table import with_serving_table

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "package"
ALIAS = "live"  # of every function: the version that its triggers call
STAGE = "package"  # Chalice's name for the one template that every stage of ours is made of
CHALICE = "from chalice.cli import main; main()"
SDK = ("boto3/", "botocore/", "s3transfer/")  # Lambda's runtime brings them
MAX_ZIP, MAX_UNZIPPED = 8 * 1024 * 1024, 25 * 1024 * 1024

# What nothing reads at run time: translations of holidays' names (we ask for dates only), stock exchanges' calendars,
# the C half of PyYAML (we use the Python loader, which keeps line numbers), tests and type stubs.
UNREAD = ("holidays/locale/", "holidays/financial/", "yaml/_yaml", "/tests/", ".pyi", ".dist-info/licenses/")
# Parts of powertools that Earshot does not use, with the largest of what is left.
UNREAD_POWERTOOLS = tuple(
    f"aws_lambda_powertools/{part}/"
    for part in (
        "event_handler",
        "utilities/idempotency",
        "utilities/feature_flags",
        "utilities/data_masking",
        "utilities/kafka",
        "utilities/parameters",
        "utilities/parser",
        "utilities/streaming",
        "utilities/validation",
    )
)


class PackageError(Exception):
    """The package is not fit to be deployed; the message says what is wrong."""


def merge_template() -> dict[str, Any]:
    """infra/stack/resources.yaml with timer.asl.json and the dashboard put in."""
    template: dict[str, Any] = yaml.safe_load(RESOURCES.read_text("utf-8"))
    template = merged(template, yaml.safe_load(REPORTS.read_text("utf-8")))
    resources = with_provisioned(template)["Resources"]
    definition = json.loads(TIMER.read_text("utf-8"))
    resources["TimerStateMachine"]["Properties"]["Definition"] = definition
    resources["Dashboard"]["Properties"]["DashboardBody"] = dashboard_body(resources)
    return template


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`one` with everything that stands in `other`, mapping by mapping."""
    both = dict(one)
    for name, value in other.items():
        known = both.get(name)
        both[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return both


WIDGETS: list[tuple[str, str, list[tuple[str, str]]]] = [  # title, unit of the y axis, (metric, statistic)
    ("Acknowledgements", "a period", [("AcknowledgementsSent", "Sum"), ("AcknowledgementsRefused", "Sum")]),
    ("Lateness of escalations", "seconds", [("EscalationLateness", "Maximum"), ("EscalationLateness", "p50")]),
    ("E-mails and channels that failed", "a period", [("EmailsFailed", "Sum"), ("ChannelsFailed", "Sum")]),
    ("Turned away, token failures", "a period", [("DeliveriesRefused", "Sum"), ("TokenFailures", "Sum")]),
]
QUERIES = [  # title, what is counted from the log when somebody looks: a metric of its own would cost every month
    ("What happened", "filter ispresent(message) | stats count(*) by message, bin(1h)"),
    (
        "Time to acknowledge, in seconds",
        "filter message = 'acknowledgement sent' | stats pct(late_s, 50), pct(late_s, 95) by bin(1h)",
    ),
]


def dashboard_body(resources: dict[str, Any]) -> dict[str, Any]:
    """The dashboard for CloudFormation. An alarm that a condition may leave out stands in it under that condition, as a
    piece of text: what is not there must not be named."""
    text, pieces = json.dumps(dashboard(resources)), {}
    for name, resource in resources.items():
        shown = f', "${{{name}.Arn}}"'
        if "Condition" in resource and shown in text:
            text = text.replace(shown, f"${{Shown{name}}}")
            pieces[f"Shown{name}"] = {"Fn::If": [resource["Condition"], {"Fn::Sub": shown}, ""]}
    return {"Fn::Sub": [text, pieces]}


def dashboard(resources: dict[str, Any]) -> dict[str, Any]:
    """The dashboard's body for Fn::Sub: our own metrics, the queues' age and depth, and every alarm."""
    queues = [name for name, r in resources.items() if r["Type"] == "AWS::SQS::Queue"]
    ours = [
        (title, unit, [["Earshot", metric, "service", "earshot-${Stage}", {"stat": stat}] for metric, stat in metrics])
        for title, unit, metrics in WIDGETS
    ]
    sqs = [
        (title, unit, [["AWS/SQS", metric, "QueueName", f"${{{q}.QueueName}}", {"stat": "Maximum"}] for q in queues])
        for title, unit, metric in (
            ("Oldest message", "seconds", "ApproximateAgeOfOldestMessage"),
            ("Messages waiting", "messages", "ApproximateNumberOfMessagesVisible"),
        )
    ]
    alarms = [f"${{{name}.Arn}}" for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm"]
    widgets: list[dict[str, Any]] = [
        {"type": "alarm", "x": 0, "y": 0, "width": 24, "height": 4, "properties": {"title": "Alarms", "alarms": alarms}}
    ]
    for n, (title, unit, metrics) in enumerate([*ours, *sqs]):
        properties = {
            "title": title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "period": 300,
            "yAxis": {"left": {"label": unit, "min": 0}},
            "metrics": metrics,
        }
        place = {"x": n % 2 * 12, "y": 4 + n // 2 * 6, "width": 12, "height": 6}
        widgets.append({"type": "metric", **place, "properties": properties})
    below = 4 + (len(ours) + len(sqs) + 1) // 2 * 6
    for n, (title, query) in enumerate(QUERIES):
        properties = {
            "title": title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "query": f"SOURCE '/earshot/${{AWS::StackName}}' | {query}",
        }
        place = {"x": n % 2 * 12, "y": below + n // 2 * 6, "width": 12, "height": 6}
        widgets.append({"type": "log", **place, "properties": properties})
    return {"widgets": widgets}


def package(out: Path = BUILD, playbook: Path = DEFAULT_PLAYBOOK) -> Path:
    """Builds sam.json and deployment.zip in `out`, and returns it. Raises PackageError."""
    policy = compiled_file(playbook)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        merge = Path(scratch) / "merge.json"
        merge.write_text(json.dumps(merge_template()))
        # the cached wheels stay, the built zip does not: Chalice would take it although only a data file has changed
        shutil.rmtree(ROOT / ".chalice" / "deployments", ignore_errors=True)
        run = subprocess.run(
            [sys.executable, "-c", CHALICE, "package", "--stage", STAGE, "--merge-template", str(merge), scratch],
            cwd=ROOT,
            env={"AWS_DEFAULT_REGION": "us-east-1", **os.environ},  # the template fits every region
            capture_output=True,
            text=True,
        )
        if run.returncode or not (Path(scratch) / "sam.json").exists():  # it may end well, without it
            raise PackageError(f"chalice package failed:\n{run.stdout}{run.stderr}")
        made = json.loads((Path(scratch) / "sam.json").read_text("utf-8"))
        template = versioned(with_serving_table(with_http_api(made)))
        (out / "sam.json").write_text(json.dumps(template, indent=2), "utf-8")
        finish(Path(scratch) / "deployment.zip", out / "deployment.zip", policy)
    return out


def versioned(template: dict[str, Any]) -> dict[str, Any]:
    """`template` in which every release is a version of each function behind the alias that its triggers name: code
    and environment change together, and the version before stays for `make rollback`."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"] |= {"AutoPublishAlias": ALIAS, "AutoPublishAliasAllProperties": True}
    return template


def compiled_file(path: Path) -> str:
    """The playbook in `path` as data. Raises PackageError with file and line of each mistake."""
    try:
        return compiled(read_playbook(path), date.today())
    except PlaybookError as error:
        raise PackageError(f"the playbook is not right:\n{error}") from None
    except OSError as error:
        raise PackageError(f"{path}: cannot be read: {error.strerror}") from None


def finish(built: Path, target: Path, policy: str) -> None:
    """Takes what nothing reads out of Chalice's zip and puts byte code and the compiled playbook in; the same input
    gives the same bytes within a year, for the playbook's public holidays are worked out from this one on."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        with zipfile.ZipFile(built) as zip:
            zip.extractall(tree, [name for name in zip.namelist() if not unread(name)])
        model = tree / "chalicelib" / "intents.model"
        if model.exists():
            model.with_suffix(HASH_SUFFIX).write_text(hashlib.sha256(model.read_bytes()).hexdigest(), "utf-8")
        (tree / PACKAGED.relative_to(ROOT)).write_text(policy, "utf-8")
        once = py_compile.PycInvalidationMode.UNCHECKED_HASH
        if not compileall.compile_dir(tree, quiet=1, invalidation_mode=once, stripdir=scratch, prependdir="/var/task"):
            raise PackageError("a module does not compile")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zip:
            for path in sorted(p for p in tree.rglob("*") if p.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), (1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                zip.writestr(entry, path.read_bytes())


def unread(name: str) -> bool:
    """Whether nothing reads this file of the zip at run time."""
    return any(part in name for part in UNREAD) or name.startswith(UNREAD_POWERTOOLS)


def weights(path: Path) -> tuple[int, int]:
    """Bytes of the zip, zipped and unzipped, without the AWS SDK."""
    with zipfile.ZipFile(path) as zip:
        files = [f for f in zip.infolist() if not f.filename.startswith(SDK)]
    return sum(f.compress_size for f in files), sum(f.file_size for f in files)


def report(out: Path) -> str:
    """What is in the package, as lines to print. Raises PackageError when it is too large."""
    zipped, unzipped = weights(out / "deployment.zip")
    template = json.loads((out / "sam.json").read_text("utf-8"))
    functions = {n: r for n, r in template["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}
    lines = [
        f"{_shown(out / 'deployment.zip')}  {zipped / 2**20:.1f} MiB, unzipped {unzipped / 2**20:.1f} MiB",
        f"{_shown(out / 'sam.json')}  {len(template['Resources'])} resources",
        *(
            f"  {name:<14} {r['Properties']['Handler'].rpartition('.')[2]:<12} {r['Properties']['Runtime']} "
            f"{r['Properties']['Architectures'][0]}  {_memory(template, r)} MB  {r['Properties']['Timeout']} s"
            for name, r in functions.items()
        ),
    ]
    if zipped > MAX_ZIP or unzipped > MAX_UNZIPPED:
        raise PackageError("\n".join([*lines, "the package is larger than it may be: see UNREAD in package.py"]))
    return "\n".join(lines)


def _memory(template: Mapping[str, Any], function: Mapping[str, Any]) -> int:
    """MB, where no parameter says otherwise."""
    size = function["Properties"]["MemorySize"]
    return int(template["Parameters"][size["Ref"]]["Default"] if isinstance(size, dict) else size)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=BUILD)
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK, help="instead of the one that comes along")
    options = parser.parse_args()
    try:
        print(report(package(options.out, options.playbook)))
    except PackageError as error:
        sys.exit(f"package: {error}")


if __name__ == "__main__":
    main()
