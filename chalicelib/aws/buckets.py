"""S3 clients whose every call says whose the bucket must be: one of that name in another account is refused.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from typing import Any

_OWNER = "ExpectedBucketOwner"


def owned(client: Any, account: str) -> Any:
    """`client` (boto3's, of S3) whose calls expect `account` to own the bucket; without an account as it is."""

    def expect(params: dict[str, Any], model: Any, **_: Any) -> None:
        if _OWNER in model.input_shape.members:
            params.setdefault(_OWNER, account)

    if account:
        client.meta.events.register("before-parameter-build.s3", expect)
    return client
