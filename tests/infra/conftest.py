"""The operator at an AWS of its own, before and after the apps file is put."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.services import Services
from chalicelib.settings import variables
from infra.local.demo_apps import write
from infra.local.embedded import embedded_aws
from tests.infra.operator import Operator


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    with embedded_aws() as aws:
        for name, value in variables(aws.settings).items():
            monkeypatch.setenv(name, value)
        yield Operator(aws, Services(aws.settings))


@pytest.fixture
def registered(operator: Operator, tmp_path: Path) -> Operator:
    assert operator.run("apps", "--file", str(write(tmp_path / "apps.json"))) == 0
    return operator
