"""What was written wrong is said at once: nobody logs in to AWS to learn that a parameter is missing."""

import os
import sys
from pathlib import Path

import pytest

from infra.ops.commands import main
from infra.reports import command as report
from infra.stack import deploy

ASKED = "no credentials or region"


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody without credentials, in an empty folder."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "EARSHOT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("apps --file=", "FILE is the apps file"),
        ("apps --file=nothing.json", "nothing.json: No such file"),
        ("apps --file=wrong.json", "wrong.json:2: "),
        ("backfill --account= --since=36h", "ACCOUNT is product:id"),
        ("backfill --account=facebok:1 --since=36h", "facebok is none of facebook"),
        ("backfill --account=facebook:1 --since=", "SINCE is a time such as"),
        ("connect --account=123", "ACCOUNT is product:id"),
        ("erase --customer=", "CUSTOMER is product:account:customer"),
        ("export --customer=facebook:1", "CUSTOMER is product:account:customer"),
        ("link --customer=facebook:1:2 --other= --by=Robin", "OTHER is product:account:customer"),
        ("link --customer=facebook:1:2 --other=x:1:2 --by=", "BY is who says so"),
        ("playbook --file=nothing.yaml", "nothing.yaml: No such file"),
        ("playbook --file=wrong.yaml", "wrong.yaml:1: "),
        ("playbook --version=last", "VERSION is a number"),
        ("playbook --file=mine.yaml --version=1", "name one of them"),
        ("redrive --queue=", "QUEUE is one of inbox"),
        ("restore --to=", "TO is a time such as"),
        ("rotate-secret --platform= --app=", "APP is platform/key"),
    ],
)
def test_a_wrong_parameter_is_named_before_credentials_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    (tmp_path / "wrong.json").write_text('{"apps":\n[}', "utf-8")
    (tmp_path / "wrong.yaml").write_text("hello: 1\n", "utf-8")
    assert main(arguments.split()) == 2
    told = capsys.readouterr().err
    assert said in told
    assert ASKED not in told


@pytest.mark.parametrize("arguments", ["doctor", "erase --customer=facebook:1:2", "redrive --queue=inbox", "playbook"])
def test_with_right_parameters_credentials_are_what_is_missing(
    capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    assert main(arguments.split()) == 2
    assert ASKED in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["", "My Shop", "prod/eu"])
def test_a_stage_that_is_none_is_named_by_every_command(capsys: pytest.CaptureFixture[str], stage: str) -> None:
    assert main(["--stage", stage, "doctor"]) == 2
    assert report.main(["--stage", stage]) == 2
    assert capsys.readouterr().err.count("STAGE names the deployment, such as STAGE=prod") == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--stage", ""], "STAGE is needed"),
        (["--stage", "My Shop"], "STAGE cannot be 'My Shop'"),
        (["--stage", "prod", "--LogDays", "31"], "LOG_DAYS is one of 1, 3, 5"),
        (["--stage", "prod", "--MailFrom", "shop"], "MAIL_FROM cannot be 'shop'"),
        (["--stage", "prod", "--playbook", "nothing.yaml"], "nothing.yaml: No such file"),
        (["--stage", "prod"], ASKED),
    ],
)
def test_deploy_names_what_it_cannot_take_by_the_name_that_make_knows(
    monkeypatch: pytest.MonkeyPatch, given: list[str], said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["deploy", *given])
    with pytest.raises(SystemExit, match=said):
        deploy.main()


def test_a_report_of_a_day_that_is_none_says_how_days_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        report.main(["--facts", ".", "--since", "yesterday"])
    assert "'yesterday' is no day; write for example 2026-10-01" in capsys.readouterr().err
