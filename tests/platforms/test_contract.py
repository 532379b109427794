"""One contract over every platform: who may deliver, and what each documented payload means.

Rows are in cases/, payloads and what they must be read as in payloads/.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from chalicelib import platforms
from chalicelib.apps import App
from chalicelib.codec import dump
from chalicelib.conversations.interaction import LATEST, Interaction, Kind, merge
from chalicelib.ids import MAX_BYTES
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    FOREIGN,
    TEST,
    Parsed,
    Poison,
    Request,
    SignatureError,
    Skipped,
)
from chalicelib.platforms.contract import Webhook, storable
from chalicelib.platforms.read import PayloadError
from chalicelib.storage.item_keys import ConversationKey, conversation_key, customer_key, interaction_key
from tests.platforms.case import RECEIVED_AT, PlatformCase
from tests.platforms.cases import CASES

FILES = [pytest.param(c, p, id=f"{c.product}-{p.stem}") for c in CASES for p in c.payloads()]


def only(has: Callable[[PlatformCase], Any]) -> list[Any]:
    """The platforms of which `has` is true."""
    return [pytest.param(c, id=c.product) for c in CASES if has(c)]


def with_part(*parts: str) -> list[Any]:
    """The platforms that have every one of `parts`."""
    return only(lambda case: set(parts) <= set(case.parts))


ALL = with_part()


def webhook(case: PlatformCase) -> Webhook:
    found = platforms.webhook(case.app.platform)
    assert found
    return found


def parse(case: PlatformCase, part: str) -> list[Parsed]:
    return list(webhook(case).read(case.app, case.body(part), RECEIVED_AT))


def interactions(case: PlatformCase, part: str) -> list[Interaction]:
    return [p for p in parse(case, part) if isinstance(p, Interaction)]


def accepts(case: PlatformCase, app: App, headers: dict[str, str], body: bytes, at: datetime = RECEIVED_AT) -> bool:
    try:
        webhook(case).verify(app, Request("POST", headers, {}, body, at))
    except SignatureError:
        return False
    return True


def signed(case: PlatformCase, body: bytes, secret: int = 0, at: datetime = RECEIVED_AT) -> dict[str, str]:
    return case.sign(case.app.secrets[secret], body, at)


def meant(found: Parsed) -> dict[str, Any]:
    if isinstance(found, Skipped):
        return {"skipped": found.reason}
    if isinstance(found, Poison):
        return {"poison": found.reason}
    plain = dump(found)
    assert isinstance(plain, dict)
    return plain


# --- every payload file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "path"), FILES)
def test_a_payload_means_what_stands_beside_it(case: PlatformCase, path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    found = [meant(p) for p in webhook(case).read(case.app, path.read_bytes(), RECEIVED_AT)]
    shown = [
        {k: f.get(k) for k in (*e, *({"poison", "skipped"} & f.keys()))} for f, e in zip(found, expected, strict=False)
    ]
    assert shown == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(("case", "path"), FILES)
def test_an_interaction_belongs_to_a_known_account_and_is_complete(case: PlatformCase, path: Path) -> None:
    for found in webhook(case).read(case.app, path.read_bytes(), RECEIVED_AT):
        if isinstance(found, Interaction):
            assert case.app.account(found.product, found.account) and found.app == case.app.key
            assert found.id and found.at.tzinfo and found.received_at == RECEIVED_AT
            assert found.thread or found.kind is Kind.DELETE


# --- who may deliver --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("secret", [0, -1], ids=["current", "previous"])
def test_a_good_signature_with_the_current_or_previous_secret_is_accepted(case: PlatformCase, secret: int) -> None:
    body = case.body("question")
    assert accepts(case, case.app, signed(case, body, secret), body)


@pytest.mark.parametrize("case", only(lambda case: case.signs_body))
def test_a_tampered_body_is_refused(case: PlatformCase) -> None:
    body = case.body("question")
    assert not accepts(case, case.app, signed(case, body), body.replace(b"}", b" }", 1))
    assert not accepts(case, case.app, signed(case, body), json.dumps(json.loads(body)).encode())


@pytest.mark.parametrize("case", ALL)
def test_a_tampered_or_foreign_signature_is_refused(case: PlatformCase) -> None:
    body, headers = case.body("question"), signed(case, case.body("question"))
    value = headers[case.header]
    middle = len(value) // 2
    changed = value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]
    for tampered in (value[:-5], changed, "", "x"):
        assert not accepts(case, case.app, {**headers, case.header: tampered}, body)


@pytest.mark.parametrize("case", ALL)
def test_a_missing_signature_is_refused(case: PlatformCase) -> None:
    body = case.body("question")
    headers = {name: value for name, value in signed(case, body).items() if name != case.header}
    assert not accepts(case, case.app, headers, body)
    assert not accepts(case, case.app, {}, body)


@pytest.mark.parametrize("case", only(lambda case: case.legacy))
def test_a_legacy_signature_alone_is_refused(case: PlatformCase) -> None:
    body = case.body("question")
    assert case.legacy
    assert not accepts(case, case.app, case.legacy(case.app.secrets[0], body, RECEIVED_AT), body)


@pytest.mark.parametrize("case", ALL)
def test_a_secret_that_was_rotated_out_is_refused(case: PlatformCase) -> None:
    body = case.body("question")
    rotated = replace(case.app, secrets=case.app.secrets[:1])
    assert len(case.app.secrets) > 1
    assert not accepts(case, rotated, signed(case, body, secret=-1), body)


@pytest.mark.parametrize("case", ALL)
def test_no_secret_means_no_entry(case: PlatformCase) -> None:
    body = case.body("question")
    assert not accepts(case, replace(case.app, secrets=()), signed(case, body), body)


@pytest.mark.parametrize("case", only(lambda case: case.stale_after))
@pytest.mark.parametrize("way", [-1, 1], ids=["old", "new"])
def test_a_stale_timestamp_is_refused(case: PlatformCase, way: int) -> None:
    body = case.body("question")
    assert case.stale_after
    headers = signed(case, body, at=RECEIVED_AT + way * (case.stale_after + timedelta(seconds=1)))
    assert not accepts(case, case.app, headers, body)


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("value", ["sha256=é", "\udcff", "sha256=" + "ß" * 64, "Bearer ☃", "v1,é", "\x00"])
def test_a_hostile_header_is_refused_and_does_no_harm(case: PlatformCase, value: str) -> None:
    body = case.body("question")
    assert not accepts(case, case.app, {**signed(case, body), case.header: value}, body)


# --- what a delivery may hold -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a":NaN}', b"[" * 9000, b"{}{}"])
def test_a_body_that_is_no_object_is_an_error_of_the_payload(case: PlatformCase, body: bytes) -> None:
    with pytest.raises(PayloadError):
        list(webhook(case).read(case.app, body, RECEIVED_AT))


@pytest.mark.parametrize("case", ALL)
def test_an_object_with_nothing_known_in_it_is_no_interaction(case: PlatformCase) -> None:
    for body in (b"{}", b'{"entry":null,"data":null,"events":null}'):
        assert not [p for p in webhook(case).read(case.app, body, RECEIVED_AT) if isinstance(p, Interaction)]


@pytest.mark.parametrize("case", with_part("question"))
def test_a_question_is_a_customers(case: PlatformCase) -> None:
    (question,) = interactions(case, "question")
    assert question.kind in (Kind.NEW, Kind.MENTION) and not question.brand and not question.ours


@pytest.mark.parametrize("case", with_part("question"))
def test_a_duplicate_delivery_has_the_same_ids_and_changes_nothing(case: PlatformCase) -> None:
    first, again = interactions(case, "question"), interactions(case, "question")
    assert first == again
    assert merge(merge(None, first[0]), again[0]) == merge(None, first[0])


@pytest.mark.parametrize("case", with_part("question", "edit"))
def test_an_edit_that_comes_before_what_it_edits_keeps_its_text(case: PlatformCase) -> None:
    (question,), (edit,) = interactions(case, "question"), interactions(case, "edit")
    assert (edit.kind, edit.id, edit.thread) == (Kind.EDIT, question.id, question.thread)
    for order in permutations((question, edit)):
        merged = merge(merge(None, order[0]), order[1])
        assert (merged.text, merged.kind, merged.at) == (edit.text, question.kind, question.at)


@pytest.mark.parametrize("case", with_part("question", "delete"))
def test_nothing_revives_what_was_deleted_whatever_comes_when(case: PlatformCase) -> None:
    parts = [interactions(case, part)[0] for part in ("question", "delete", "edit") if part in case.parts]
    assert len({p.id for p in parts}) == 1
    results = set()
    for order in permutations(parts):
        merged: Interaction | None = None
        for part in order:
            merged = merge(merged, part)
        assert merged and merged.deleted and not merged.text and not merged.raw
        assert not merged.author_name or merged.deleted_at != LATEST  # what can come back keeps who wrote it
        results.add(repr(merged))
    assert len(results) == 1


@pytest.mark.parametrize("case", with_part("brand"))
def test_the_brands_own_words_are_told_by_their_author(case: PlatformCase) -> None:
    (reply,) = interactions(case, "brand")
    assert reply.brand and reply.kind in (Kind.BRAND_REPLY, Kind.BRAND_POST)
    (question,) = interactions(case, "question")
    assert not question.brand


@pytest.mark.parametrize("case", with_part("own_echo"))
def test_our_own_echo_is_the_brands_and_no_person(case: PlatformCase) -> None:
    (echo,) = interactions(case, "own_echo")
    assert echo.brand and (echo.ours or echo.token)


@pytest.mark.parametrize("case", with_part("human_echo"))
def test_the_echo_of_another_app_is_a_person_who_answered(case: PlatformCase) -> None:
    (echo,) = interactions(case, "human_echo")
    assert echo.brand and echo.kind is Kind.BRAND_REPLY and not echo.ours and echo.token is None


@pytest.mark.parametrize("case", with_part("group"))
def test_a_group_is_kept_and_never_replied_to(case: PlatformCase) -> None:
    (message,) = interactions(case, "group")
    assert not message.repliable and not message.brand


@pytest.mark.parametrize("case", with_part("standby"))
def test_what_another_app_answers_is_kept_and_never_replied_to(case: PlatformCase) -> None:
    (message,) = interactions(case, "standby")
    assert not message.repliable


@pytest.mark.parametrize("case", with_part("batch"))
def test_every_part_of_a_batch_is_found(case: PlatformCase) -> None:
    assert len({i.id for i in interactions(case, "batch")}) > 1


@pytest.mark.parametrize("case", with_part("empty"))
def test_an_empty_delivery_is_nothing_to_do(case: PlatformCase) -> None:
    assert not [p for p in parse(case, "empty") if not isinstance(p, Skipped)]


@pytest.mark.parametrize("case", with_part("unknown"))
def test_an_unknown_event_is_counted_and_skipped(case: PlatformCase) -> None:
    found = parse(case, "unknown")
    assert found and all(isinstance(p, Skipped) and p.reason not in (FOREIGN, TEST) for p in found)


@pytest.mark.parametrize("case", with_part("foreign"))
def test_an_account_of_somebody_else_is_refused(case: PlatformCase) -> None:
    assert [p.reason for p in parse(case, "foreign") if isinstance(p, Skipped)] == [FOREIGN]
    assert not interactions(case, "foreign")


@pytest.mark.parametrize("case", with_part("test"))
def test_the_test_button_makes_no_customer(case: PlatformCase) -> None:
    found = parse(case, "test")
    assert found and all(isinstance(p, Skipped) and p.reason == TEST for p in found)


@pytest.mark.parametrize("case", with_part("integer_ids"))
def test_ids_that_come_as_integers_are_strings(case: PlatformCase) -> None:
    (found,) = interactions(case, "integer_ids")
    ids = (found.id, found.account, found.thread, found.author, found.parent or "", found.post or "")
    assert all(isinstance(id, str) for id in ids)


@pytest.mark.parametrize("case", with_part("missing"))
def test_a_part_without_what_it_needs_is_quarantined(case: PlatformCase) -> None:
    (found,) = parse(case, "missing")
    assert isinstance(found, Poison) and found.raw and found.reason not in found.raw


@pytest.mark.parametrize("id", ["a b", "..", "a\nb", "a\u202eb", "é" * 500, "x" * 512 + "y" * 500])
@pytest.mark.parametrize("field", ["id", "thread", "author", "parent", "reply_to", "to", "post"])
def test_what_cannot_be_an_id_is_quarantined_whoever_sends_it(field: str, id: str) -> None:
    found = Interaction("x", "1", "2", Kind.NEW, RECEIVED_AT, RECEIVED_AT, thread="2")
    assert storable(found) is found
    refused = storable(replace(found, **{field: id}))  # type: ignore[arg-type]
    assert isinstance(refused, Poison) and id not in refused.reason and "id" in refused.reason


@pytest.mark.parametrize("case", ALL)
def test_the_longest_ids_that_are_let_in_make_keys_that_can_be_stored(case: PlatformCase) -> None:
    id = "ü" * (MAX_BYTES // 2)
    found = Interaction(case.product, id, id, Kind.NEW, RECEIVED_AT, RECEIVED_AT, thread=id, author=None)
    assert storable(found) is found
    key = conversation_key(ConversationKey.of(found))
    assert len(key.pk.encode()) <= 2048 and len(key.sk.encode()) <= 1024
    assert len(interaction_key(case.product, id, id).pk.encode()) <= 2048
    assert len(customer_key(case.product, id, found.customer).encode()) <= 2048


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Zoë O'Neill-Łukasz", "Zoë O'Neill-Łukasz"),
        ("  Ann\r\nBcc: all@example.com\t1 ", "Ann Bcc: all@example.com 1"),
        ("https://evil.example/login", "evil.example/login"),
        ("www.evil.example/login", "evil.example/login"),
        ("An\u202ena\u200b\x07", "Anna"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("A" * 4000, "A" * 79 + "…"),
        ("\u2028", None),
        (7, None),
    ],
)
def test_a_name_is_one_short_line_that_leads_nowhere(given: Any, name: str | None) -> None:
    assert read.name(given) == name


def test_the_registry_and_the_table_name_the_same_products() -> None:
    assert {c.product for c in CASES} == set(platforms.PRODUCTS)
    assert {c.app.platform for c in CASES} == set(platforms.PLATFORMS)
