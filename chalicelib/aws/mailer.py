"""E-mail by SES: one attempt a call, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Email:
    """One message; `tags` come back with SES's events (ASCII letters, digits, - and _ only); `images`
    are PNGs that the HTML names as `cid:name`."""

    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict, repr=False)


class MailRefused(Exception):
    """SES said no: nothing was sent. `again` tells whether a later try may succeed."""

    def __init__(self, code: str, *, again: bool) -> None:
        super().__init__(code)
        self.again = again


class MailUnknown(Exception):
    """The e-mail may have gone out; SES's event for it will tell."""


class Mailer(Protocol):
    def send(self, email: Email) -> str:
        """Sends once and returns SES's message id; raises MailRefused or MailUnknown."""


_FOR_GOOD = {"MessageRejected", "BadRequestException", "NotFoundException", "MailFromDomainNotVerifiedException"}


@dataclass(frozen=True, slots=True)
class SesMailer:
    """`Mailer` on SES v2; `client` is boto3's, made with a single attempt a call."""

    client: Any
    sender: str
    configuration_set: str = ""

    def send(self, email: Email) -> str:
        # start-up time: botocore takes longer to load than everything else here
        from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

        request: dict[str, Any] = {
            "FromEmailAddress": self.sender,
            "Destination": {"ToAddresses": [email.to]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": email.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": email.text, "Charset": "UTF-8"},
                        "Html": {"Data": email.html, "Charset": "UTF-8"},
                    },
                    "Headers": [{"Name": name, "Value": value} for name, value in email.headers.items()],
                }
            },
            "EmailTags": [{"Name": name, "Value": value} for name, value in email.tags.items()],
        }
        if email.images and _takes_images(self.client):
            request["Content"]["Simple"]["Attachments"] = [_inline(name, png) for name, png in email.images.items()]
        if email.reply_to:
            request["ReplyToAddresses"] = [email.reply_to]
        if self.configuration_set:
            request["ConfigurationSetName"] = self.configuration_set
        try:
            return str(self.client.send_email(**request)["MessageId"])
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            code = error.response.get("Error", {}).get("Code", "")
            if status >= 500:
                raise MailUnknown(code) from error
            raise MailRefused(code, again=code not in _FOR_GOOD) from error
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise MailRefused(type(error).__name__, again=True) from error
        except BotoCoreError as error:
            raise MailUnknown(type(error).__name__) from error


def _takes_images(client: Any) -> bool:
    """Whether this boto3 knows the parameter: it is younger than SES v2, and which boto3 is there is the runtime's
    choice. Without it the e-mail goes out with the pictures' words in their place."""
    return "Attachments" in client.meta.service_model.shape_for("Message").members


def _inline(name: str, png: bytes) -> dict[str, Any]:
    return {
        "FileName": f"{name}.png",
        "ContentType": "image/png",
        "ContentDisposition": "INLINE",
        "ContentId": name,
        "ContentTransferEncoding": "BASE64",
        "RawContent": png,
    }
