"""The bucket into which SES puts received e-mails: read once, then taken away."""

from dataclasses import dataclass
from typing import Any, Protocol

HEAD = 64 * 1024  # bytes of a too large e-mail that are read all the same: its headers


@dataclass(frozen=True, slots=True)
class StoredMail:
    """The bytes of an e-mail; only the beginning of one that is too large (not `whole`)."""

    mime: bytes
    whole: bool


class MailBucket(Protocol):
    def read(self, name: str, most: int) -> StoredMail | None:
        """The e-mail called `name`, its beginning when it has more than `most` bytes; None when it is gone."""

    def drop(self, name: str) -> None:
        """Takes it away."""


@dataclass(frozen=True, slots=True)
class S3MailBucket:
    """`MailBucket` on S3; `client` is boto3's."""

    client: Any
    name: str

    def read(self, name: str, most: int) -> StoredMail | None:
        # start-up time: botocore takes longer to load than everything else here
        from botocore.exceptions import ClientError

        try:
            found = self.client.get_object(Bucket=self.name, Key=name)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                return None
            raise
        whole = int(found["ContentLength"]) <= most
        body: bytes = found["Body"].read() if whole else found["Body"].read(HEAD)
        return StoredMail(body, whole)

    def drop(self, name: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=name)
