"""What an operator does with a running Earshot: `make doctor`, `redrive`, `rotate-secret`, `apps`, `erase`, `export`,
`link`,
`backfill`. Each works on the stack of STAGE with the operator's own credentials, or, where EARSHOT_TABLE is set, on
what the environment names (the embedded AWS). No command prints a customer's words, a token or a secret, except export,
which is there to do it.
"""

import argparse
import base64
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from getpass import getpass
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import platforms
from chalicelib.apps import AppsError, load_apps, read_apps
from chalicelib.aws import secret_text
from chalicelib.aws.client import AwsError
from chalicelib.codec import dump
from chalicelib.conversations.customer import Customer
from chalicelib.handlers import inbox
from chalicelib.handlers.inbox import Envelope
from chalicelib.keys import KeysError, load_keys, new_keys
from chalicelib.operations.doctor import written
from chalicelib.platforms.base import Finding, Poison, ReplyError, Unsupported
from chalicelib.platforms.read import PayloadError
from chalicelib.playbook.policy import PlaybookError
from chalicelib.services import Services
from chalicelib.settings import Settings, read_settings
from chalicelib.storage.people import Person, link, unlink
from chalicelib.textfile import read_text
from infra.ops import access, playbook

QUEUES = ("inbox", "due", "escalations", "mail-events", "incoming-mail")
HELD_S = 60  # how long a message is ours while we look at it
SETTINGS_OF = "Notify"  # the function whose variables say where everything is: the one that has all of them


class OpsError(Exception):
    """The command could not be carried out; the message says why and what to do."""


def client(service: str) -> Any:
    """A boto3 client with the operator's credentials."""
    make: Any = boto3.client
    return make(service)


def settings_of(stage: str) -> Settings:
    """Where everything of `stage` is: the deployed function's own variables, or the environment's."""
    access.enter_local(stage)
    if os.environ.get("EARSHOT_TABLE"):
        return read_settings()
    stack = f"earshot-{stage}"
    try:
        found = client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=SETTINGS_OF)
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        answer = client("lambda").get_function_configuration(FunctionName=name)
    except ClientError as error:
        raise OpsError(f"there is no stack {stack} in this account and region ({error})") from None
    return read_settings(answer["Environment"]["Variables"])


# --- redrive ---


def queue_url(settings: Settings, name: str) -> str:
    """The address of one of QUEUES; raises OpsError."""
    if name not in QUEUES:
        raise OpsError(f"QUEUE is one of {', '.join(QUEUES)}")
    known = {"inbox": settings.inbox_url, "due": settings.due_url, "escalations": settings.escalations_url}
    if name in known:
        return known[name]
    # no function sends to it, so no setting names it; CloudFormation begins its name with the stack's
    logical = f"{name.title().replace('-', '')}Queue"
    found = client("sqs").list_queues(QueueNamePrefix=f"earshot-{settings.stage}-{logical}").get("QueueUrls", [])
    if len(found) != 1:
        raise OpsError(f"there is no queue {logical} of the stage {settings.stage}")
    return str(found[0])


def dead_letters_of(sqs: Any, url: str) -> str:
    """The address of the dead-letter queue of the queue at `url`."""
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    arn = str(json.loads(policy)["deadLetterTargetArn"])
    return str(sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"])


def redrive(sqs: Any, url: str, say: Callable[[str], None]) -> int:
    """Moves what lies in the dead-letter queue now back, and says why quarantined deliveries were there; how many.

    A message is deleted there only after the queue has taken it: a crash in between makes it come twice, which every
    function bears, and never loses it. What is not understood this time either comes back to the dead letters.
    """
    dead = dead_letters_of(sqs, url)
    name = "ApproximateNumberOfMessages"
    lying = int(sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=[name])["Attributes"][name])
    moved = 0
    for message in islice(held(sqs, dead), lying):
        told = _read(message["Body"])
        if "reasons" in told:
            why = "; ".join(told["reasons"])
            say(f"was in quarantine: {told.get('platform')}/{told.get('app')} delivery {told.get('id')}: {why}")
        sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
        sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        moved += 1
    return moved


def held(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """Each message of the queue once, held for HELD_S."""
    seen: set[str] = set()
    while True:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=HELD_S, WaitTimeSeconds=1)
        fresh = [m for m in found.get("Messages", []) if m["MessageId"] not in seen]
        if not fresh:
            return
        seen |= {m["MessageId"] for m in fresh}
        yield from fresh


def _let_go(sqs: Any, url: str, messages: list[dict[str, Any]]) -> None:
    for message in messages:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)


def _read(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# --- the apps file ---


def put_apps(settings: Settings, file: Path) -> int:
    """Puts the apps file into the secret store after checking it; how many accounts it has. Raises AppsError."""
    found, text = read_apps(file), read_text(file)
    secret_text.put(client("secretsmanager"), settings.apps_secret, text)
    return sum(len(app.accounts) for app in found.apps)


def rotate_secret(settings: Settings, platform: str, key: str, new: str, *, finish: bool) -> int:
    """Puts `new` in front of the app's secrets, or with `finish` drops all but the first; how many it has then.

    Both verify in between, so that no delivery is refused while the platform changes over. Raises OpsError, AppsError.
    """
    secrets = client("secretsmanager")
    data = json.loads(secret_text.get(secrets, settings.apps_secret))
    row = next((a for a in data["apps"] if (a["platform"], str(a["app"])) == (platform, key)), None)
    if row is None:
        raise OpsError(f"the apps file has no app {platform}/{key}")
    row["secrets"] = row["secrets"][:1] if finish else [new, *(s for s in row["secrets"] if s != new)]
    load_apps(text := json.dumps(data), strict=False)
    secret_text.put(secrets, settings.apps_secret, text)
    return len(row["secrets"])


def rotate_key(settings: Settings, *, fresh: bool = False) -> None:
    """Makes a new key for links, reply addresses and pseudonyms; the present one goes on verifying until the next
    rotation. `fresh` begins anew where the secret is damaged: every link under way is void. Raises KeysError."""
    secrets = client("secretsmanager")
    found = secrets.get_secret_value(SecretId=settings.keys_secret)["SecretString"]
    keys = new_keys() if fresh else load_keys(found).rotated()
    secrets.put_secret_value(SecretId=settings.keys_secret, SecretString=keys.dump())


# --- erasure and export ---


def customer_named(text: str) -> Customer:
    """The customer in product:account:id; raises OpsError."""
    product, colon, rest = text.partition(":")
    account, second, id = rest.partition(":")
    if not (colon and second and product and account and id):
        raise OpsError("CUSTOMER is product:account:customer, for instance facebook:100200300:77001")
    return Customer(product, account, id)


def erase(services: Services, customer: Customer, now: datetime, request: str = "") -> tuple[int, int]:
    """Erases at once and queues the second pass; (items erased, messages taken out of the inbox's dead letters). With
    the code of an open `request` it is the answer to that one."""
    eraser = services.eraser
    count = eraser.erase(customer, request or f"operator{now:%Y%m%d%H%M%S}", now).items
    if request and count:
        eraser.close(request)
    sqs, url = client("sqs"), services.settings.quarantine_url
    taken, others = 0, []
    for message in held(sqs, url):
        if _names(message["Body"], customer, services):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken += 1
        else:
            others.append(message)
    _let_go(sqs, url, others)
    return count, taken


def _names(body: str, customer: Customer, services: Services) -> bool:
    """Whether a message of the inbox names the customer, however its delivery is packed."""
    try:
        envelope = inbox.decode(body, services.bodies.read)
    except (inbox.AlreadyDone, inbox.UnknownVersion, KeyError, ValueError):
        return json.dumps(customer.id)[1:-1] in body
    told = envelope.body.decode("utf-8", "replace") + json.dumps(dump(envelope.interaction))
    return json.dumps(customer.id)[1:-1] in told


# --- backfill ---


def backfill(services: Services, name: str, since: datetime, now: datetime) -> int:
    """Asks the platform what was said to the account (product:id) since then, and puts it on the inbox; how many. What
    is known already changes nothing; what could not be understood is said. Raises OpsError."""
    product, _, id = name.partition(":")
    owner = services.apps.owner(product, id)
    if owner is None:
        raise OpsError(f"the apps file has no account {name}: ACCOUNT is product:id")
    app, account = owner
    count = 0
    try:
        for found in platforms.product(product).backfill(services.http, app, account, since, now):
            if isinstance(found, Poison):
                print(f"one that {product} lists could not be understood: {found.reason}", file=sys.stderr)
                continue
            envelope = Envelope(services.new_token(), app.platform, app.key, now)
            services.inbox.send(inbox.part(envelope, found))
            count += 1
    except Unsupported as error:
        raise OpsError(f"{product} has no way to list what was missed: {error}") from None
    except PayloadError as error:
        raise OpsError(f"{product} answered otherwise than documented after {count} interactions: {error}") from None
    except ReplyError as error:
        raise OpsError(f"{product} refused after {count} interactions ({error.code}): see make doctor") from None
    return count


# --- doctor ---


def findings(services: Services, now: datetime) -> list[Finding]:
    """What the daily visit looks at, and what an operator's credentials see: alarms, SES's sandbox, dead letters."""
    return [
        *services.doctor.findings(now),
        *sandbox(),
        *concurrency(services.settings.stage),
        *alarms(f"earshot-{services.settings.stage}"),
        *dead_letters(services),
    ]


NEEDED_AT_ONCE = 12  # the readers' maxima of the default deployment, the sweep and receive


def concurrency(stage: str) -> list[Finding]:
    """Whether the account runs as many functions at once as the stack's readers may take, receive beside them."""
    if stage == "local":
        return []
    try:
        limit = int(client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    except ClientError:
        return [Finding("lambda", "Lambda does not tell its quota", "allow the operator lambda:GetAccountSettings")]
    if limit >= NEEDED_AT_ONCE:
        return []
    fix = "ask for more under Service Quotas, Lambda, Concurrent executions"
    return [Finding("lambda", f"this account runs {limit} functions at once, Earshot may need {NEEDED_AT_ONCE}", fix)]


def sandbox() -> list[Finding]:
    """Whether SES sends to verified addresses only, or not at all."""
    try:
        account = client("sesv2").get_account()
    except ClientError:
        return [Finding("ses", "SES does not tell whether it is in its sandbox", "allow the operator ses:GetAccount")]
    found = []
    if not account.get("ProductionAccessEnabled"):
        fix = "ask for production access (DEPLOYING.md, E-mail), or verify each team's address or domain"
        found.append(Finding("ses", "the account is in SES's sandbox: only verified addresses get e-mail", fix))
    if account.get("SendingEnabled") is False:
        found.append(Finding("ses", "SES has paused sending", "see the reason in the SES console, Account dashboard"))
    return found


def alarms(stack: str) -> list[Finding]:
    """The stack's alarms that are ringing."""
    pages = (
        client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=f"{stack}-", StateValue="ALARM", AlarmTypes=["MetricAlarm"])
    )
    names = [str(alarm["AlarmName"]) for page in pages for alarm in page["MetricAlarms"]]
    return [Finding("alarm", name, f"see RUNBOOK.md, {name.removeprefix(f'{stack}-')}") for name in names]


def dead_letters(services: Services) -> list[Finding]:
    """Queues whose dead-letter queue holds something."""
    sqs, found = client("sqs"), []
    for name in QUEUES:
        dead = dead_letters_of(sqs, queue_url(services.settings, name))
        attribute = "ApproximateNumberOfMessages"
        count = int(sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=[attribute])["Attributes"][attribute])
        if count:
            found.append(Finding("queue", f"{count} messages are dead letters of {name}", f"make redrive QUEUE={name}"))
    return found


# --- the command line ---


def since(text: str, now: datetime) -> datetime:
    """A time: ISO 8601, or so long ago as 90min, 36h or 7d. Raises OpsError."""
    for suffix, unit in (("min", "minutes"), ("h", "hours"), ("d", "days")):
        number = text.removesuffix(suffix)
        if number != text and number.isdigit():
            return now - timedelta(**{unit: int(number)})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise OpsError("SINCE is a time such as 2026-11-21T10:00Z, or 90min, 36h, 7d") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Command = Callable[[argparse.Namespace, Services], int]


def _doctor(given: argparse.Namespace, services: Services) -> int:
    found = findings(services, services.now())
    accounts = sum(len(app.accounts) for app in services.apps.apps)
    print(
        written(found)
        if found
        else f"nothing found: {accounts} accounts, queues, alarms and e-mail are as they should be"
    )
    return 1 if found else 0


def _redrive(given: argparse.Namespace, services: Services) -> int:
    moved = redrive(client("sqs"), queue_url(services.settings, given.queue), print)
    print(f"{moved} messages went back to {given.queue}")
    return 0


def _rotate(given: argparse.Namespace, services: Services) -> int:
    ask = getpass if sys.stdin.isatty() else lambda prompt: sys.stdin.readline()
    new = "" if given.finish else ask("the new secret: ").strip()
    if not new and not given.finish:
        raise OpsError("no secret was given")
    count = rotate_secret(services.settings, given.platform, given.app, new, finish=given.finish)
    then = "" if given.finish else "; when the platform has changed over, run it again with FINISH=1"
    print(
        f"{given.platform}/{given.app} has {count} secret{'s' if count > 1 else ''}; in use within five minutes{then}"
    )
    return 0


def _rotate_key(given: argparse.Namespace, services: Services) -> int:
    rotate_key(services.settings, fresh=given.fresh)
    print("a new key signs links from now on; links made with the one before open until the next rotation")
    return 0


def _apps(given: argparse.Namespace, services: Services) -> int:
    count = put_apps(services.settings, Path(given.file))
    print(f"{count} accounts are registered; in use within five minutes")
    return 0


def _erase(given: argparse.Namespace, services: Services) -> int:
    count, taken = erase(services, customer_named(given.customer), services.now(), given.request)
    print(f"{count} items erased, {taken} dead letters taken out; a second pass follows in 15 minutes")
    if not count:
        print("nothing is stored under this id: is it the one by which this account knows them? (RUNBOOK.md)")
        return 1
    return 0


def _export(given: argparse.Namespace, services: Services) -> int:
    print(
        json.dumps(
            services.eraser.export(customer_named(given.customer), services.now()),
            indent=2,
            ensure_ascii=False,
            default=_plain,
        )
    )
    return 0


def _plain(value: Any) -> Any:
    """DynamoDB's numbers and bytes as JSON has them."""
    return base64.b64encode(bytes(value)).decode() if isinstance(value, bytes) else float(value)


def _link(given: argparse.Namespace, services: Services) -> int:
    one, other = (_person(customer_named(name)) for name in (given.customer, given.other))
    if one == other:
        raise OpsError("CUSTOMER and OTHER are the same")
    if given.undo:
        print("they are two people again" if unlink(services.store, one, other) else "they were not linked")
        return 0
    link(services.store, one, other, given.by, services.now())
    print("from now on both are one person: one profile, and a “stop” to either is one to both")
    return 0


def _person(customer: Customer) -> Person:
    return customer.product, customer.account, customer.id


def _backfill(given: argparse.Namespace, services: Services) -> int:
    now = services.now()
    count = backfill(services, given.account, since(given.since, now), now)
    print(f"{count} interactions were listed and are on the inbox; those that are known change nothing")
    return 0


def _playbook(given: argparse.Namespace, services: Services) -> int:
    if file := services.settings.playbook_file:
        raise OpsError(f"this stage serves the file {file}: change that one, and start it again")
    table = services.store.table
    if given.file:
        print(playbook.put(table, Path(given.file), services.now()))
    elif given.version:
        print(playbook.serve(table, given.version))
    else:
        print(playbook.listed(table))
    return 0


REFUSED = (
    *(OpsError, AppsError, PlaybookError, AwsError, secret_text.TooLong, KeysError),
    *(ClientError, BotoCoreError, OSError),
)
COMMANDS: Mapping[str, tuple[Command, tuple[str, ...]]] = {
    "doctor": (_doctor, ()),
    "redrive": (_redrive, ("--queue",)),
    "rotate-secret": (_rotate, ("--platform", "--app")),
    "rotate-key": (_rotate_key, ()),
    "apps": (_apps, ("--file",)),
    "playbook": (_playbook, ()),
    "erase": (_erase, ("--customer",)),
    "export": (_export, ("--customer",)),
    "link": (_link, ("--customer", "--other", "--by")),
    "backfill": (_backfill, ("--account", "--since")),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", default="prod")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, options) in COMMANDS.items():
        command = commands.add_parser(name)
        for option in options:
            command.add_argument(option, required=True)
        if name == "rotate-secret":
            command.add_argument("--finish", action="store_true")
        if name == "erase":
            command.add_argument("--request", default="", help="the code of an open request that this answers")
        if name == "link":
            command.add_argument("--undo", action="store_true")
        if name == "playbook":
            command.add_argument("--file", default="", help="checks it and serves it within five minutes")
            command.add_argument("--version", default="", help="serves this older one again; 0: the deployment's own")
        if name == "rotate-key":
            command.add_argument("--fresh", action="store_true")
    given = parser.parse_args(arguments)
    try:
        return COMMANDS[given.command][0](given, Services(settings_of(given.stage), lean_aws=access.operators_aws()))
    except (
        OpsError,
        AppsError,
        PlaybookError,
        AwsError,
        secret_text.TooLong,
        KeysError,
        ClientError,
        BotoCoreError,
        OSError,
    ) as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 2
