"""What SES's receiving does: puts an e-mail into the bucket and tells the queue of it, with its verdicts."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from uuid import uuid4

from chalicelib.codec import from_time
from infra.local.embedded import Embedded, client

PASS = {v: "PASS" for v in ("spam", "virus", "spf", "dkim", "dmarc")}


def answer(text: str, sender: str, to: str) -> bytes:
    """An answer by e-mail as a mail server hands it over."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, "Re: [Earshot]"
    message["Message-ID"] = f"<{uuid4()}@mail.example.com>"
    message.set_content(f"{text}\n\nOn Mon, 23 Nov 2026 at 10:10, Earshot <earshot@example.com> wrote:\n\n> Question\n")
    return message.as_bytes(policy=SMTP)


def receive(aws: Embedded, mime: bytes, to: str, sender: str, verdicts: Mapping[str, str] = PASS) -> None:
    """One e-mail arrives."""
    name = uuid4().hex
    client("s3", aws.endpoint).put_object(Bucket=aws.settings.mail_bucket, Key=name, Body=mime)
    notification = notice(name, to, sender, verdicts, datetime.now(UTC))
    url = aws.queue_url("IncomingMailQueue")
    client("sqs", aws.endpoint).send_message(QueueUrl=url, MessageBody=json.dumps(notification))


def notice(name: str, to: str, sender: str, verdicts: Mapping[str, str], at: datetime) -> dict[str, object]:
    """What SES tells of an e-mail that it put into the bucket as `name`.

    Source: https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
    """
    return {
        "notificationType": "Received",
        "mail": {"source": sender, "messageId": name, "destination": [to], "timestamp": from_time(at)},
        "receipt": {
            "timestamp": from_time(at),
            "recipients": [to],
            "action": {"type": "S3", "objectKey": name},
            **{f"{verdict}Verdict": {"status": status} for verdict, status in verdicts.items()},
        },
    }
