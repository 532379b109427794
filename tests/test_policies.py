"""The permissions of each function are exactly the calls that it makes: recorded while the package works through all
that can happen, held against .chalice/policy-*.json."""

import base64
import hashlib
import hmac
import http.client
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from chalicelib.aws.client import Identity, LeanAws
from chalicelib.aws.timer import StepFunctionsTimer, execution_name
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.emails.links import make_report
from chalicelib.handlers.campaign_lines import Lines
from chalicelib.handlers.messages import SpikeFound, encode
from chalicelib.keys import Keys, load_keys
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.campaigns import Segment
from chalicelib.playbook.parts import Answer
from chalicelib.settings import read_settings
from chalicelib.storage.store import ConversationKey, Store
from chalicelib.storage.table import DynamoTable
from infra.local import post_office
from infra.local.deliveries import deliver
from infra.local.deployed import FUNCTIONS, AwsCall, Deployed, deployed, until
from infra.local.embedded import SentEmail, client
from infra.local.events import REGION
from infra.local.lambda_runtime import FunctionError
from infra.local.loopback import Answered, Call
from infra.local.staff_browser import links, open_desk
from infra.stack.package import ROOT
from tests.playbook.test_campaigns import SURE, book
from tests.world import NOW, comment, delivery

# What Lambda itself does in a function's name: the event source takes messages, the log is written.
SOURCES = {
    "respond": "InboxQueue",
    "escalate": "DueQueue",
    "notify": "EscalationsQueue",
    "mail_events": "MailEventsQueue",
    "incoming_mail": "IncomingMailQueue",
}
TAKING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")

BAD_TOKEN = "70077"  # a comment of this id is answered with "your token is invalid"


@dataclass(frozen=True, slots=True)
class Permission:
    action: str
    resource: str
    leading: tuple[str, ...] = ()


def policy(function: str) -> list[dict[str, Any]]:
    text = (ROOT / ".chalice" / f"policy-{function}.json").read_text("utf-8")
    return list(json.loads(text)["Statement"])


def permissions(function: str) -> set[Permission]:
    """What the policy allows, with resources by their name in the template."""
    found = set()
    for statement in policy(function):
        actions, resources = statement["Action"], statement["Resource"]
        leading = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
        for action in actions:
            for resource in resources if isinstance(resources, list) else [resources]:
                found.add(Permission(action, _named(resource), tuple(leading)))
    return found


def _named(resource: dict[str, Any]) -> str:
    if "Ref" in resource:
        return str(resource["Ref"])
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    text = str(resource["Fn::Sub"])
    if ":ses:" in text:
        return "Mail"
    if ":execution:" in text:
        return "TimerStateMachine"
    if ":s3:" in text:
        return "MailBucket"
    if "FactsBucket" in text:
        return "FactsBucket"
    return text.replace("${Table.Arn}", "Table")


def permission(call: AwsCall, aws: Any) -> str:
    """The name in the template of what the call is about."""
    if call.action == "ses:SendEmail":
        return "Mail"
    if ":execution:" in call.resource:
        return "TimerStateMachine"
    table, _, index = call.resource.partition("/index/")
    name = next(n for n, made in aws.made.items() if table in (made.ref, made.attributes.get("Arn")))
    return f"{name}/index/{index}" if index else str(name)


def _refuse_token(call: Call) -> Answered | None:
    if call.path.endswith("/70002/ids_for_pages"):  # whom a deletion request means, in the Page's words
        return Answered(200, {"Content-Type": "application/json"}, b'{"data":[{"id":"70002"}]}')
    if f"/{BAD_TOKEN}" in call.path:
        return Answered(400, {"Content-Type": "application/json"}, b'{"error":{"code":190,"message":"expired"}}')
    return None


@pytest.fixture(scope="module")
def worked() -> Iterator[Deployed]:
    """Everything that can happen has happened."""
    with deployed(_refuse_token) as running:
        for act in (
            ask,
            act_from_email,
            escalate_by_sweep,
            large_body,
            poison,
            storm,
            token,
            refused_answer,
            answers_by_mail,
            bounce,
            dead_letters,
            spike,
            segment,
            weekly_report,
            erase,
            ended_timers,
        ):
            act(running)
        with pytest.raises(FunctionError, match="dead letters lie in"):  # the daily check's alarm rings
            running.schedule("doctor")
        unreadable(running)
        yield running


def ask(running: Deployed) -> None:
    """Two comments in one delivery, one urgent, and the brand's own answer."""
    said = [SimulatedMessage("facebook", "Can I return this dress?", author="70001")]
    said.append(SimulatedMessage("facebook", "Your charger burned my daughter, my lawyer will sue you", author="70002"))
    assert deliver(running.apps, *said).send(running.url)[0] == 200
    until(lambda: running.stand_in.posted and running.aws.emails())
    answer = SimulatedMessage("facebook", "Please call us", to=said[0].id)
    assert deliver(running.apps, answer).send(running.url)[0] == 200
    until(lambda: any(answer.id in item["pk"]["S"] for item in running.items()))


def act_from_email(running: Deployed) -> None:
    """A member of staff opens the e-mail's link, corrects what the model read, hands over and closes."""
    email = next(e for e in running.aws.emails() if "/act/" in e.text)
    page = open_desk(links(email.text)[0])
    for action, fields in (
        ("correct", {"intent": "return"}),
        ("correct", {"intent": "legal_safety"}),
        ("hand_over", {"team": "returns"}),
        ("automatic_off", {"who": "Robin"}),
        ("answered", {}),
    ):
        page = page.press(action, **fields)
        assert page.status == 200 and page.says


def escalate_by_sweep(running: Deployed) -> None:
    """A conversation whose timer failed."""
    said = SimulatedMessage("facebook", "Can I return these shoes?", author="70003")
    assert deliver(running.apps, said).send(running.url)[0] == 200
    until(lambda: any(p.target == said.id for p in running.stand_in.posted))
    _fall_due(running, said)
    mails = len(running.aws.emails())
    running.schedule("sweep")
    until(lambda: len(running.aws.emails()) > mails)
    # a correction to an urgent matter is escalated at once
    page = open_desk(links(running.aws.emails()[-1].text)[0])
    assert "Noted" in page.press("correct", intent="legal_safety").says


def _fall_due(running: Deployed, *said: SimulatedMessage) -> None:
    store, past = _store(running), datetime.now(UTC) - timedelta(minutes=1)

    def overdue(old: Conversation | None) -> Conversation:
        assert old
        long_ago = past - timedelta(days=2)
        questions = {i: replace(q, received_at=long_ago, waits_since=long_ago) for i, q in old.questions.items()}
        return replace(old, due_at=past, questions=questions)

    for s in said:
        key = ConversationKey("facebook", running.apps.apps[0].accounts[0].id, s.id, s.author)
        until(partial(store.conversation, key))
        store.change_conversation(key, overdue, datetime.now(UTC))


def large_body(running: Deployed) -> None:
    """A body that SQS cannot carry even compressed."""
    said = [
        SimulatedMessage(
            "whatsapp", base64.b85encode(secrets.token_bytes(7900)).decode(), author=f"4470000{n:05}", name="Shopper"
        )
        for n in range(230)
    ]
    delivery = deliver(running.apps, *said)
    assert delivery.send(running.url)[0] == 200
    until(
        lambda: any(c.action == "dynamodb:DeleteItem" and c.function == "respond" for c in running.recorder.calls), 90
    )


def poison(running: Deployed) -> None:
    delivery = deliver(running.apps, SimulatedMessage("facebook", "Hello?", author="70004"))
    data = json.loads(delivery.body)
    data["entry"][0]["changes"][0]["value"]["comment_id"] = {"no": "id"}
    body = json.dumps(data).encode()
    signature = hmac.new(running.apps.apps[0].secrets[0].encode(), body, hashlib.sha256).hexdigest()
    headers = {**delivery.headers, "X-Hub-Signature-256": f"sha256={signature}"}
    assert type(delivery)(delivery.path, headers, body).send(running.url)[0] == 200
    until(lambda: running.aws.counts("InboxDeadLetters"))


def storm(running: Deployed) -> None:
    """Many questions under one post fall due together: they stand in one e-mail."""
    said = [SimulatedMessage("facebook", f"hm, and number {n}?", author=f"7100{n}") for n in range(9)]
    assert deliver(running.apps, *said).send(running.url)[0] == 200
    _fall_due(running, *said)
    running.schedule("sweep")
    until(lambda: any(e.tags.get("kind") == "group" for e in running.aws.emails()), 120)


def token(running: Deployed) -> None:
    mails = len(running.aws.emails())
    said = SimulatedMessage("facebook", "Can I return this hat?", author="70005", id=BAD_TOKEN)
    assert deliver(running.apps, said).send(running.url)[0] == 200
    until(lambda: len(running.aws.emails()) > mails)


def refused_answer(running: Deployed) -> None:
    """A person answers, and the platform refuses the account's token."""
    text = "That thing there burned my daughter, my lawyer will sue you"
    bad = SimulatedMessage("facebook", text, author="70006", id=f"{BAD_TOKEN}1")
    assert deliver(running.apps, bad).send(running.url)[0] == 200
    email = until(lambda: next((e for e in running.aws.emails() if "That thing there" in e.text), None))
    assert "refused the answer" in open_desk(links(email.text)[0]).press("answer", text="Hello").says


def answers_by_mail(running: Deployed) -> None:
    """One is empty, which its sender is told; the platform refuses the account's token for the other."""
    text = "This lamp burned my daughter, my lawyer will sue you"
    said = SimulatedMessage("instagram", text, author="70008", id=f"{BAD_TOKEN}2")
    assert deliver(running.apps, said).send(running.url)[0] == 200
    email = until(lambda: next((e for e in running.aws.emails() if "This lamp burned" in e.text), None))
    mails = len(running.aws.emails())
    for words in ("", "Please call us."):
        mime = post_office.answer(words, email.to, email.reply_to)
        post_office.receive(running.aws, mime, email.reply_to, email.to)
    until(lambda: len([e for e in running.aws.emails()[mails:] if e.tags.get("kind") == "refusal"]) >= 2)


def bounce(running: Deployed) -> None:
    """An e-mail comes back, and from the fallback address as well: an alarm names the conversation by a pseudonym."""
    first = next(e for e in reversed(running.aws.emails()) if e.tags.get("to") == "team")  # nobody has answered yet
    mails = len(running.aws.emails())
    _bounced(running, first)
    new = until(lambda: [e for e in running.aws.emails()[mails:] if e.tags.get("to") == "fallback"])
    _bounced(running, new[0])
    asked = ("mail_events", "secretsmanager:GetSecretValue")
    until(lambda: asked in {(c.function, c.action) for c in running.recorder.calls})


def _bounced(running: Deployed, email: SentEmail) -> None:
    mail = {"messageId": email.id, "destination": [email.to], "tags": {k: [v] for k, v in email.tags.items()}}
    event = {"eventType": "Bounce", "mail": mail, "bounce": {"bounceType": "Permanent"}}
    queue = running.aws.queue_url("MailEventsQueue")
    client("sqs", running.aws.endpoint).send_message(QueueUrl=queue, MessageBody=json.dumps(event))


def spike(running: Deployed) -> None:
    """Far more is asked than usual: marketing is told."""
    found = SpikeFound(
        "2026-11-23T12", datetime.now(UTC) - timedelta(hours=1), 80, 6.0, 70, ("stock",), "", ("no-such",)
    )
    queue = running.aws.queue_url("EscalationsQueue")
    client("sqs", running.aws.endpoint).send_message(QueueUrl=queue, MessageBody=json.dumps(encode(found)))
    until(lambda: any(e.tags.get("kind") == "spike" for e in running.aws.emails()))


def segment(running: Deployed) -> None:
    """A campaign's line for those who have asked before: respond looks whether they have."""
    store = Store(DynamoTable(_aws_of("respond", running), running.aws.settings.table), 90)
    campaigns = book(segment=Segment.RETURNING)
    asked = Interaction("facebook", "100200", "c1", Kind.NEW, NOW, NOW, author="70001")
    answer = campaigns.acknowledgement(
        SURE, product="facebook", account="1", private=False, now=NOW, asked_at=NOW, by=NOW + timedelta(hours=1)
    )
    assert isinstance(answer, Answer) and answer.promoted
    people = [(asked.product, asked.account, asked.customer)]
    assert not Lines(store, campaigns, _keys(running)).choose(answer.promoted, asked, people, None, NOW)


def weekly_report(running: Deployed) -> None:
    """Its page is opened from the e-mail's link."""
    token = make_report(_keys(running), "2026-11-23", datetime.now(UTC))
    s3 = client("s3", running.aws.endpoint)
    s3.put_object(Bucket=running.aws.settings.facts_bucket, Key="reports/2026-11-23.html", Body=b"<p>the report")
    status, page = _answer(running.url, "GET", f"/report/{token}", "")
    assert (status, page) == (200, b"<p>the report")


def _keys(running: Deployed) -> Keys:
    secrets = client("secretsmanager", running.aws.endpoint)
    return load_keys(secrets.get_secret_value(SecretId=running.aws.settings.keys_secret)["SecretString"])


def unreadable(running: Deployed) -> None:
    """A message on each queue that its function cannot work on: it comes again soon."""
    sqs = client("sqs", running.aws.endpoint)
    for queue in SOURCES.values():
        sqs.send_message(QueueUrl=running.aws.queue_url(queue), MessageBody="no JSON")
    until(
        lambda: {c.function for c in running.recorder.calls if c.action == "sqs:ChangeMessageVisibility"} >= {*SOURCES}
    )


def dead_letters(running: Deployed) -> None:
    """In every queue's dead letters lies something about the customer who asks to be erased next."""
    account = running.apps.apps[0].accounts[0].id
    email = next(e for e in running.aws.emails() if "burned my daughter" in e.text and e.tags.get("notice"))
    parts = [comment(f"9{author}", "Hello?", author=author, post=f"{account}_1") for author in ("70002", "70009")]
    body = delivery(*parts, page=account).decode()
    at = {"v": 1, "id": "d1", "received_at": "2026-11-23T10:00:00Z"}
    key = {"v": 1, "product": "facebook", "account": account, "thread": "gone", "customer": "70002"}
    # as of an e-mail about several, which is not theirs alone
    tags = {name: [value] for name, value in email.tags.items() if name != "about"}
    told = {"messageId": email.id, "tags": tags, "commonHeaders": {"subject": email.subject}}
    client("s3", running.aws.endpoint).put_object(Bucket=running.aws.settings.mail_bucket, Key="dead", Body=b"mail")
    mail = post_office.notice("dead", email.reply_to, email.to, post_office.PASS, datetime.now(UTC))
    letters = {
        "InboxDeadLetters": {**at, "platform": "meta", "app": "main", "body": body, "reasons": ["odd"]},
        "DueDeadLetters": key,
        "EscalationsDeadLetters": {**key, "notice": "1.1", "delivery": "d1"},
        "MailEventsDeadLetters": {"eventType": "Bounce", "mail": told},
        "IncomingMailDeadLetters": mail,
    }
    sqs = client("sqs", running.aws.endpoint)
    for name, letter in letters.items():
        for sent in (letter, {"v": 1, "about": "somebody else"}):
            sqs.send_message(QueueUrl=running.aws.queue_url(name), MessageBody=json.dumps(sent))


def erase(running: Deployed) -> None:
    payload = base64.urlsafe_b64encode(b'{"algorithm":"HMAC-SHA256","user_id":"70002","issued_at":1}').rstrip(b"=")
    signature = hmac.digest(running.apps.apps[0].secrets[0].encode(), payload, "sha256")
    signed = base64.urlsafe_b64encode(signature).rstrip(b"=").decode() + "." + payload.decode()
    answer = _request(running.url, "POST", "/erasure/meta/main", urlencode({"signed_request": signed}))
    code = answer["confirmation_code"]
    assert answer["url"].endswith(f"/erasure/{code}")
    until(lambda: "received" in _request(running.url, "GET", f"/erasure/{code}"))
    until(lambda: not [i for i in running.items() if i.get("customer", {}).get("S", "").endswith("#70002")])
    until(lambda: running.aws.counts("IncomingMailDeadLetters") == 1)
    queue = running.aws.queue_url("EscalationsQueue")
    for product in ("facebook", "messenger"):  # the first pass sends it for a quarter of an hour later
        whom = {"product": product, "account": running.apps.apps[0].accounts[0].id, "id": "70002"}
        second = {"v": 1, "erase": whom, "code": code, "pass": 2, "at": datetime.now(UTC).isoformat()}
        client("sqs", running.aws.endpoint).send_message(QueueUrl=queue, MessageBody=json.dumps(second))
    until(lambda: "partly_erased" in _request(running.url, "GET", f"/erasure/{code}"))  # Instagram cannot be asked


def ended_timers(running: Deployed) -> None:
    """The bucket of a timer has ended already: each function that starts timers looks, and takes the next."""
    machine = running.aws.settings.state_machine_arn
    made = client("stepfunctions", running.aws.endpoint)
    minute = datetime(2030, 1, 1, tzinfo=UTC)
    name = execution_name(minute)
    made.start_execution(stateMachineArn=machine, name=name, input='{"wake_at":"2000-01-01T00:00:00Z"}')
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    until(lambda: made.describe_execution(executionArn=execution)["status"] != "RUNNING")
    for function in ("app", "respond", "escalate", "sweep"):
        StepFunctionsTimer(_aws_of(function, running), machine).wake(minute)


def _aws_of(function: str, running: Deployed) -> LeanAws:
    return LeanAws(lambda: Identity(function, "embedded", "", REGION), running.aws.endpoint)


def _store(running: Deployed) -> Store:
    return Store(DynamoTable(LeanAws(), running.aws.settings.table), 90)


def _request(url: str, method: str, path: str, body: str = "") -> Any:
    return json.loads(_answer(url, method, path, body)[1])


def _status(url: str, method: str, path: str, body: str = "") -> int:
    return _answer(url, method, path, body)[0]


def _answer(url: str, method: str, path: str, body: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("key", FUNCTIONS)
def test_no_call_is_without_its_permission_and_no_permission_without_its_call(worked: Deployed, key: str) -> None:
    name = FUNCTIONS[key]
    allowed = permissions(name)
    made = {(c.action, permission(c, worked.aws)) for c in worked.recorder.calls if c.function == key}
    made |= {(action, "Logs") for action in LOGGING}
    if name in SOURCES:
        made |= {(action, SOURCES[name]) for action in TAKING}
    assert made - {(p.action, p.resource) for p in allowed} == set()
    assert {(p.action, p.resource) for p in allowed} - made == set()


@pytest.mark.parametrize("key", FUNCTIONS)
def test_keys_stay_within_what_the_policy_names(worked: Deployed, key: str) -> None:
    allowed = permissions(FUNCTIONS[key])
    for call in (c for c in worked.recorder.calls if c.function == key and c.keys):
        fitting = [p for p in allowed if (p.action, p.resource) == (call.action, permission(call, worked.aws))]
        for written in call.keys:
            assert any(not p.leading or any(fnmatch(written, k) for k in p.leading) for p in fitting), (
                call.action,
                written,
            )


def test_the_work_ended_as_it_should(worked: Deployed) -> None:
    assert worked.aws.counts("EscalationsDeadLetters") == worked.aws.counts("DueDeadLetters") == 1  # somebody else's
    assert any("Automatic replies" in e.text or "token" in e.subject for e in worked.aws.emails())


def test_no_secret_and_nothing_of_any_person_is_in_the_log_of_all_that(worked: Deployed) -> None:
    log, emails, keys = worked.log.read_text("utf-8"), worked.aws.emails(), _keys(worked)
    secrets = [keys.current, keys.first, *(s for app in worked.apps.apps for s in (*app.secrets, app.verify_token))]
    secrets += [a.token for app in worked.apps.apps for a in app.accounts]
    secrets += [link.rpartition("/")[2] for email in emails for link in links(email.text) if "/act/" in link]
    people = [address for email in emails for address in (email.reply_to, email.to)]
    people += [item["pk"]["S"].rpartition("#")[2] for item in worked.items() if item["pk"]["S"].startswith("i#")]
    people += [*(f"7000{n}" for n in range(1, 9)), *(f"7100{n}" for n in range(9)), BAD_TOKEN]
    people += [f"4470000{n:05}" for n in range(230)]
    words = ("dress", "shoes", "charger", "lawyer", "lamp", "Please call", "Shopper", "Robin", "and number", "no JSON")
    assert len(set(people)) > 50 and len(set(secrets)) > 10
    lines = re.sub(r'"Timestamp": ?[0-9]+', "", log).splitlines()  # of a metric; the demo's ids are times as well
    assert any("mail refused" in line for line in lines) and any("a message goes back" in line for line in lines)
    sought = "|".join({re.escape(s) for s in (*secrets, *people, *words) if s})
    assert not [(found[0], line) for line in lines if (found := re.search(rf"(?<!\w)(?:{sought})(?!\w)", line))]


@pytest.mark.parametrize("name", FUNCTIONS.values())
def test_policies_name_actions_and_resources(name: str) -> None:
    for statement in policy(name):
        assert statement["Effect"] == "Allow"
        assert all("*" not in action for action in statement["Action"])
        text = json.dumps(statement["Resource"])
        assert '"*"' not in text
        named = text.replace(":due-*", "")  # executions are made at run time; their names begin so
        for objects in ("-mail-${AWS::AccountId}/*", "${FactsBucket.Arn}/reports/*"):
            named = named.replace(objects, "")
        assert "*" not in named


def test_every_function_has_its_policy() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    functions = config["stages"]["package"]["lambda_functions"]
    assert {f["iam_policy_file"] for f in functions.values()} == {f"policy-{n}.json" for n in FUNCTIONS.values()}
    assert {p.name for p in (ROOT / ".chalice").glob("policy-*.json")} == {
        f"policy-{n}.json" for n in FUNCTIONS.values()
    }
    assert config["autogen_policy"] is False


def test_settings_name_what_the_template_gives(worked: Deployed) -> None:
    assert read_settings(worked.variables("app")).table == worked.aws.settings.table
