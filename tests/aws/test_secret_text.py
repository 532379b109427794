"""The registrations of a thousand accounts in one secret, whole before and after every put; and what serves when the
secret store does not answer."""

import json
from collections.abc import Iterator
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.apps import AppsError, load_apps
from chalicelib.aws import secret_text
from chalicelib.aws.client import AwsError
from chalicelib.services import Services
from infra.replay.services import NO_SETTINGS
from tests.world import APPS, NOW


def registrations(accounts: int) -> str:
    rows = [
        {"id": str(10**14 + n), "product": "facebook", "name": f"Shop {n}", "token": token_urlsafe(150)}
        for n in range(accounts)
    ]
    return json.dumps({"apps": [{"platform": "meta", "app": "main", "secrets": ["current"], "accounts": rows}]})


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("secretsmanager", region_name="eu-central-1")
        client.create_secret(Name="apps", SecretString='{"apps":[]}')
        yield client


def test_a_thousand_accounts_are_kept_and_read_back(secret: Any) -> None:
    text = registrations(1000)
    assert len(text) > 4 * 65_536
    secret_text.put(secret, "apps", text)
    assert secret_text.get(secret, "apps") == text
    assert len(load_apps(text).apps[0].accounts) == 1000


def test_no_version_exceeds_what_secrets_manager_takes_and_old_parts_are_let_go(secret: Any) -> None:
    for text in (registrations(1000), registrations(900), registrations(3)):
        secret_text.put(secret, "apps", text)
        assert secret_text.get(secret, "apps") == text
    labels = [
        label for held in secret.describe_secret(SecretId="apps")["VersionIdsToStages"].values() for label in held
    ]
    assert not [label for label in labels if label.startswith("part-")]
    head, parts = secret_text.pack(registrations(1000))
    assert max(map(len, [head, *parts.values()])) <= 65_536


def test_one_that_no_secret_can_hold_is_refused_and_changes_nothing(secret: Any) -> None:
    with pytest.raises(secret_text.TooLong, match="one secret holds"):
        secret_text.put(secret, "apps", registrations(4000))
    assert secret_text.get(secret, "apps") == '{"apps":[]}'


def test_registrations_in_memory_serve_on_when_the_secret_store_fails(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    now = [NOW]

    def read() -> Any:
        asked.append("")
        if len(asked) in (2, 3):
            raise AppsError("the registrations cannot be read") from AwsError("InternalServiceError")
        return APPS

    services = Services(NO_SETTINGS, registrations=read, clock=lambda: now[0])
    assert services.apps is APPS
    now[0] += timedelta(minutes=6)
    assert services.apps is APPS
    told = json.loads(capsys.readouterr().out)
    assert told["ServedStale"] == 1
    assert services.apps is APPS
    assert len(asked) == 2  # not asked again at every delivery
    now[0] += timedelta(minutes=2)
    assert services.fresh_apps() is APPS
    now[0] += timedelta(minutes=2)
    assert services.apps is APPS
    assert len(asked) == 4


def test_without_any_registrations_the_platforms_are_told_to_come_again() -> None:
    def read() -> Any:
        raise AppsError("the registrations cannot be read")

    with pytest.raises(AppsError):
        _ = Services(NO_SETTINGS, registrations=read, clock=lambda: NOW).apps
