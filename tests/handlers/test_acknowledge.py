"""What the claim protocol does with each answer of a platform, and who is not acknowledged at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apps import Apps
from chalicelib.conversations.conversation import Deed, Outcome
from chalicelib.conversations.staff_rules import undo
from chalicelib.platforms.http import Answer, ConnectionRefused, NoAnswer
from chalicelib.playbook.parts import Caps, Place
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.resources import SECRETS_CACHED_FOR
from chalicelib.storage.item_keys import ConversationKey
from tests.http_doubles import PostedOnPaper
from tests.test_orders import COMMON
from tests.world import APPS, NOW, PAGE, MemoryWorld, comment, delivery, done_by_staff, message, playbook

QUESTION = delivery(comment("c1", COMMON))


def graph_error(status: int, code: int, subcode: int | None = None) -> Callable[[], Answer]:
    error = {"code": code, "message": "An error"} | ({"error_subcode": subcode} if subcode else {})
    return lambda: Answer(status, {"error": error}, {})


def no_answer() -> Answer:
    raise NoAnswer("ReadTimeoutError")


def refused_connection() -> Answer:
    raise ConnectionRefused("NewConnectionError")


def asked(
    *answers: Callable[[], Answer], body: bytes = QUESTION, policy: Playbook | None = None, apps: Apps = APPS
) -> MemoryWorld:
    world = MemoryWorld(policy, apps)
    world.platforms.answers = list(answers)
    world.post(body)
    world.run()
    return world


def state(world: MemoryWorld) -> Outcome:
    return next(iter(world.conversations()[0].acknowledgements.values())).state


def test_the_acknowledgement_says_that_it_is_automated_and_by_when_a_person_answers() -> None:
    world = asked()
    ((url, data),) = world.platforms.posted
    assert url.endswith("/c1/comments")
    assert data["message"].startswith("This is an automated reply.")
    assert "today by 11:00" in data["message"]
    assert world.records("reply")[0]["result"] == "sent"
    assert world.records("conversation") == []


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80001])
def test_a_rate_limit_is_a_definite_no_and_is_tried_again(code: int) -> None:
    world = asked(graph_error(400, code))
    assert state(world) is Outcome.PENDING
    world.run(timedelta(minutes=9))
    assert state(world) is Outcome.SENT
    assert len(world.platforms.posted) == 1


@pytest.mark.parametrize("undone", [True, False])
def test_a_reply_that_was_held_back_is_not_sent_once_staff_have_said_what_the_question_is_about(undone: bool) -> None:
    world = asked(graph_error(400, 4))
    (c,) = world.conversations()
    key, now = ConversationKey.of(c), world.services.now()
    after = done_by_staff(c, Deed.CORRECT, now, intent="refund")
    if undone:
        after = undo(after, next(iter(after.acts)), world.services.playbook, now)
    world.store.update_conversation(key, lambda old: after, now)
    world.run(timedelta(minutes=9))
    assert len(world.platforms.posted) == (1 if undone else 0)


def test_a_refused_connection_is_tried_again() -> None:
    world = asked(refused_connection, refused_connection)
    world.run(timedelta(minutes=9))
    assert state(world) is Outcome.SENT
    assert len(world.platforms.posted) == 1


def test_an_acknowledgement_that_would_come_late_is_not_sent_any_more() -> None:
    world = asked(*[graph_error(400, 4)] * 9)
    world.run(timedelta(minutes=50))
    assert world.platforms.posted == []
    world.run(timedelta(minutes=20))
    assert len(world.emails) == 1


@pytest.mark.parametrize("answer", [no_answer, graph_error(500, 1), graph_error(503, 2), lambda: Answer(502, {}, {})])
def test_an_unknown_outcome_is_never_posted_again_and_the_timer_covers_it(answer: Callable[[], Answer]) -> None:
    world = asked(answer)
    assert state(world) is Outcome.UNKNOWN
    world.post(QUESTION)
    world.run(timedelta(hours=1))
    assert world.platforms.posted == []
    assert len(world.emails) == 1
    assert "perhaps not delivered" in world.emails[0].text


@pytest.mark.parametrize(("code", "subcode"), [(100, None), (551, None), (10, 2018278), (200, 1545041)])
def test_a_permanent_no_or_a_closed_window_is_final(code: int, subcode: int | None) -> None:
    world = asked(graph_error(400, code, subcode))
    world.run(timedelta(minutes=30))
    assert state(world) is Outcome.REFUSED
    assert world.platforms.posted == []


def three_more_ask(world: MemoryWorld, name: str) -> None:
    for n in range(3):
        at = world.virtual_clock.now
        world.post(delivery(comment(f"{name}{n}", COMMON, author=f"{name}-60{n}", post=f"{PAGE}_{name}{n}", at=at)))
    world.run(timedelta(minutes=1))


@pytest.mark.parametrize(("code", "said"), [(190, "no longer accepts the token"), (102, "no longer accepts the token")])
def test_a_refused_token_stops_the_accounts_replies_tells_the_shop_once_and_escalation_goes_on(
    code: int, said: str
) -> None:
    world = asked(graph_error(400, code))
    three_more_ask(world, "d")
    world.run(timedelta(hours=1))
    assert world.platforms.posted == []
    alerts = [mail for mail in world.emails if said in mail.subject]
    assert len(alerts) == 1
    assert len(world.emails) - len(alerts) == 4


def test_what_stopped_the_replies_is_told_in_the_teams_language_and_becomes_no_markup() -> None:
    text = DEFAULT_PLAYBOOK.read_text("utf-8").replace("customer_service: {", "customer_service: {language: de, ", 1)
    account = replace(APPS.apps[0].accounts[0], name="Shop & <b>Söhne</b>")
    apps = Apps((replace(APPS.apps[0], accounts=(account, *APPS.apps[0].accounts[1:])), *APPS.apps[1:]))
    world = asked(graph_error(400, 190), policy=load_playbook(text), apps=apps)
    (alarm,) = [m for m in world.emails if "Token" in m.subject]
    assert "keine automatischen Antworten mehr" in alarm.subject and "Der Code der Plattform war" in alarm.text
    assert "Shop &amp; &lt;b&gt;Söhne&lt;/b&gt;" in alarm.html


def test_a_temporary_block_ends_by_itself_and_the_mail_says_what_it_is() -> None:
    world = asked(graph_error(400, 368))
    three_more_ask(world, "d")
    assert world.platforms.posted == [] and len([m for m in world.emails if "blocked" in m.subject]) == 1
    (alarm,) = [m for m in world.emails if "blocked" in m.subject]
    assert "not the token" in alarm.text and "Mon 23 November 2026, 12:00 GMT" in alarm.text and "368" in alarm.text
    world.run(timedelta(hours=2))
    world.platforms.answers = [graph_error(400, 368)]
    three_more_ask(world, "e")  # still blocked: the first of them meets it again, the others wait with it
    assert world.platforms.posted == [] and len([m for m in world.emails if "blocked" in m.subject]) == 1
    world.run(timedelta(hours=2))
    three_more_ask(world, "f")
    assert len(world.platforms.posted) == 3


def test_a_code_that_does_not_prove_that_nothing_was_posted_is_one_post_and_the_customer_is_escalated() -> None:
    for code in (1, 2, 20, 99):
        world = asked(graph_error(400, code))
        world.run(timedelta(minutes=30))
        assert state(world) is Outcome.UNKNOWN and world.platforms.posted == []
        world.run(timedelta(minutes=50))
        assert len(world.emails) == 1


@pytest.mark.parametrize("renew", ["token", "options", "secrets"])
def test_any_renewed_credential_closes_the_breaker_by_itself(renew: str) -> None:
    world = asked(graph_error(400, 190))
    apps, app = world.services.apps, world.services.apps.apps[0]
    new: dict[str, Any] = {"token": "token-new", "options": {"refresh_token": "new"}}
    if renew in new:
        app = replace(app, accounts=tuple(replace(a, **{renew: new[renew]}) for a in app.accounts))
    else:
        app = replace(app, secrets=("renewed", "current"))
    world.registered = replace(apps, apps=(app, *apps.apps[1:]))
    world.run(SECRETS_CACHED_FOR + timedelta(seconds=1))
    world.post(delivery(comment("c2", COMMON, author="6001", post=f"{PAGE}_9", at=world.virtual_clock.now)))
    world.run()
    assert len(world.platforms.posted) == 1


def test_one_author_gets_one_acknowledgement_a_day_under_one_post() -> None:
    world = MemoryWorld()
    for n in range(4):
        world.post(delivery(comment(f"c{n}", COMMON)))
    world.run()
    assert len(world.platforms.posted) == 1
    assert len(world.conversations()) == 4


def test_a_post_that_goes_viral_gets_no_more_than_its_cap_an_hour() -> None:
    policy = replace(playbook(), caps=Caps(post_per_hour=3))
    world = MemoryWorld(policy)
    for n in range(10):
        world.post(delivery(comment(f"c{n}", COMMON, author=f"60{n}")))
    world.run()
    assert len(world.platforms.posted) == 3
    world.run(timedelta(hours=1))
    (email,) = world.emails  # ten under one post: they stand in one
    assert email.text.count(COMMON) == 10


def test_the_kill_switch_of_an_account_silences_it_and_nothing_else() -> None:
    world = MemoryWorld(replace(playbook(), stopped=frozenset({f"facebook:{PAGE}"})))
    world.post(QUESTION)
    world.post(message("m1", COMMON))
    world.run(timedelta(hours=1))
    assert [url.rpartition("/")[2] for url, _ in world.platforms.posted] == ["messages"]
    assert len(world.emails) == 2


def test_nothing_is_sent_after_the_messaging_window_closed() -> None:
    old = message("m1", COMMON, at=NOW - timedelta(hours=25))
    assert asked(body=old).platforms.posted == []


def test_the_escalation_comes_before_the_messaging_window_closes() -> None:
    world = asked(body=message("m1", "hm, and what about the other one?", at=NOW - timedelta(hours=23)))
    conversation = world.conversations()[0]
    assert conversation.due_at is not None and conversation.window_closes_at is not None
    assert conversation.due_at < conversation.window_closes_at


def test_a_brand_authored_comment_is_never_acknowledged() -> None:
    assert asked(body=delivery(comment("c1", COMMON, author=PAGE))).platforms.posted == []


def test_an_urgent_message_is_escalated_at_once_to_the_press_team_and_not_acknowledged() -> None:
    world = asked(body=delivery(comment("c1", "your lamp caught fire and burned my child, my lawyer will call you")))
    assert world.platforms.posted == []
    assert [mail.to for mail in world.emails] == ["press@shop.example.com"]


@pytest.mark.parametrize(
    ("place", "ends"),
    [(Place.PUBLIC, ["comments"]), (Place.PRIVATE, ["messages"]), (Place.BOTH, ["comments", "messages"])],
)
def test_the_retailer_chooses_where_the_reply_goes(place: Place, ends: list[str]) -> None:
    world = MemoryWorld(replace(playbook(), place=place))
    for _ in range(2):
        world.post(QUESTION)
        world.run()
    assert [url.rpartition("/")[2] for url, _ in world.platforms.posted] == ends
    assert [row["result"] for row in world.records("reply")] == ["sent"] * len(ends)


@pytest.mark.parametrize("private", ["sent", "unknown"])
def test_of_a_reply_in_two_halves_the_one_that_was_held_back_follows_once_and_the_other_is_not_repeated(
    private: str,
) -> None:
    rate, lost = Answer(429, {"error": {"code": 4}}), NoAnswer("lost")
    http = PostedOnPaper([rate, Answer(data={"id": "m1"}) if private == "sent" else lost])
    world = MemoryWorld(replace(playbook(), place=Place.BOTH), http=http)
    world.post(QUESTION)
    world.run(timedelta(minutes=30), sweep=True)
    assert [call.url.rpartition("/")[2] for call in http.sent] == ["comments", "messages", "comments"]
    (c,) = world.conversations()
    assert {id: a.state.value for id, a in c.acknowledgements.items()} == {"c1": "sent", "c1/private": private}


def test_the_echo_of_a_private_reply_is_no_answer_of_a_person() -> None:
    world = MemoryWorld(replace(playbook(), place=Place.PRIVATE))
    world.post(QUESTION)
    world.run()
    ((_, data),) = world.platforms.posted
    echo = {"text": data["message"]["text"], "metadata": data["message"]["metadata"], "app_id": 424242}
    world.post(
        message("m9", echo.pop("text"), author="psid-of-ann", at=NOW + timedelta(seconds=1), is_echo=True, **echo)
    )
    world.run(timedelta(hours=1))
    assert len(world.emails) == 1


# --- where silence is right whatever the text says -------------------------------------------------------------------


def why(world: MemoryWorld, id: str) -> str:
    """The label of why interaction `id` got no automatic reply, as it is stored."""
    return next(c.questions[id].silence for c in world.conversations() if id in c.questions)


def test_nobody_is_acknowledged_where_a_person_of_the_brand_has_written() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", "Lovely shop you have there")))
    world.post(delivery(comment("r1", "Thank you, Ann!", author=PAGE, parent="c1", at=NOW + timedelta(seconds=30))))
    world.run(timedelta(minutes=1))
    world.post(delivery(comment("c2", COMMON, parent="c1", at=NOW + timedelta(minutes=1))))
    world.run(timedelta(minutes=1))
    assert world.platforms.posted == []
    assert why(world, "c2") == "person_wrote"


def test_a_question_below_another_customers_comment_is_not_acknowledged_unless_it_names_the_brand() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", "Lovely shop you have there", author="6001")))
    world.post(delivery(comment("c2", COMMON, parent="c1")))
    world.run(timedelta(minutes=1))
    assert world.platforms.posted == []
    assert why(world, "c2") == "others_thread"
    world.post(
        delivery(comment("c3", f"Example Shop, {COMMON}", author="7001", parent="c1", at=NOW + timedelta(minutes=1)))
    )
    world.run(timedelta(minutes=1))
    assert len(world.platforms.posted) == 1


def test_what_is_old_by_the_platforms_own_time_is_not_acknowledged_but_escalated() -> None:
    world = asked(body=delivery(comment("c1", COMMON, at=NOW - timedelta(hours=3))))
    assert world.platforms.posted == []
    assert why(world, "c1") == "too_old"
    world.run(timedelta(minutes=10))
    assert len(world.emails) == 1


@pytest.mark.parametrize(
    ("text", "reason", "guard"),
    [
        ("I do not want to exchange the jacket for another size", "guard", "negated"),
        ("refund", "guard", "bare"),
        ("the kettle exploded and burnt my hand", "urgent", "safety"),
        ("somebody got into my account and changed the password", "urgent", "takeover"),
    ],
)
def test_a_guard_leaves_silence_and_its_name_is_kept(text: str, reason: str, guard: str) -> None:
    world = asked(body=delivery(comment("c1", text)))
    assert world.platforms.posted == [] and why(world, "c1") == reason
    if reason == "urgent":  # people are told at once
        assert len(world.emails) == 1
    stored = world.services.store.interaction("facebook", PAGE, "c1")
    assert stored and stored.reading and guard in stored.reading.guards


@pytest.mark.parametrize("text", ["Thank you!", "Merci beaucoup", "❤️"])
def test_thanks_and_nothing_else_call_nobody_and_close_no_question(text: str) -> None:
    world = asked(body=message("m1", text))
    world.run(timedelta(days=3))
    assert world.platforms.posted == [] and world.emails == []
    world = asked(body=message("m1", COMMON))
    world.post(message("m2", text, at=NOW + timedelta(minutes=1)))  # for the automatic reply, perhaps
    world.run(timedelta(hours=2))
    assert len(world.platforms.posted) == 1
    assert world.emails and world.conversations()[0].questions["m1"].pending


def test_an_acknowledgement_says_which_rung_it_is() -> None:
    world = asked()
    assert [(r["rung"], r["person"]) for r in world.records("reply")] == [("own", None)]
    assert [a.rung for c in world.conversations() for a in c.acknowledgements.values()] == ["own"]
    world.run(timedelta(hours=2))
    assert "automatic, the reply for this kind of question" in world.emails[0].text
