"""What is wrong with a registration at Meta or X, and how to mend it, over a scripted wire."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.platforms.http import Answer
from chalicelib.platforms.meta import facebook, instagram, messenger, whatsapp
from chalicelib.platforms.x import api as x_api
from tests.platforms.cases.meta import META
from tests.platforms.cases.x import X
from tests.platforms.scripted_http import ME, PAGE, account_of, answer, graph_error, http


def subscribed(module: Any) -> Answer:
    return answer(data={"data": [{"id": "424242", "subscribed_fields": list(module.FIELDS)}]})


def enabled(module: Any, name: str) -> Answer:
    row = {"object": name, "active": True, "fields": [{"name": f, "version": "v25.0"} for f in module.FIELDS]}
    return answer(data={"data": [row]})


CHECKS = [
    ("facebook", "page", facebook, {}, 3),
    ("messenger", "page", messenger, {}, 3),
    ("instagram", "instagram", instagram, {"login": "instagram"}, 3),
    ("instagram", "instagram", instagram, {"page_id": PAGE}, 3),
    ("whatsapp", "whatsapp_business_account", whatsapp, {"waba_id": "1022"}, 3),
    ("whatsapp", "whatsapp_business_account", whatsapp, {}, 2),
]


@pytest.mark.parametrize(("product", "name", "module", "options", "calls"), CHECKS)
def test_a_good_registration_has_no_findings(product: str, name: str, module: Any, options: Any, calls: int) -> None:
    answers = [answer(data={"id": "1"}), subscribed(module), enabled(module, name)]
    wire = http(*(answers if calls == 3 else [answers[0], answers[2]]))
    assert module.check(wire, META, account_of(product, **options)) == []
    assert len(wire.sent) == calls and all(s.method == "GET" for s in wire.sent)


@pytest.mark.parametrize(("product", "name", "module", "options", "calls"), CHECKS)
def test_what_is_wrong_is_found_and_how_to_mend_it(
    product: str, name: str, module: Any, options: Any, calls: int
) -> None:
    nothing = answer(data={"data": []})
    wire = http(graph_error(190, status=401), *[nothing] * (calls - 1))
    findings = module.check(wire, META, account_of(product, **options))
    assert len(findings) == calls and all(f.account and f.what and f.fix for f in findings)
    assert "token" in findings[0].what and "not enabled" in findings[-1].what
    assert not any(secret in f.what + f.fix for f in findings for secret in META.secrets)


def test_missing_fields_are_named() -> None:
    wire = http(
        answer(data={"id": PAGE}),
        answer(data={"data": [{"id": "424242", "subscribed_fields": ["feed"]}]}),
        answer(data={"data": [{"object": "page", "active": True, "fields": [{"name": "feed"}, "ratings"]}]}),
    )
    assert [f.what for f in facebook.check(wire, META, account_of("facebook"))] == [
        "facebook does not send: mention, ratings",
        "the webhook for page lacks: mention",
    ]


def test_a_webhook_that_was_switched_off_is_found() -> None:
    off = {"object": "page", "active": False, "fields": list(facebook.FIELDS)}
    wire = http(answer(data={"id": PAGE}), subscribed(facebook), answer(data={"data": [off]}))
    assert [f.what for f in facebook.check(wire, META, account_of("facebook"))] == [
        "the webhook for page is not enabled"
    ]


def test_an_app_without_its_id_is_found() -> None:
    wire = http(answer(data={"id": PAGE}), subscribed(facebook))
    (finding,) = facebook.check(wire, replace(META, app_id=""), account_of("facebook"))
    assert "app_id" in finding.what


def test_the_registration_at_x_is_checked() -> None:
    me = answer(data={"data": {"id": ME}})
    events = [{"event_type": e, "filter": {"user_id": ME}} for e in x_api.EVENTS]
    good = (me, answer(data={"data": [{"id": "1", "valid": True}]}), answer(data={"data": events}))
    assert x_api.check(http(*good), X, account_of("x", app_token="t")) == []
    bad = (me, answer(data={"data": [{"id": "1", "valid": False}]}), answer(data={"data": events[1:]}))
    found = [f.what for f in x_api.check(http(*bad), X, account_of("x", app_token="t"))]
    assert found == ["the webhook is not enabled", "not subscribed: post.mention.create"]
    assert "not accepted" in x_api.check(http(answer(401)), X, account_of("x"))[0].what
    other = x_api.check(http(answer(data={"data": {"id": "1"}})), X, account_of("x"))
    assert "another account" in other[0].what and "cannot be checked" in other[1].what
