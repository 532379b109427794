"""What SES tells of a received e-mail: where it put it, to whom it was sent, and what it thinks of it.

Source: https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.aws.mail_bucket import MailBucket
from chalicelib.codec import to_time
from chalicelib.staff.incoming import MOST_BYTES, Received

VERDICTS = ("spam", "virus", "spf", "dkim", "dmarc")


class NotAReceipt(ValueError):
    """The message is not SES's word on a received e-mail."""


def object_name(notification: Mapping[str, Any]) -> str:
    """The object in the bucket that the notification is about. Raises NotAReceipt."""
    try:
        return str(notification["receipt"]["action"]["objectKey"])
    except (KeyError, TypeError):
        raise NotAReceipt("no receipt.action.objectKey") from None


def received(notification: Mapping[str, Any], bucket: MailBucket, now: datetime) -> Received | None:
    """The e-mail that the notification is about; None when it was worked on and taken away. Raises NotAReceipt."""
    stored = bucket.read(object_name(notification), MOST_BYTES)
    if stored is None:
        return None
    receipt, mail = notification["receipt"], notification.get("mail", {})
    return Received(
        mime=stored.mime,
        recipients=tuple(str(r) for r in receipt.get("recipients", ())),
        verdicts={v: str(receipt.get(f"{v}Verdict", {}).get("status", "")).lower() for v in VERDICTS},
        at=_time(receipt.get("timestamp"), now),
        envelope_from=str(mail.get("source") or "<>"),
        whole=stored.whole,
    )


def _time(text: Any, default: datetime) -> datetime:
    try:
        return to_time(str(text))
    except ValueError:
        return default
