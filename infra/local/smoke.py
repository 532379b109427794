"""`make smoke`: deploys the package into an AWS emulator on this machine, again and again, and sends a webhook through.

infra/local/emulator.py is the emulator.
"""

import http.client
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import USUAL, Delivery, deliver
from infra.local.demo_apps import demo_apps, write
from infra.local.emulator import REGION, SmokeError, emulator, for_the_emulator, until
from infra.stack.package import BUILD, package, report

STAGE, ADDRESS = "smoke", "earshot@marigold.example.com"
URGENT = "Your charger caught fire and burned my daughter, I will sue you"


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
    served_from_a_restored_table(out, outputs, make, address)


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
    first = versions(make, stack)
    deploy(out, STAGE, {"RetentionDays": "60"})
    before = versions(make, stack)
    served = _variable(make, stack, "EARSHOT_RETENTION_DAYS")
    if served != {"60"} or any(before[name] <= first[name] for name in first):
        raise SmokeError(f"the new value is not served: {served}, versions {first} → {before}")
    print(f"  versions {_span(first)} → {_span(before)}, which have it")
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


def _variable(make: Any, stack: str, variable: str) -> set[str]:
    """What the versions that serve have as `variable`."""
    found = (
        make("lambda").get_function_configuration(FunctionName=name, Qualifier=str(version))
        for name, version in versions(make, stack).items()
    )
    return {str(configuration["Environment"]["Variables"].get(variable)) for configuration in found}


def main_job(outputs: Mapping[str, str], make: Any, address: str) -> None:
    """Registers the shop, sends an urgent comment and waits for its e-mail."""
    # start-up time: each part loads what it drives
    from infra.ops.commands import main as ops

    print(f"deployed: {outputs['WebhookURL']}")
    if ops(["--stage", STAGE, "apps", "--file", str(write())]):
        raise SmokeError("the apps file was not taken")
    url = _function_url(outputs, address)
    delivery = ask(url, "77001")
    refused = deliver(demo_apps(), SimulatedMessage(USUAL, URGENT, author="77001"), secret="another secret")
    print(f"a forged one: {refused.send(url)[0]}, one to nowhere: {replace(delivery, path='/nowhere').send(url)[0]}")
    items = until("the interaction", lambda: stored(make, outputs["Table"]), 60)
    print(f"stored: {', '.join(sorted({pk.partition('#')[0] for pk in items}))} in {len(items)} items")
    found = until("the e-mail", lambda: _sent(address), 90)
    print(f"escalated: e-mail to {', '.join(found)}")


def _function_url(outputs: Mapping[str, str], address: str) -> str:
    """Where the emulator serves the function URL."""
    return f"{address}/_aws/lambda-url/{urlsplit(outputs['WebhookURL']).netloc.partition('.')[0]}"


def ask(url: str, author: str) -> Delivery:
    """Sends an urgent comment of `author`, and returns it. Raises SmokeError."""
    delivery = deliver(demo_apps(), SimulatedMessage(USUAL, URGENT, author=author, name="Robin"))
    status, body = delivery.send(url)
    print(f"webhook, through the function URL: {status} {body}")
    if status != 200:
        raise SmokeError(f"the webhook was answered with {status}")
    return delivery


def stored(make: Any, table: str) -> list[str]:
    """The partition keys of all items of the table."""
    return [item["pk"]["S"] for item in make("dynamodb").scan(TableName=table)["Items"]]


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


def served_from_a_restored_table(out: Path, outputs: Mapping[str, str], make: Any, address: str) -> None:
    """Restores the table, serves from the restored one, and from the stack's own again."""
    # start-up time: each part loads what it drives
    from infra.stack import rollback
    from infra.stack.deploy import OWN, deploy, table_values

    own = outputs["Table"]
    name = _restored(make("dynamodb"), own)
    print(f"serving from {name}:")
    for table, value, author in ((name, name, "77002"), (own, OWN, "77003")):
        after = deploy(out, STAGE, table_values(value))
        if after["Table"] != table:
            raise SmokeError(f"the stack serves from {after['Table']}")
        other = ({own, name} - {table}).pop()
        before = set(stored(make, other))
        ask(_function_url(after, address), author)
        new = until("the interaction", partial(_beside, make, table, before), 60)
        if _beside(make, other, before):
            raise SmokeError(f"{other} is still written to")
        streams = _triggers(make, f"earshot-{STAGE}")
        if not streams or any(f"table/{table}/stream" not in stream for stream in streams):
            raise SmokeError(f"the facts are made of {streams}")
        print(f"  {len(new)} new items in it, none in the other; the facts' trigger reads its stream")
    try:
        rollback.rollback(f"earshot-{STAGE}")
    except rollback.RollbackError as error:
        print(f"back to a version of the other table is refused: {error}")
    else:
        raise SmokeError("versions that may not reach their table serve")


def _restored(dynamodb: Any, table: str) -> str:
    # start-up time: each part loads what it drives
    from infra.ops.restore import restore
    from infra.ops.stage import OpsError
    from infra.stack import restored

    restored.LOOK_EVERY_S = 1
    given = {"PointInTimeRecoveryEnabled": True}  # as the template says, which the emulator's CloudFormation leaves out
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=given)
    for _ in range(9):  # the emulator restores to this very second only
        try:
            return restore(dynamodb, table, restored.recoverable(dynamodb, table)["LatestRestorableDateTime"])
        except OpsError:
            continue
    raise SmokeError("the emulator did not restore the table")


def _beside(make: Any, table: str, known: set[str]) -> set[str]:
    return set(stored(make, table)) - known


def _triggers(make: Any, stack: str) -> list[str]:
    """The streams that functions of the stack are called for."""
    rows = make("lambda").get_paginator("list_event_source_mappings").paginate()
    mappings = [m for page in rows for m in page["EventSourceMappings"] if f":function:{stack}-" in m["FunctionArn"]]
    return [str(m["EventSourceArn"]) for m in mappings if "/stream/" in m["EventSourceArn"]]


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
