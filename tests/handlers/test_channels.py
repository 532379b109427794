"""Slack, Teams and webhooks: the same notice, at most once a channel, and never in the way of the e-mail."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from chalicelib.conversations.customer import Customer
from chalicelib.emails import reply_address
from chalicelib.handlers.messages import SendNotice
from chalicelib.platforms.http import Answer, ConnectionRefused, NoAnswer
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.storage.store import ConversationKey
from tests.http_doubles import PaperHttp
from tests.world import PAGE, MemoryWorld, comment, delivery, message, playbook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
URLS = {
    "slack": "https://hooks.slack.example/services/T/B/x",
    "teams": "https://shop.webhook.office.example/workflows/1",
    "webhook": "https://desk.shop.example.com/hook",
}
ASKED = 'hm <b>what</b> about "this" & [that](https://evil.example.com)?'


def told(wire: PaperHttp) -> MemoryWorld:
    policy = replace(playbook(), stopped_altogether=True)
    teams = {n: replace(t, channels=URLS, webhook_secret=SECRET) for n, t in policy.teams.items()}
    silent: Playbook = replace(policy, teams=teams)
    world = MemoryWorld(silent, public_url="https://earshot.shop.example.com/api", http=wire)
    world.post(delivery(comment("c1", ASKED)))
    world.run(timedelta(minutes=20), sweep=True)
    return world


def test_each_channel_gets_the_notice_once_with_the_buttons_as_links() -> None:
    wire = PaperHttp(always=Answer())
    world = told(wire)
    assert sorted(call.url for call in wire.sent) == sorted(URLS.values())
    for call in wire.sent:
        assert b"https://earshot.shop.example.com/api/act/" in call.body
    key = ConversationKey("facebook", "100200300400500", "c1", "5001")
    world.services.notifier.notify(SendNotice(key, "1.1"), world.services.now())
    assert len(wire.sent) == 3


def test_who_was_erased_and_asks_again_is_nobody_whom_an_earlier_email_was_about() -> None:
    """A direct message makes a conversation of the same name: the channels are told again, and what
    answers the e-mail of before answers nothing."""
    wire = PaperHttp(always=Answer())
    teams = {n: replace(t, channels={"slack": URLS["slack"]}) for n, t in playbook().teams.items()}
    world = MemoryWorld(
        replace(playbook(), stopped_altogether=True, teams=teams), http=wire, reply_domain="r.example.com"
    )
    world.post(message("m1", ASKED))
    world.run(timedelta(minutes=20), sweep=True)
    world.services.eraser.request([Customer("messenger", PAGE, "psid-1")], "code1", world.services.now())
    world.run(timedelta(hours=1), sweep=True)
    world.post(message("m2", ASKED, at=world.services.now()))
    world.run(timedelta(minutes=20), sweep=True)
    first, second = world.emails
    assert [call.url for call in wire.sent] == [URLS["slack"]] * 2
    assert first.reply_to != second.reply_to
    services = world.services
    read = [reply_address.read(services.keys, services.store, "r.example.com", [e.reply_to]) for e in (first, second)]
    assert read[0] is None and read[1]


def test_what_a_customer_wrote_is_no_markup_in_any_of_them() -> None:
    wire = PaperHttp(always=Answer())
    told(wire)
    bodies = {call.url: call.data for call in wire.sent}
    slack = bodies[URLS["slack"]]["text"]
    assert "&lt;b&gt;what&lt;/b&gt;" in slack and "evil.example" not in slack
    card = json.dumps(bodies[URLS["teams"]])
    assert "\\\\[that\\\\]" in card and "evil.example" not in card


def test_a_webhook_is_signed_as_standard_webhooks_says() -> None:
    wire = PaperHttp(always=Answer())
    told(wire)
    sent = next(call for call in wire.sent if call.url == URLS["webhook"])
    headers, body = sent.headers, sent.body
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-signature"] == Webhook(SECRET).sign(headers["webhook-id"], at, body.decode())
    data = json.loads(body)["data"]
    assert data["conversations"][0]["questions"][0]["text"] == ASKED


@pytest.mark.parametrize("failure", [Answer(500, {}, {}), NoAnswer("x"), ConnectionRefused("x")])
def test_a_channel_that_fails_holds_no_email_and_is_not_asked_again(failure: Answer | Exception) -> None:
    wire = PaperHttp(always=failure)
    world = told(wire)
    assert len(world.emails) == 1
    assert len(wire.sent) == 3
    assert world.outcomes.counts["channel slack failed"] == 1


def team(keys: str) -> str:
    text = DEFAULT_PLAYBOOK.read_text("utf-8")
    start = "  returns: {email: returns@shop.example.com,"
    assert start in text
    return text.replace(start, f"{start} {keys},")


def test_the_playbook_names_the_channels_and_who_may_answer() -> None:
    found = load_playbook(team(f'slack: "{URLS["slack"]}", webhook: "{URLS["webhook"]}", webhook_secret: "{SECRET}"'))
    assert found.teams["returns"].channels == {"slack": URLS["slack"], "webhook": URLS["webhook"]}
    text = DEFAULT_PLAYBOOK.read_text("utf-8").replace("staff: []", "staff: [kim@shop.example.com]")
    assert load_playbook(text.replace("group_over: 5", "group_over: 8")).staff == {"kim@shop.example.com"}
    assert load_playbook(text.replace("group_over: 5", "group_over: 8")).bundling.questions == 8


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("slack: http://hooks.slack.example/x", "not a web address"),
        (f"webhook: {URLS['webhook']}", "a webhook without a secret"),
        (f"webhook: {URLS['webhook']}, webhook_secret: short", "not a secret"),
        ("slak: https://hooks.slack.example/x", "slak"),
    ],
)
def test_a_wrong_channel_is_refused_with_its_line(keys: str, why: str) -> None:
    with pytest.raises(PlaybookError, match=why):
        load_playbook(team(keys))
