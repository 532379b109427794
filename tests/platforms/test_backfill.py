"""What came while deliveries did not, as Meta's products and X list it, over a scripted wire."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import base
from chalicelib.platforms.meta import facebook, instagram, messenger, whatsapp
from chalicelib.platforms.meta import graph as meta
from chalicelib.platforms.x import platform as x
from tests.http_doubles import PaperHttp
from tests.platforms.cases.meta import META
from tests.platforms.cases.x import X
from tests.platforms.scripted_http import IG, ME, NOW, PAGE, account_of, answer, http

SINCE = NOW - timedelta(hours=6)


def iso(**ago: float) -> str:
    return (NOW - timedelta(**ago)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def listed(module: Any, wire: PaperHttp, product: str, since: datetime = SINCE, **options: Any) -> list[Interaction]:
    app = X if product == "x" else META
    found = module.PRODUCT.backfill(wire, app, account_of(product, **options), since, NOW)
    return [i for i in found if isinstance(i, Interaction)]


def test_comments_and_posts_are_listed_from_facebook() -> None:
    post, old = {"id": f"{PAGE}_901", "from": {"id": "5001", "name": "Anna"}, "message": "Norway?"}, {"id": f"{PAGE}_7"}
    wire = http(
        answer(
            data={
                "data": [
                    {**post, "created_time": iso(hours=2), "updated_time": iso(hours=1)},
                    {**old, "created_time": iso(days=9), "updated_time": iso(hours=3)},
                    {"id": f"{PAGE}_6", "created_time": iso(days=9), "updated_time": iso(days=8)},
                ]
            }
        ),
        answer(data={"data": []}),
        answer(
            data={
                "data": [
                    {
                        "id": "7_2",
                        "from": {"id": PAGE},
                        "message": "Yes",
                        "created_time": iso(hours=3),
                        "parent": {"id": "7_1"},
                    },
                    {"id": "7_1", "from": {"id": "5002"}, "message": "Open?", "created_time": iso(hours=4)},
                    {"id": "7_0", "from": {"id": "5002"}, "message": "Old", "created_time": iso(hours=9)},
                ],
                "paging": {"cursors": {"after": "c"}, "next": "https://graph.facebook.com/next"},
            }
        ),
    )
    found = listed(facebook, wire, "facebook")
    assert [(i.id, i.kind, i.author, i.thread, i.parent) for i in found] == [
        (f"{PAGE}_901", Kind.NEW, "5001", f"{PAGE}_901", None),
        ("7_2", Kind.BRAND_REPLY, PAGE, "7_1", "7_1"),
        ("7_1", Kind.NEW, "5002", "7_1", f"{PAGE}_7"),
    ]
    assert len(wire.sent) == 3


@pytest.mark.parametrize(("module", "product", "brand"), [(messenger, "messenger", PAGE), (instagram, "instagram", IG)])
def test_direct_messages_are_listed(module: Any, product: str, brand: str) -> None:
    def message(id: str, sender: str, to: str, **ago: float) -> dict[str, Any]:
        words = {"id": id, "message": "Hello", "created_time": iso(**ago)}
        return {**words, "from": {"id": sender}, "to": {"data": [{"id": to}]}}

    messages = [
        message("m2", brand, "6001", hours=1),
        message("m1", "6001", brand, hours=2),
        message("m0", "6001", brand, hours=9),
    ]
    conversations = [
        {"updated_time": iso(hours=1), "messages": {"data": messages}},
        {"updated_time": iso(hours=7), "messages": {"data": [message("n1", "6002", brand, hours=7)]}},
    ]
    media = [answer(data={"data": []})] if product == "instagram" else []
    found = listed(module, http(*media, answer(data={"data": conversations})), product)
    assert [(i.id, i.brand, i.thread, i.private) for i in found] == [
        ("m2", True, "6001", True),
        ("m1", False, "6001", True),
    ]


def test_comments_and_their_replies_are_listed_from_instagram() -> None:
    reply = {"id": "12", "from": {"id": IG}, "text": "Yes", "timestamp": iso(hours=1)}
    top = {"id": "11", "from": {"id": "8001", "username": "anna"}, "text": "In stock?", "timestamp": iso(hours=2)}
    wire = http(
        answer(data={"data": [{"id": "1790", "timestamp": iso(days=2)}, {"id": "1", "timestamp": iso(days=99)}]}),
        answer(data={"data": [{**top, "replies": {"data": [reply]}}, {**top, "id": "10", "timestamp": iso(hours=8)}]}),
        answer(data={"data": []}),
    )
    found = listed(instagram, wire, "instagram")
    assert [(i.id, i.brand, i.thread, i.post) for i in found] == [
        ("11", False, "11", "1790"),
        ("12", True, "11", "1790"),
    ]


def test_mentions_and_messages_are_listed_from_x() -> None:
    post = {
        "id": "3001",
        "author_id": "4001",
        "conversation_id": "3001",
        "created_at": iso(hours=1),
        "text": "@ExampleShop hi",
    }
    message = {
        "id": "5001",
        "event_type": "MessageCreate",
        "text": "hi",
        "sender_id": "4001",
        "dm_conversation_id": f"4001-{ME}",
    }
    wire = http(
        answer(
            data={
                "data": [post],
                "includes": {"users": [{"id": "4001", "username": "anna"}]},
                "meta": {"next_token": "n"},
            }
        ),
        answer(data={"meta": {"result_count": 0}}),
        answer(
            data={"data": [{**message, "created_at": iso(hours=2)}, {**message, "id": "1", "created_at": iso(hours=9)}]}
        ),
    )
    found = listed(x, wire, "x")
    assert [(i.id, i.kind, i.author_name, i.thread) for i in found] == [
        ("3001", Kind.MENTION, "anna", "3001"),
        ("5001", Kind.NEW, None, "4001"),
    ]
    assert wire.sent[0].query["start_time"] == "2026-11-21T04:00:00Z" and wire.sent[1].query["pagination_token"] == "n"


def test_whatsapp_lists_nothing() -> None:
    with pytest.raises(base.Unsupported):
        listed(whatsapp, http(), "whatsapp")


def test_a_list_ends_after_so_many_pages() -> None:
    page = answer(data={"data": [{"id": "1"}], "paging": {"cursors": {"after": "c"}, "next": "https://example.com"}})
    wire = http(*[page] * (meta.MAX_PAGES + 5))
    assert len(list(meta.pages(wire, account_of("facebook"), "me/feed", {}))) == len(wire.sent) == meta.MAX_PAGES
