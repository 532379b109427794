"""`make rollback`: every function back by one release, by its alias; on the embedded AWS, which runs none of them."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.embedded import Embedded, client, embedded_aws
from infra.stack import rollback
from infra.stack.deploy import WRITES
from infra.stack.package import ALIAS

NAMES = ("earshot-prod-Respond-0A1B", "earshot-prod-Notify-0A1B")


class Functions:
    """The stack's functions as CloudFormation makes them: a version each release, behind the alias."""

    def __init__(self, aws: Embedded) -> None:
        self.api = client("lambda", aws.endpoint)
        trust = {"Version": "2012-10-17", "Statement": []}
        iam: Any = client("iam", aws.endpoint)
        self._role = iam.create_role(RoleName="respond", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        self.names: list[str] = []

    def release(self, names: tuple[str, ...] = NAMES, **variables: str) -> None:
        for name in names:
            environment = {"Variables": {"EARSHOT_TABLE": "own", **variables}}
            code = {"ZipFile": _zip(str(variables))}
            if name in self.names:
                self.api.update_function_code(FunctionName=name, **code)
                self.api.update_function_configuration(FunctionName=name, Environment=environment)
            else:
                self.api.create_function(
                    FunctionName=name,
                    Runtime="python3.13",
                    Role=self._role,
                    Handler="app.respond",
                    Code=code,
                    Environment=environment,
                )
            version = self.api.publish_version(FunctionName=name)["Version"]
            to = {"FunctionName": name, "Name": ALIAS, "FunctionVersion": version}
            self.api.update_alias(**to) if name in self.names else self.api.create_alias(**to)
            self.names = [*dict.fromkeys([*self.names, name])]

    def live(self) -> dict[str, str]:
        return {n: self.api.get_alias(FunctionName=n, Name=ALIAS)["FunctionVersion"] for n in self.names}


def _zip(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zip:
        zip.writestr("release.txt", text)
    return file.getvalue()


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    with embedded_aws() as aws:
        made = Functions(aws)
        monkeypatch.setattr(rollback, "functions_of", lambda cloudformation, stack: made.names)
        yield made


def test_every_function_goes_back_by_one_release_and_no_further(functions: Functions) -> None:
    functions.release()
    with pytest.raises(rollback.RollbackError, match="one release only"):
        rollback.rollback("earshot-prod")
    for days in ("30", "60"):
        functions.release(EARSHOT_RETENTION_DAYS=days)
    assert rollback.rollback("earshot-prod") == {name: ("3", "2") for name in NAMES}
    assert set(functions.live().values()) == {"2"}
    with pytest.raises(rollback.RollbackError, match="back by one release already"):
        rollback.rollback("earshot-prod")
    assert set(functions.live().values()) == {"2"}


def test_a_stage_that_is_not_there_is_said_to_be_that() -> None:
    with embedded_aws(), pytest.raises(rollback.RollbackError, match="no stack earshot-nowhere"):
        rollback.rollback("earshot-nowhere")


def test_a_run_that_died_in_between_is_gone_on_with(functions: Functions) -> None:
    for days in ("30", "60"):
        functions.release(EARSHOT_RETENTION_DAYS=days)
    functions.api.update_alias(FunctionName=NAMES[0], Name=ALIAS, FunctionVersion="1")
    assert rollback.rollback("earshot-prod") == {NAMES[1]: ("2", "1")}
    assert set(functions.live().values()) == {"1"}


def test_a_function_that_the_release_brought_stays(functions: Functions) -> None:
    functions.release()
    functions.release((*NAMES, "earshot-prod-Facts-0A1B"), EARSHOT_RETENTION_DAYS="60")
    assert rollback.rollback("earshot-prod") == {name: ("2", "1") for name in NAMES}


@pytest.mark.parametrize("name", ["EARSHOT_TABLE", "EARSHOT_MAIL_FROM", "EARSHOT_INBOX_URL"])
def test_a_version_whose_rights_are_gone_does_not_serve_again(functions: Functions, name: str) -> None:
    for value in ("then", "now"):
        functions.release(NAMES, **{name: value})
    with pytest.raises(rollback.RollbackError, match=f"{name} changed since version 1"):
        rollback.rollback("earshot-prod")
    assert set(functions.live().values()) == {"2"}


@pytest.mark.parametrize(("then", "now"), [("3.1", "4.1"), ("3.1", "3.2"), (None, "3.1")])
def test_a_version_that_does_not_read_what_was_stored_since_does_not_serve_again(
    functions: Functions, then: str | None, now: str
) -> None:
    functions.release(NAMES, **({WRITES: then} if then else {}))
    functions.release(NAMES, **{WRITES: now})
    with pytest.raises(rollback.RollbackError, match="version 1 does not read what this one has stored"):
        rollback.rollback("earshot-prod")
    assert set(functions.live().values()) == {"2"}


def test_a_version_that_reads_a_newer_form_than_is_written_serves_again(functions: Functions) -> None:
    functions.release(NAMES, **{WRITES: "4.1"})
    functions.release(NAMES, **{WRITES: "3.1"})
    assert rollback.rollback("earshot-prod") == {name: ("2", "1") for name in NAMES}
