"""Connecting an account: what is missing is registered once, what is there already stays, the rest is told.

The shapes of requests and answers are those of
- Meta: https://developers.facebook.com/docs/graph-api/reference/app/subscriptions and …/page/subscribed_apps, where all
  fields count that are named in both; WhatsApp's accounts https://developers.facebook.com/documentation/business-messaging/
  whatsapp/solution-providers/manage-webhooks; Instagram https://developers.facebook.com/docs/instagram-platform/webhooks
- Telegram: https://core.telegram.org/bots/api#setwebhook
- LINE: https://developers.line.biz/en/reference/messaging-api/#set-webhook-endpoint-url
- X: https://docs.x.com/x-api/webhooks/introduction, https://docs.x.com/x-api/activity/create-x-activity-subscription
- Discourse: https://github.com/discourse/discourse/blob/main/app/controllers/admin/web_hooks_controller.rb
- Google: https://developers.google.com/my-business/reference/notifications/rest/v1/NotificationSetting
Mastodon's webhooks are made on its administrators' pages alone: https://docs.joinmastodon.org/admin/webhooks
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib import platforms
from chalicelib.apps import Account, App
from chalicelib.platforms.base import Step
from chalicelib.platforms.http import Answer, ApiCall

ADDRESS = "https://earshot.example.com/webhooks/PLATFORM/main"
OLD = "https://old.example.com/hook"


@dataclass(slots=True)
class Platforms:
    """What the platforms keep of a registration, behind their own APIs."""

    page: list[str] = field(default_factory=list)  # subscribed fields
    app: dict[str, Any] = field(default_factory=dict)  # Meta's subscriptions by object
    hook: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    changes: list[ApiCall] = field(default_factory=list)

    def request(self, call: ApiCall) -> Answer:
        if call.method != "GET":
            self.changes.append(call)
        return Answer(200, self._answer(call))

    def _answer(self, call: ApiCall) -> dict[str, Any]:
        path, get = call.place.partition("?")[0], call.method == "GET"
        if path.endswith("/subscribed_apps"):
            if not get:
                self.page = call.query.get("subscribed_fields", "any").split(",")
            if path.endswith("/6/subscribed_apps"):  # WhatsApp's: no fields, the app a step deeper
                return {"data": [{"whatsapp_business_api_data": {"id": "9", "name": "Shop"}}] if self.page else []}
            return {"data": [{"id": "9", "subscribed_fields": self.page}] if self.page else []}
        if path.endswith(("/8/subscriptions", "/9/subscriptions")):
            if not get:
                self.app[call.data["object"]] = {**call.data, "active": True, "fields": call.data["fields"].split(",")}
            return {"data": list(self.app.values())}
        if path.endswith(("/getWebhookInfo", "/setWebhook")):
            self.hook = self.hook if get else call.data
            return {"result": self.hook}
        if path.endswith("/webhook/endpoint"):
            self.hook = self.hook if get else {**call.data, "active": True}
            return self.hook
        if path.endswith("2/webhooks"):
            self.hook = self.hook if get else {**call.data, "valid": True, "id": "1"}
            return {"data": [self.hook] if self.hook else []}
        if path.endswith("2/activity/subscriptions"):
            self.events += [] if get else [call.data]
            first = int(call.query.get("pagination_token", 0))  # two a page
            more = {"next_token": str(first + 2)} if first + 2 < len(self.events) else {}
            return {"data": self.events[first : first + 2], "meta": more}
        if path.endswith("/notificationSetting"):  # a field that the mask does not name stays
            self.hook = (
                self.hook if get else {**self.hook, **{n: call.data[n] for n in call.query["updateMask"].split(",")}}
            )
            return self.hook
        assert path.endswith("/admin/api/web_hooks.json"), path
        self.hook = self.hook if get else call.data["web_hook"]
        groups = {"post": [{"id": 7, "name": "post_created"}], "topic": [{"id": 8, "name": "topic_created"}]}
        kinds = {"grouped_event_types": groups}
        return {"web_hooks": [self.hook] if self.hook else [], "extras": kinds}


OPTIONS = {"page_id": "5", "waba_id": "6", "app_token": "b", "base_url": "https://forum.example.com"}
WITH_API = ("facebook", "messenger", "instagram", "whatsapp", "telegram", "line", "x", "discourse")


def steps(product: str, at: Platforms, id: str = "5", **app: Any) -> list[Step]:
    account = Account(id, product, token="t", options=OPTIONS)
    given: dict[str, Any] = {"secrets": ("first",), "app_id": "9", "verify_token": "v", **app}
    return platforms.product(product).connect(at, App("main", "p", accounts=(account,), **given), account, ADDRESS)


def do(found: list[Step]) -> None:
    for step in found:
        if step.do:
            step.do()


@pytest.mark.parametrize("product", WITH_API)
def test_what_is_missing_is_registered_and_then_nothing_is_left(product: str) -> None:
    at = Platforms()
    found = steps(product, at)
    assert any(step.do for step in found)
    assert at.changes == []  # to look changes nothing
    do(found)
    assert at.changes and any(ADDRESS in str(call.data) for call in at.changes)
    assert steps(product, at) == []


def test_one_page_for_comments_and_messages_keeps_the_fields_of_both() -> None:
    at = Platforms(page=["leadgen"])
    for product in ("facebook", "messenger"):
        do(steps(product, at))
    assert {"leadgen", "feed", "mention", "messages", "message_echoes"} <= set(at.page)
    assert {"feed", "messages"} <= set(at.app["page"]["fields"])
    assert steps("facebook", at) == steps("messenger", at) == []


@pytest.mark.parametrize("product", ["facebook", "telegram"])
def test_an_address_that_would_be_replaced_is_named(product: str) -> None:
    at = Platforms(app={"page": {"object": "page", "callback_url": OLD}}, hook={"url": OLD})
    assert any(f"in place of {OLD}" in step.what for step in steps(product, at))


def test_a_webhook_of_meta_that_was_switched_off_is_switched_on() -> None:
    at = Platforms()
    do(steps("facebook", at))
    at.app["page"]["active"] = False
    do(steps("facebook", at))
    assert at.app["page"]["active"] and steps("facebook", at) == []


def test_telegram_gets_the_first_secret_and_keeps_its_other_updates() -> None:
    at = Platforms(hook={"url": ADDRESS, "allowed_updates": ["callback_query", "message"]})
    do(steps("telegram", at))
    assert at.hook["secret_token"] == "first"
    assert set(at.hook["allowed_updates"]) == {"callback_query", "message", "edited_message"}


def test_telegram_gets_the_newest_secret_as_long_as_two_verify() -> None:
    at = Platforms(hook={"url": ADDRESS})
    assert steps("telegram", at) == []
    (found,) = steps("telegram", at, secrets=("newest", "first"))
    assert found.what.endswith("with the newest secret")
    do([found])
    assert at.hook["secret_token"] == "newest"


def test_another_app_at_the_same_whatsapp_account_is_not_ours() -> None:
    at = Platforms(page=["any"], app={"w": {"object": "whatsapp_business_account", "callback_url": ADDRESS}})
    assert any(step.what == "subscribe 6 to this app" for step in steps("whatsapp", at, app_id="8"))


def test_google_tells_of_reviews_once_its_topic_is_set_and_of_what_it_told_before() -> None:
    location, topic = "accounts/1/locations/2", "projects/shop/topics/reviews"
    assert [s.do for s in steps("google", Platforms(), location)] == [None, None]  # the topic and its push are by hand
    at = Platforms(hook={"pubsubTopic": topic, "notificationTypes": ["NEW_QUESTION"]})
    do(steps("google", at, location))
    assert at.hook == {"pubsubTopic": topic, "notificationTypes": ["NEW_QUESTION", "NEW_REVIEW", "UPDATED_REVIEW"]}
    (change,) = at.changes
    assert (change.method, change.query) == ("PATCH", {"updateMask": "notificationTypes"})
    assert steps("google", at, location) == []


@pytest.mark.parametrize("product", ["mastodon", "standard"])
def test_where_there_is_no_api_it_is_told_to_be_done_by_hand(product: str) -> None:
    found = steps(product, Platforms())
    assert found and all(step.do is None for step in found)


def test_what_meta_needs_of_the_apps_file_is_told() -> None:
    (found,) = [step for step in steps("facebook", Platforms(page=["feed", "mention", "ratings"]), verify_token="")]
    assert found.do is None and "verify_token" in found.what


def test_x_delivers_to_the_webhook_and_not_to_a_stream_alone() -> None:
    at = Platforms()
    do(steps("x", at))
    assert at.events and {event["webhook_id"] for event in at.events} == {"1"}
    at.events[0].pop("webhook_id")
    assert [step.what for step in steps("x", at)] == [f"subscribe to {at.events[0]['event_type']}"]


def test_a_forum_tells_of_posts_and_of_nothing_else() -> None:
    at = Platforms()
    do(steps("discourse", at))
    assert at.hook["web_hook_event_type_ids"] == [7] and at.hook["wildcard_web_hook"] is False


@pytest.mark.parametrize("product", ["mastodon", "standard"])
def test_where_there_is_no_api_the_address_is_told(product: str) -> None:
    (found,) = steps(product, Platforms())
    assert found.do is None and ADDRESS in found.what
