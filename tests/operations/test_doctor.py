"""Doctor asks many accounts at once, but not too many, and what fails for one stops no other."""

import json
from dataclasses import replace
from importlib import import_module
from threading import Barrier, Lock
from typing import Any

import pytest

from chalicelib import platforms
from chalicelib.apps import Account, App, Apps
from chalicelib.operations.doctor import AT_ONCE, Doctor
from chalicelib.platforms.base import Finding, NotSent
from chalicelib.platforms.http import CONNECT_S, TIMEOUT_S, Answer, ApiCall
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.registry import PRODUCTS
from infra.local.demo_apps import demo_apps
from infra.stack.package import ROOT

ACCOUNTS = 250


class Counting:
    """A wire that answers everything with nothing, and counts what is asked, and how much of it at once. X lists a
    thousand subscriptions a page, so those of 250 accounts take two."""

    def __init__(self, together: Barrier | None = None) -> None:
        self.calls: list[ApiCall] = []
        self.most = self._now = 0
        self._lock, self._together = Lock(), together

    def request(self, call: ApiCall) -> Answer:
        with self._lock:
            self.calls.append(call)
            self._now += 1
            self.most = max(self.most, self._now)
        if self._together:
            self._together.wait(20)
        with self._lock:
            self._now -= 1
        first = "activity/subscriptions" in call.place and "pagination_token" not in call.query
        return Answer(200, {"meta": {"next_token": "2"}} if first else {})


def doctor(apps: Apps, http: Any) -> Doctor:
    nothing: Any = None
    return Doctor(nothing, apps, read_playbook(DEFAULT_PLAYBOOK), http, nothing)


def registered(count: int) -> Apps:
    """`count` accounts on Facebook."""
    accounts = tuple(Account(str(n), "facebook", token="t") for n in range(1, count + 1))
    return Apps((App("main", "meta", ("s",), app_id="9", accounts=accounts),))


def finding(patch: pytest.MonkeyPatch, product: str, check: Any) -> None:
    module = import_module(f"chalicelib.platforms.{PRODUCTS[product].module}")
    patch.setattr(module, "PRODUCT", module.PRODUCT._replace(check=check))


def test_as_many_are_asked_at_once_as_is_said_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    http = Counting(Barrier(AT_ONCE))  # nobody is answered before AT_ONCE have asked

    def check(http: Any, app: App, account: Account) -> list[Finding]:
        http.request(ApiCall("GET", f"https://example.com/{account.id}"))
        return [Finding(account.id, "found", "mend")]

    finding(monkeypatch, "facebook", check)
    found = doctor(registered(5 * AT_ONCE), http).registrations()
    assert http.most == AT_ONCE
    assert [f.account for f in found] == [str(n) for n in range(1, 5 * AT_ONCE + 1)]  # in the apps file's order


def test_250_accounts_with_the_slowest_answers_end_within_the_functions_time_out() -> None:
    most = 0
    for app in demo_apps().apps:
        for account in app.accounts:
            http = Counting()
            options = {**account.options, "app_token": "b", "refresh_token": "r", "waba_id": "1", "page_id": "2"}
            asked = replace(account, options=options)
            platforms.product(account.product).check(http, replace(app, app_id="9", verify_token="v"), asked)
            most = max(most, len(http.calls))
    config = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    limit = config["stages"]["package"]["lambda_functions"]["doctor"]["lambda_timeout"]
    assert most >= 3
    most += 2  # an access token that has to be fetched, and the call again
    rounds = ACCOUNTS * most / AT_ONCE + most  # no thread waits while another account is left
    assert rounds * (CONNECT_S + TIMEOUT_S) <= limit


@pytest.mark.parametrize("error", [NotSent("connection_refused"), KeyError("CANARY"), RecursionError("CANARY")])
def test_what_fails_for_one_account_stops_no_other(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def check(http: Any, app: App, account: Account) -> list[Finding]:
        if account.id == "2":
            raise error
        return [Finding(account.id, "found", "mend")]

    finding(monkeypatch, "facebook", check)
    found = doctor(registered(3), Counting()).registrations()
    assert [f.account for f in found] == ["1", "2", "3"]
    assert "CANARY" not in found[1].what
    if not isinstance(error, NotSent):
        assert f"{type(error).__name__} at test_doctor.py:" in found[1].what
