"""Meta's data-deletion callback names a person by an id of the app's own: it is resolved, or said to be open."""

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.operations.erasure import Eraser
from chalicelib.platforms.http import Answer, ApiCall
from infra.ops.given import customer_named
from tests.http_doubles import PostedOnPaper
from tests.world import NOW, PAGE, QUESTION, MemoryWorld, comment, delivery

TWENTY = timedelta(minutes=20)


@dataclass
class Graph(PostedOnPaper):
    """Answers ids_for_pages with `rows`, or refuses to where there are none."""

    rows: list[dict[str, Any]] | None = None

    def untold(self, call: ApiCall) -> Answer:
        if "ids_for_pages" not in call.url:
            return super().untold(call)
        assert call.url.endswith("/asid-1/ids_for_pages") and call.query["page"] == PAGE
        assert call.query["appsecret_proof"]
        if self.rows is None:
            return Answer(400, {"error": {"code": 100, "message": "no business"}})
        return Answer(data={"data": self.rows})


def asked(world: MemoryWorld) -> str:
    payload = json.dumps({"algorithm": "HMAC-SHA256", "user_id": "asid-1"}).encode()
    encoded = base64.urlsafe_b64encode(payload).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.digest(b"current", encoded, "sha256")).rstrip(b"=")
    body = urlencode({"signed_request": (signature + b"." + encoded).decode()}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = world.request("POST", "/erasure/meta/main", body, headers)
    assert answer.status == 200
    return str(json.loads(answer.body)["confirmation_code"])


def world_of(rows: list[dict[str, Any]] | None) -> MemoryWorld:
    world = MemoryWorld(http=Graph(rows=rows))
    world.post(delivery(comment("c1", QUESTION)))
    world.run(timedelta(minutes=1))
    return world


def test_the_pages_own_id_is_asked_for_and_erased() -> None:
    world = world_of([{"id": "5001", "page": {"id": PAGE, "name": "Example Shop"}}])
    code = asked(world)
    world.run(TWENTY)
    assert set(world.services.eraser.state(code)) == {"received", "erased"}
    assert world.conversations() == [] and all(not i.author for i in world.interactions())
    assert world.services.doctor.erasures(world.services.now()) == []


def test_a_person_who_cannot_be_matched_stays_open_until_an_operator_has_erased_them() -> None:
    world = world_of(None)
    code = asked(world)
    world.run(TWENTY)
    assert set(world.services.eraser.state(code)) == {"received", "needs_operator"}
    assert len(world.conversations()) == 1
    (finding,) = world.services.doctor.erasures(world.services.now())
    assert code in finding.fix and f"facebook:{PAGE}" in finding.what and "asid-1" not in f"{finding}"

    eraser = world.services.eraser
    eraser.erase(customer_named(f"facebook:{PAGE}:5001"), code, world.services.now())
    eraser.close(code)
    world.run(TWENTY)
    assert "erased" in eraser.state(code)
    assert world.services.doctor.erasures(world.services.now()) == []
    assert "asid-1" not in repr(list(world.store.table.everything())) and NOW


def test_a_code_that_can_be_none_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB refuses so long a key: anybody could have had the alarm of receive's errors rung."""
    asked: list[str] = []

    def state(eraser: Eraser, code: str) -> dict[str, str]:
        asked.append(code)
        return {}

    monkeypatch.setattr(Eraser, "state", state)
    world = MemoryWorld()
    for code in ("a" * 3000, "%C3%A9" * 400, "a.b", "a%2Fb"):
        assert world.request("GET", f"/erasure/{code}").status == 404
    assert asked == []
    world.request("GET", f"/erasure/{world.services.new_token()}")
    assert len(asked) == 1
