"""An operator's commands use the credentials that boto3 finds, and reach a running `make run` by what it wrote."""

import os
from pathlib import Path

import pytest

from chalicelib.aws.client import AwsError
from infra.ops import access


def test_the_lean_client_signs_with_the_credentials_of_a_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    file.write_text("[shop]\naws_access_key_id = key\naws_secret_access_key = hidden\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_PROFILE", "shop")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = access.resolved()
    assert (found.key, found.region) == ("key", "eu-central-1")
    assert "hidden" not in repr(found)
    monkeypatch.setenv("AWS_PROFILE", "default")
    file.write_text("[default]\n")
    with pytest.raises(AwsError, match="AWS_PROFILE"):
        access.resolved()


def test_the_local_stage_is_the_running_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    path = tmp_path / "build" / "local.json"
    access.enter_local("local", path)
    assert os.environ == {}
    access.write_local({"EARSHOT_TABLE": "earshot-local-Table", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, path)
    access.enter_local("prod", path)
    assert os.environ == {}
    access.enter_local("local", path)
    assert os.environ["EARSHOT_TABLE"] == "earshot-local-Table"
