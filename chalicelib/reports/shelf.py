"""The report behind its link: read from the facts' bucket, shown to whoever holds the link until it expires."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.aws.client import AwsError
from chalicelib.emails.links import LinkError, read_report
from chalicelib.keys import Keys

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a page without scripts: bars have their length in a style of their own."""


def key_of(name: str) -> str:
    """The object that holds the page of the report called `name`."""
    return f"reports/{name}.html"


@dataclass(frozen=True, slots=True)
class Shelf:
    """`client` is boto3's S3 client."""

    client: Any
    bucket: str
    keys: Keys

    def page(self, token: str, now: datetime) -> str:
        """The page behind a link. Raises LinkError, AwsError."""
        # start-up time: botocore takes longer to load than everything else here
        from botocore.exceptions import BotoCoreError, ClientError

        name = read_report(self.keys, token, now)
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=key_of(name))["Body"].read()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("NoSuchKey", "404"):
                raise LinkError("report_kept") from None
            raise AwsError(code) from None
        except BotoCoreError as error:
            raise AwsError(type(error).__name__) from None
        return bytes(body).decode()
