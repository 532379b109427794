"""Every call to S3 says whose the bucket must be, also those that boto3 makes for us."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.aws.buckets import owned
from chalicelib.settings import Settings

ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:timer"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


def test_reads_writes_lists_and_downloads_all_say_it(s3: Any, tmp_path: Path) -> None:
    s3.create_bucket(Bucket="facts")
    said: list[tuple[str, str | None]] = []
    client = owned(s3, "123456789012")
    owner = "x-amz-expected-bucket-owner"
    client.meta.events.register(
        "before-call.s3", lambda model, params, **_: said.append((model.name, params["headers"].get(owner)))
    )
    client.put_object(Bucket="facts", Key="a", Body=b"1")
    client.get_object(Bucket="facts", Key="a")
    list(client.get_paginator("list_objects_v2").paginate(Bucket="facts"))
    client.download_file("facts", "a", str(tmp_path / "a"))
    client.delete_objects(Bucket="facts", Delete={"Objects": [{"Key": "a"}]})
    client.delete_object(Bucket="facts", Key="a")
    assert {"PutObject", "GetObject", "ListObjectsV2", "HeadObject", "DeleteObjects", "DeleteObject"} <= {
        n for n, _ in said
    }
    assert {value for _, value in said} == {"123456789012"}


def test_the_account_is_the_one_that_the_stack_is_in() -> None:
    assert Settings("", "", "", "", "", ARN, "").account == "123456789012"
    assert Settings("", "", "", "", "", "timer", "").account == ""
