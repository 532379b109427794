"""`make doctor`: what is wrong with the registrations, the stack and its account, and how to fix each."""

import argparse
import sys
from datetime import datetime

from botocore.exceptions import ClientError

from chalicelib.operations.doctor import AT_ONCE, written
from chalicelib.platforms.base import Finding
from chalicelib.services import Services
from chalicelib.settings import Settings
from infra.ops.last_errors import WITHIN, last_errors
from infra.ops.queues import QUEUES, dead_letters_of, queue_url
from infra.ops.stage import client
from infra.stack.cloudformation import described


def arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(given: argparse.Namespace, services: Services) -> int:
    now = services.now()
    accounts = sum(len(app.accounts) for app in services.apps.apps)
    if accounts > AT_ONCE and not _stand_ins(services):
        print(f"asking the platforms about {accounts} accounts, {AT_ONCE} at a time", file=sys.stderr)
    found = findings(services, now)
    well = f"nothing found: {accounts} accounts, queues, alarms and e-mail are as they should be"
    if _stand_ins(services):
        well = "nothing found: queues and alarms are as they should be, and nothing is overdue"
        print(f"stand-ins answer for the platforms here, so {accounts} accounts and SES are not checked")
    print(written(found) if found else well)
    if errors := last_errors(services, now):
        hours = int(WITHIN.total_seconds() // 3600)
        print(f"\nthe last errors, of {hours} hours and the dead letters:\n{written(errors)}")
    return 1 if found else 0


def _stand_ins(services: Services) -> bool:
    """Whether this is the local run: what the platforms know of the accounts is nothing there."""
    return bool(services.settings.platforms_via)


def findings(services: Services, now: datetime) -> list[Finding]:
    """What the daily visit looks at, and what an operator's credentials see: alarms, SES's sandbox, dead letters."""
    doctor = services.doctor
    seen = (
        [*doctor.overdue(now), *doctor.erasures(now)] if _stand_ins(services) else [*doctor.findings(now), *sandbox()]
    )
    return [
        *seen,
        *concurrency(services.settings),
        *alarms(f"earshot-{services.settings.stage}"),
        *dead_letters(services),
    ]


NEEDED_AT_ONCE = 10  # the readers' maxima of the default deployment, the sweep and receive: what a new account has
FOR_MAIL = 2  # more, where answers by e-mail are received
# What a deployment may set higher, with what it is in NEEDED_AT_ONCE. What is reserved for receive nobody else may use.
RAISED = {"RespondConcurrency": 2, "NotifyConcurrency": 2, "ReceiveConcurrency": 1}


def concurrency(settings: Settings) -> list[Finding]:
    """Whether the account runs as many functions at once as the stack's readers may take, receive beside them."""
    if settings.stage == "local":
        return []
    needed = NEEDED_AT_ONCE + (FOR_MAIL if settings.reply_domain else 0)
    try:
        needed += _raised(f"earshot-{settings.stage}")
    except ClientError:
        fix = "allow the operator cloudformation:DescribeStacks"
        return [Finding("lambda", "CloudFormation does not tell what the stack may run at once", fix)]
    try:
        limit = int(client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    except ClientError:
        return [Finding("lambda", "Lambda does not tell its quota", "allow the operator lambda:GetAccountSettings")]
    if limit >= needed:
        return []
    fix = "ask for more under Service Quotas, Lambda, Concurrent executions"
    return [Finding("lambda", f"this account runs {limit} functions at once, Earshot may need {needed}", fix)]


def _raised(stack: str) -> int:
    """How many more than in NEEDED_AT_ONCE the stack's own settings allow."""
    found = described(client("cloudformation"), stack) or {}
    given = {
        p["ParameterKey"]: int(p["ParameterValue"]) for p in found.get("Parameters", []) if p["ParameterKey"] in RAISED
    }
    return sum(max(given.get(name, usual) - usual, 0) for name, usual in RAISED.items())


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
