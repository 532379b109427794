"""The retailer's policy: who is called when, what needs no answer, and what may be said automatically."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import strategies as st

from chalicelib.conversations.interaction import Reading, Rung
from chalicelib.conversations.why import Why
from chalicelib.playbook.parts import INTENTS, NEVER_ACKNOWLEDGED, Answer, Place, Silence
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.reading.guards import guarded
from infra.local.local_run import DEMO_PLAYBOOK
from tests.counting import calls

TEXT = DEFAULT_PLAYBOOK.read_text("utf-8")
SHOP = load_playbook(TEXT)
MORNING = datetime(2026, 11, 16, 9, 2, tzinfo=UTC)  # a Monday
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
SOME_INTENT = st.sampled_from((None, "return", "legal_safety", "sustainability", "no such intent"))
LANGUAGES = ("en", "de", "fr", "es")


def playbook(*changes: tuple[str, str]) -> Playbook:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return load_playbook(text)


def reading(intent: str = "return", confidence: float = 0.99, language: str | None = "en", **more: float) -> Reading:
    accepted = bool(more.get("accepted", intent not in NEVER_ACKNOWLEDGED))
    return Reading(intent, confidence, more.get("margin", 0.9), language, accepted)


def say(
    shop: Playbook = SHOP,
    read: Reading | None = None,
    *,
    product: str = "facebook",
    private: bool = False,
    now: datetime = MORNING,
    age: timedelta = timedelta(0),
    by: datetime | None = None,
) -> Answer | Silence:
    return shop.acknowledgement(
        read, product=product, account="123", private=private, now=now, asked_at=now - age, by=by
    )


def said(answer: Answer | Silence) -> str:
    assert isinstance(answer, Answer), answer
    return answer.text


# --- whose mailbox ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "teams"),
    [
        ("delivery_late", ["delivery", "team_lead", "head_of_service"]),
        ("refund", ["returns", "team_lead", "head_of_service"]),
        ("store_info", ["stores", "team_lead", "head_of_service"]),
        ("legal_safety", ["pr", "team_lead", "head_of_service"]),
        (None, ["customer_service", "team_lead", "head_of_service"]),
        ("never heard of", ["customer_service", "team_lead", "head_of_service"]),
    ],
)
def test_each_tier_has_its_team(intent: str | None, teams: list[str]) -> None:
    assert [SHOP.team(intent, tier).name for tier in (1, 2, 3)] == teams
    assert SHOP.team(intent, 9).name == teams[-1]


# --- who has to see it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "bounds", "needed"),
    [
        (None, {"praise": 0.5}, True),
        (reading("praise", 0.92), {"praise": 0.5}, False),
        (reading("praise", 0.89), {"praise": 0.5}, True),  # the playbook's bound is the larger
        (reading("praise", 0.92), {"praise": 0.95}, True),  # the model's is
        (reading("praise", 0.99), {}, True),  # the model closes none of them
        (reading("closing", 0.95), {"closing": 0.9}, False),
        (reading("spam", 0.96), {"spam": 0.9}, True),
        (reading("return", 1.0), {"return": 0.1}, True),
        (reading("other", 1.0), {"other": 0.1}, True),
    ],
)
def test_only_sure_praise_thanks_and_spam_need_no_answer(
    read: Reading | None, bounds: dict[str, float], needed: bool
) -> None:
    assert SHOP.needs_answer(read, bounds) is needed


@pytest.mark.parametrize(
    "text",
    [
        *("Thanks for nothing", "Danke für nichts", "Merci pour rien", "Gracias por nada"),
        *("That didn't help at all, thanks", "Das hat mir nichts gebracht, danke", "Ça ne m'a pas aidé, merci"),
        *("Eso no me ayudó en nada, gracias", "Great, thanks, my house burnt down", "You useless lot, thanks"),
    ],
)
def test_a_complaint_that_ends_in_thanks_waits_for_a_person(text: str) -> None:
    read = guarded(replace(reading("closing", 0.999), language=None), text)
    assert SHOP.needs_answer(read, {"closing": 0.9})
    assert not SHOP.needs_answer(replace(read, guards=(), urgent=0.01), {"closing": 0.9})


@pytest.mark.parametrize("text", ["Thank you!", "Super, vielen Dank", "Merci beaucoup", "Muchas gracias", "❤️"])
def test_what_is_thanks_word_for_word_waits_for_nobody_unless_the_shop_wants_to_see_it(text: str) -> None:
    read = guarded(replace(reading("closing", 0.4), language=None), text)
    assert not SHOP.needs_answer(read, {})
    assert not SHOP.needs_answer(replace(read, intent="other"), {})
    everything = playbook(
        ("closing: {team: customer_service, acknowledge: false, closes_at: 0.9}", "closing: {closes_at: 1}")
    )
    assert everything.needs_answer(read, {})
    assert say(read=replace(read, language="en", intent="stock", accepted=True, confidence=1.0)) == Silence(
        Why.GUARD, read.guards
    )


def test_thanks_for_thanks_are_possible_where_they_resolve() -> None:
    read = guarded(reading("praise", accepted=1), "So beautiful, I love it all very much")
    assert "only_thanks" in read.guards and "How kind!" in said(say(thanking("How kind!"), read))


def test_urgent_is_what_sounds_so_whatever_the_intent() -> None:
    assert SHOP.urgent(replace(reading("return"), urgent=0.5)) == "legal_safety"
    assert SHOP.urgent(replace(reading("praise"), urgent=1.0)) == "legal_safety"
    assert not SHOP.urgent(replace(reading("legal_safety", 0.9), urgent=0.1))


def test_readings_of_an_earlier_release_are_urgent_by_their_intent() -> None:
    assert SHOP.urgent(reading("legal_safety", 0.51)) == "legal_safety"
    assert SHOP.urgent(replace(reading("other", 0.6), chances={"legal_safety": 0.5})) == "legal_safety"
    assert not SHOP.urgent(replace(reading("other", 0.6), chances={"legal_safety": 0.1}))
    assert not SHOP.urgent(reading("legal_safety", 0.49))
    assert not SHOP.urgent(reading("return", 1.0))
    assert not SHOP.urgent(None)


# --- what may be said ------------------------------------------------------------------------------------------------


def test_an_answer_discloses_helps_promises_and_signs() -> None:
    answer = say(read=reading(), by=MORNING + timedelta(hours=1))
    text = (
        "This is an automated reply. Thank you for your message about a return. Our return conditions, and how to "
        "return something, are here: https://shop.example.com/returns\nA colleague will answer you personally today by "
        "10:05.\nYour Example Shop team"
    )
    assert answer == Answer(text, Place.PUBLIC, resolves=False, rung=Rung.OWN, private_text=text)


def test_a_resolving_reply_promises_nobody() -> None:
    shop = playbook(("    resolves: false  ", "    resolves: true  "))
    answer = say(shop, reading("store_info"), by=MORNING + timedelta(hours=1))
    assert isinstance(answer, Answer) and answer.resolves
    assert "stores" in answer.text and "10:05" not in answer.text and "just reply" in answer.text


@pytest.mark.parametrize(
    ("language", "by", "words"),
    [
        ("en", "2026-11-16T17:27", "today by 17:30."),
        ("en", "2026-11-17T10:00", "tomorrow by 10:00."),
        ("en", "2026-11-22T08:30", "on Sunday by 08:30."),
        ("en", "2026-11-23T08:30", "on 23 November by 08:30."),
        ("en", "2026-11-16T23:58", "today by midnight."),
        ("en", "2026-11-18T00:00", "tomorrow by midnight."),
        ("en", "2026-11-17T00:05", "tomorrow by 00:05."),
        ("de", "2026-11-17T10:00", "morgen bis 10 Uhr persönlich."),
        ("de", "2026-11-17T09:05", "morgen bis 9:05 Uhr persönlich."),
        ("de", "2026-11-18T10:30", "am Mittwoch bis 10:30 Uhr persönlich."),
        ("de", "2026-12-03T10:00", "am 3. Dezember bis 10 Uhr persönlich."),
        ("de", "2026-11-17T00:00", "heute bis Mitternacht persönlich."),
        ("fr", "2026-11-16T17:30", "aujourd'hui avant 17\xa0h\xa030."),
        ("fr", "2026-11-17T09:00", "demain avant 9\xa0h."),
        ("fr", "2026-12-01T17:30", "le 1er décembre avant 17\xa0h\xa030."),
        ("fr", "2026-12-02T00:00", "le 1er décembre avant minuit."),
        ("fr", "2026-12-03T17:30", "le 3 décembre avant 17\xa0h\xa030."),
        ("es", "2026-11-17T01:05", "mañana antes de la 1:05."),
        ("es", "2026-11-17T13:05", "mañana antes de las 13:05."),
        ("es", "2026-11-18T10:00", "el miércoles antes de las 10:00."),
        ("es", "2026-12-01T10:00", "el 1 de diciembre antes de las 10:00."),
        ("es", "2026-11-17T00:00", "hoy antes de medianoche."),
    ],
)
def test_when_is_said_in_the_customers_language(language: str, by: str, words: str) -> None:
    time = datetime.fromisoformat(by).replace(tzinfo=UTC)
    shop = playbook(
        ("languages: [en, de, fr, es]", f"languages: [{', '.join(sorted(LANGUAGES, key=language.__ne__))}]")
    )
    assert words in said(say(shop, reading(language=language), by=time))


@pytest.mark.parametrize(
    ("language", "product", "words"),
    [
        ("en", "facebook", "today by 10:30."),  # the shop's own language: its own clock
        ("de", "facebook", "heute bis 10:30 Uhr (Ortszeit London) persönlich."),
        ("fr", "facebook", "aujourd'hui avant 10\xa0h\xa030 (heure de Londres)."),
        ("es", "facebook", "hoy antes de las 10:30 (hora de Londres)."),
        ("en", "x", "today by 10:30 (London time)."),  # read anywhere
    ],
)
def test_the_zone_is_named_where_the_customers_clock_may_be_another(language: str, product: str, words: str) -> None:
    time = MORNING.replace(hour=10, minute=30)
    assert words in said(say(read=reading(language=language), product=product, by=time))


def test_when_is_said_on_the_shops_clock() -> None:
    summer = datetime(2026, 7, 6, 9, 0, tzinfo=UTC)
    assert "today by 11:00." in said(say(read=reading(), now=summer, by=summer + timedelta(hours=1)))
    late = datetime(2026, 7, 6, 22, 30, tzinfo=UTC)  # half past eleven in London
    assert "tomorrow by 00:30." in said(say(read=reading(), now=late, by=late + timedelta(hours=1)))


@pytest.mark.parametrize("by", [None, MORNING, MORNING - timedelta(hours=1)])
def test_without_a_time_the_promise_names_none(by: datetime | None) -> None:
    assert "as soon as possible." in said(say(read=reading(), by=by))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("intent", [i for i in INTENTS if SHOP.intents[i].acknowledge])
def test_every_reply_is_whole_in_every_language(intent: str, language: str) -> None:
    answer = say(read=reading(intent, language=language), by=MORNING + timedelta(hours=1))
    text, words = said(answer), SHOP.wording[language]
    assert text.startswith(words.disclosure[0]) and text.endswith("\n" + words.signature[0])
    assert not re.search(r"[{}]|  ", text)
    assert 60 < len(text) < 600
    on_x = said(say(read=reading(intent, language=language), product="x", by=MORNING + timedelta(days=9)))
    assert len(on_x) <= 280 and "://" not in on_x


def test_a_reply_that_does_not_fit_the_platform_becomes_a_plainer_one_and_resolves_nothing() -> None:
    answer = say(read=reading("store_info"), product="x", by=MORNING + timedelta(hours=1))
    assert isinstance(answer, Answer) and not answer.resolves
    assert answer.rung is Rung.TOPIC and "about our products, shops or offers" in answer.text and "10:05" in answer.text
    answer = say(read=reading("order_status"), product="x", by=MORNING + timedelta(hours=1))
    assert isinstance(answer, Answer) and answer.rung is Rung.GENERAL
    assert "Thank you for your message. A colleague" in answer.text


@pytest.mark.parametrize(
    ("change", "read", "why"),
    [
        (("all: false", "all: true"), reading(), Why.KILL_SWITCH),
        (("accounts: [] ", 'accounts: ["facebook:123"] '), reading(), Why.KILL_SWITCH),
        (None, None, Why.NOT_SURE),
        (None, reading(accepted=0), Why.NOT_SURE),
        (("minimum_confidence: 0.0 ", "minimum_confidence: 0.995 "), reading(), Why.NOT_SURE),
        (("minimum_margin: 0.0 ", "minimum_margin: 0.95 "), reading(), Why.NOT_SURE),
        (("  return:\n", "  return:\n    minimum_confidence: 0.995\n"), reading(), Why.NOT_SURE),
        (("  return:\n", "  return:\n    minimum_margin: 0.95\n"), reading(), Why.NOT_SURE),
        (None, reading("jobs"), Why.INTENT),
        (None, reading("complaint", accepted=1), Why.NOT_SURE),
        (None, reading("legal_safety", 0.4, accepted=1), Why.INTENT),
        (None, reading("legal_safety", accepted=1), Why.URGENT),
        (None, reading("praise", accepted=1), Why.INTENT),
        (None, reading("not in the playbook"), Why.INTENT),
        (None, reading(language=None), Why.LANGUAGE),
        (None, reading(language="it"), Why.LANGUAGE),
        (("public: none ", 'public: "09:00-09:30" '), reading(), Why.QUIET_HOURS),
        (("public: none ", 'public: "22:00-09:30" '), reading(), Why.QUIET_HOURS),
    ],
)
def test_silence_has_a_reason(change: tuple[str, str] | None, read: Reading | None, why: Why) -> None:
    assert say(playbook(change) if change else SHOP, read) == Silence(why)


def test_a_stopped_account_stops_no_other() -> None:
    shop = playbook(("accounts: [] ", 'accounts: ["instagram:123", "facebook:12"] '))
    assert isinstance(say(shop, reading()), Answer)
    assert say(shop, reading(), product="instagram") == Silence(Why.KILL_SWITCH)


def test_what_is_old_gets_no_automatic_reply() -> None:
    assert isinstance(say(read=reading(), age=timedelta(minutes=10)), Answer)
    assert say(read=reading(), age=timedelta(minutes=10, seconds=1)) == Silence(Why.TOO_OLD)


def test_quiet_hours_are_kept_by_place_and_leave_escalation_alone() -> None:
    shop = playbook(("public: none ", 'public: "22:00-09:30" '))
    assert isinstance(say(shop, reading(), private=True), Answer)
    assert isinstance(say(shop, reading(), now=MORNING + timedelta(minutes=28)), Answer)
    assert shop.calls("return", MORNING) == SHOP.calls("return", MORNING)


def test_the_place_is_the_first_that_is_stated() -> None:
    shop = playbook(
        ("  place: public ", "  place: both "),
        ("instagram: {longest: 1000}", "instagram: {place: private}"),
        ("  return:\n", "  return:\n    place: {default: private, x: public, instagram: both}\n"),
        ("  refund:\n", "  refund:\n    place: private\n"),
    )
    places = {
        (intent, product): answer.place
        for intent in ("return", "refund", "stock")
        for product in ("facebook", "instagram", "x")
        if isinstance(answer := say(shop, reading(intent), product=product), Answer)
    }
    assert places == {
        **{("return", "facebook"): "private", ("return", "instagram"): "both", ("return", "x"): "public"},
        **{("refund", "facebook"): "private", ("refund", "instagram"): "private", ("refund", "x"): "private"},
        **{("stock", "facebook"): "both", ("stock", "instagram"): "private", ("stock", "x"): "both"},
    }


def test_a_direct_message_is_answered_in_place() -> None:
    answer = say(read=reading(), private=True)
    assert isinstance(answer, Answer) and answer.place is Place.PRIVATE


def test_a_complaint_gets_an_apology_only_when_the_retailer_says_so_and_a_person_in_any_case() -> None:
    shop = playbook(("    apologise: false", "    apologise: true"))
    answer = say(shop, reading("complaint", 0.85), by=MORNING + timedelta(hours=1))
    assert isinstance(answer, Answer) and not answer.resolves
    assert "We are sorry" in answer.text and "A colleague will answer you personally today by 10:05." in answer.text
    assert say(shop, reading("complaint", 0.79)) == Silence(Why.NOT_SURE)  # the intent's bar; the own reply's is higher
    assert shop.needs_answer(reading("complaint", 0.85), {"complaint": 0.1})


def thanking(reply: str) -> Playbook:
    """A shop that says `reply` to praise, in every language."""
    replies = ", ".join(f'{language}: "{reply}"' for language in LANGUAGES)
    praise = "praise: {acknowledge: true, resolves: true, reply: {" + replies + "}"
    return playbook(("praise: {team: customer_service, acknowledge: false", praise))


def test_thanks_for_praise_are_possible_where_they_resolve() -> None:
    answer = say(thanking("How kind!"), reading("praise", accepted=1), by=MORNING + timedelta(hours=1))
    assert isinstance(answer, Answer) and answer.resolves and "How kind!" in answer.text


def test_an_intent_without_any_text_that_fits_is_silence() -> None:
    shop = thanking("{links.help}")
    assert isinstance(say(shop, reading("praise", accepted=1)), Answer)
    assert say(shop, reading("praise", accepted=1), product="x") == Silence(Why.NO_TEXT)


# --- the ladder ------------------------------------------------------------------------------------------------------


def unsure(intent: str = "return", *allowed: Rung, guards: tuple[str, ...] = (), urgent: float = 0.01) -> Reading:
    """A reading that may be answered on the rungs `allowed`, each with a confidence of .95."""
    own = Rung.OWN in allowed
    topic = "returns" if intent == "return" else ""
    return Reading(
        *(intent, 0.95 if own else 0.4, 0.9 if own else 0.1, "en", own),
        rungs=dict.fromkeys(Rung, 0.95),
        allowed=allowed,
        topic=topic,
        urgent=urgent,
        guards=guards,
    )


ALL = tuple(Rung)


@pytest.mark.parametrize(
    ("read", "rung"),
    [
        (unsure("return", *ALL), Rung.OWN),
        (unsure("return", Rung.TOPIC, Rung.GENERAL), Rung.TOPIC),
        (unsure("return", Rung.GENERAL), Rung.GENERAL),
        (unsure("complaint", Rung.GENERAL), Rung.GENERAL),
        (unsure("human_please", Rung.GENERAL), Rung.GENERAL),
        (unsure("return", *ALL, guards=("long",)), Rung.TOPIC),
        (unsure("return", *ALL, guards=("angry", "long")), Rung.GENERAL),
        (unsure("return", Rung.OWN, guards=("angry",)), Rung.GENERAL),  # who may say more may say less
        (unsure("return"), Silence(Why.NOT_SURE)),
        (unsure("jobs", Rung.GENERAL), Silence(Why.INTENT)),
        (unsure("return", *ALL, guards=("negated",)), Silence(Why.GUARD, ("negated",))),
        (unsure("return", *ALL, guards=("safety",), urgent=1.0), Silence(Why.URGENT, ("safety",))),
        (unsure("return", *ALL, urgent=0.7), Silence(Why.URGENT)),
    ],
)
def test_as_much_is_said_as_the_model_and_the_guards_leave(read: Reading, rung: Rung | Silence) -> None:
    answer = say(read=read, by=MORNING + timedelta(hours=1))
    assert (answer.rung if isinstance(answer, Answer) else answer) == rung


def test_each_rung_has_its_own_words_and_the_same_promise() -> None:
    texts = [
        said(say(read=unsure("return", *ALL[number:]), by=MORNING + timedelta(hours=1))) for number in range(len(ALL))
    ]
    assert "return conditions" in texts[0] and "exchanges, refunds and guarantees" in texts[1]
    assert texts[2] == (
        "This is an automated reply. Thank you for your message. A colleague will answer you personally today by "
        "10:05.\nYour Example Shop team"
    )
    assert all("today by 10:05." in text for text in texts)


@pytest.mark.parametrize(
    ("change", "product", "rung"),
    [
        (("    own: 0.9 ", "    own: false "), "facebook", Rung.TOPIC),
        (("    own: 0.9 ", "    own: 0.99 "), "facebook", Rung.TOPIC),
        (("    own: 0.9 ", "    own: true "), "facebook", Rung.OWN),
        (("instagram: {longest: 1000}", "instagram: {rungs: {own: off, topic: off}}"), "instagram", Rung.GENERAL),
        (("instagram: {longest: 1000}", "instagram: {rungs: {own: off, topic: off}}"), "facebook", Rung.OWN),
        (("    topic: 0.95 ", "    topic: false "), "facebook", Rung.OWN),
    ],
)
def test_a_rung_is_switched_off_or_its_bar_raised_altogether_or_on_a_platform(
    change: tuple[str, str], product: str, rung: Rung
) -> None:
    answer = say(playbook(change), unsure("return", *ALL), product=product)
    assert isinstance(answer, Answer) and answer.rung is rung


@pytest.mark.parametrize(("bar", "rung"), [("0.9 ", Rung.GENERAL), ("0.99", None), ("off ", None)])
def test_a_guard_or_a_platform_leads_down_to_no_rung_whose_bar_is_not_met(bar: str, rung: Rung | None) -> None:
    shop = playbook(("    general: true ", f"    general: {bar} "))
    answer = say(shop, unsure("return", *ALL, guards=("angry",)))
    assert (answer.rung if isinstance(answer, Answer) else None) is rung
    links = playbook(("x: {longest: 280,", f"x: {{rungs: {{topic: off, general: {bar}}}, longest: 280,"))
    answer = say(links, unsure("return", *ALL), product="x")  # no links there: the own reply does not fit
    assert (answer.rung if isinstance(answer, Answer) else None) is rung


def test_a_switched_off_general_reply_is_given_to_nobody() -> None:
    shop = playbook(("    general: true ", "    general: false "))
    assert say(shop, unsure("return", Rung.GENERAL)) == Silence(Why.NOT_SURE)
    assert isinstance(say(shop, unsure("return", *ALL, guards=("angry",))), Silence)


def test_an_urgent_message_gets_the_general_reply_only_where_the_retailer_says_so() -> None:
    shop = playbook(("  urgent: none ", "  urgent: general "))
    answer = say(shop, unsure("legal_safety", guards=("safety",), urgent=1.0), by=MORNING + timedelta(hours=1))
    assert isinstance(answer, Answer) and answer.rung is Rung.GENERAL
    assert "Thank you for your message. A colleague" in answer.text


def test_direct_messages_are_named_where_there_are_some_and_never_inside_one() -> None:
    public = said(say(read=reading("delivery_late")))
    assert "please send it by direct message only, never in public." in public
    for quiet in (
        say(read=reading("delivery_late"), private=True),
        say(read=reading("delivery_late"), product="google"),
    ):
        assert "direct message" not in said(quiet) and "in public" not in said(quiet)
    shop = playbook(("  place: public ", "  place: both "))
    both = say(shop, reading("delivery_late"))
    assert isinstance(both, Answer)
    assert "direct message" in both.text and "direct message" not in both.private_text


@pytest.mark.parametrize(
    ("language", "formal", "familiar"),
    [
        ("de", "Ihre Nachricht", "deine Nachricht"),
        ("fr", "votre message", "ton message"),
        ("es", "su mensaje", "tu mensaje"),
    ],
)
def test_the_familiar_form_is_a_switch(language: str, formal: str, familiar: str) -> None:
    read = replace(unsure("return", Rung.GENERAL), language=language)
    assert formal in said(say(read=read))
    casual = playbook(("  formal: true ", "  formal: false "))
    assert familiar in said(say(casual, read))


# What only the formal and only the familiar form says. "Sie", "su" and "le" may also mean somebody else; in these texts
# they never do, but for a "sie" that begins with a small letter.
FORMS = {
    "de": (
        r"\b(Sie|Ihnen|Ihre?[rnms]?)\b",
        r"\b([Dd]u|[Dd]ich|[Dd]ir|[Dd]eine?[rnms]?|[Ss]chick|[Aa]ntworte|[Ee]ntschuldige|veröffentliche)\b",
    ),
    "fr": (
        r"\b([Vv]ous|[Vv]otre|[Vv]os|\w+[^n]ez)\b",
        r"\b([Tt]u|[Tt]e|[Tt]oi|[Tt]on|[Tt]a|[Tt]es|envoie|publie|réponds|recevras)\b",
    ),
    "es": (
        r"\b([Uu]sted|[Ss]u|le|haberle|envíe(los?)?|publique|responda|[Rr]ecibirá)\b",
        r"\b(tú|[Tt]us?|te|haberte|envía(los?)?|envíes|publiques|responde|[Rr]ecibirás)\b",
    ),
}


def every_sentence(shop: Playbook, language: str) -> list[str]:
    """Everything that the playbook may say in a language, each way of saying it, in public and in private."""
    words = shop.wording[language]
    shared = (words.disclosure, words.received, words.promise, words.promise_soon, words.signature, words.resolved)
    replies = [policy.replies[language] for policy in shop.intents.values() if language in policy.replies]
    topics = [texts[language] for texts in shop.topics.values()]
    return [*(way for ways in shared for way in ways), *replies, *topics]


@pytest.mark.parametrize("language", sorted(FORMS))
@pytest.mark.parametrize("formal", [True, False])
def test_no_text_mixes_the_formal_and_the_familiar_form(language: str, formal: bool) -> None:
    shop = SHOP if formal else playbook(("  formal: true ", "  formal: false "))
    said_so, other = FORMS[language] if formal else FORMS[language][::-1]
    texts = every_sentence(shop, language)
    assert [text for text in texts if re.search(other, text)] == []
    assert sum(bool(re.search(said_so, text)) for text in texts) > 25


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_set_as_a_careful_hand_sets_them(language: str) -> None:
    """No doubled space or mark, no space on the wrong side of one."""
    texts = every_sentence(SHOP, language)
    assert [text for text in texts if re.search(r"  | [.,]|[.,]{2}|\.\.|’’|\( | \)", text)] == []
    if language == "es":  # what is asked or called out begins with its mark
        assert [
            text for text in texts if text.count("?") != text.count("¿") or text.count("!") != text.count("¡")
        ] == []
    wrong = r"\w[:;!?](?!//)" if language == "fr" else r" [:;!?]"
    assert [text for text in texts if re.search(wrong, text.replace("{public:", "").replace("{private:", ""))] == []


def test_french_spaces_do_not_break() -> None:
    answer = said(say(read=reading("delivery_late", language="fr"), by=MORNING.replace(hour=10, minute=30)))
    assert "nous aide\xa0: envoyez-le" in answer and "10\xa0h\xa030" in answer
    assert not re.search(r" [:;!?»]|\d h", answer)


@pytest.mark.parametrize(
    ("zone", "language", "name"),
    [
        ("Europe/London", "fr", "heure de Londres"),
        ("Europe/Amsterdam", "fr", "heure d'Amsterdam"),
        ("Europe/Athens", "fr", "heure d'Athènes"),
        ("Europe/Brussels", "fr", "heure de Bruxelles"),
        ("Europe/Vienna", "de", "Ortszeit Wien"),
        ("Europe/Berlin", "es", "hora de Berlín"),
        ("America/New_York", "en", "New York time"),
        ("America/New_York", "es", "hora de Nueva York"),
        ("America/Argentina/Buenos_Aires", "es", "hora de Buenos Aires"),
        *(("UTC", language, "UTC") for language in LANGUAGES),
        ("Etc/UTC", "de", "UTC"),
    ],
)
def test_a_clock_is_called_after_its_city_as_the_language_calls_it(zone: str, language: str, name: str) -> None:
    assert SHOP.wording[language].zone_name(zone) == name


def test_twenty_equal_questions_do_not_get_twenty_equal_posts_where_that_is_refused() -> None:
    read, by = unsure("return", Rung.GENERAL), MORNING + timedelta(hours=1)
    texts = [
        said(
            SHOP.acknowledgement(
                read,
                product="x",
                account="123",
                private=False,
                now=MORNING,
                asked_at=MORNING,
                by=by,
                seed=f"19{number}",
            )
        )
        for number in range(20)
    ]
    assert len(set(texts)) >= 17 and all(len(text) <= 280 and "10:05" in text for text in texts)
    again = SHOP.acknowledgement(
        read, product="x", account="123", private=False, now=MORNING, asked_at=MORNING, by=by, seed="190"
    )
    assert said(again) == texts[0]
    assert said(say(read=read, by=by)) == said(say(read=read, by=by))


CLAIMS = re.compile(
    r"looking into|put (it|this) right|passed (it )?on|no problem|of course|checking|we will fix|gehen dem nach|"
    r"kein problem|natürlich|prüfen|weitergegeben|in ordnung bringen|transmis|bien sûr|pas de problème|vérifions|"
    r"remédier|comprobando|claro que|sin problema|lo hemos pasado|arreglar",
    re.IGNORECASE,
)


def test_no_text_claims_what_is_not_known() -> None:
    said = [text for policy in SHOP.intents.values() for text in policy.replies.values()]
    said += [text for texts in SHOP.topics.values() for text in texts.values()]
    said += [text for words in SHOP.wording.values() for text in (*words.received, *words.promise, *words.promise_soon)]
    assert len(said) > 120
    assert not [text for text in said if CLAIMS.search(text)]


# --- the file and its cost -------------------------------------------------------------------------------------------


def test_the_default_names_every_intent_that_the_model_knows() -> None:
    table = (Path(__file__).parent.parent.parent / "models" / "utterances" / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| ([a-z_]+) \|", table, re.MULTILINE)) - {"intent"} == set(INTENTS)
    assert set(SHOP.intents) == set(INTENTS)
    assert not [intent for intent in NEVER_ACKNOWLEDGED if SHOP.intents[intent].acknowledge]


def test_the_demo_says_what_the_default_says() -> None:
    """Its times and teams are its own, its texts are a copy."""
    demo = load_playbook(DEMO_PLAYBOOK.read_text("utf-8"))

    def texts(shop: Playbook) -> str:
        said = ({name: policy.replies for name, policy in shop.intents.items()}, shop.topics, shop.wording)
        return re.sub(r"https://[^/]+", "", repr(said)).replace(shop.shop.name, "the shop")

    assert texts(demo) == texts(SHOP)


def test_no_mailbox_of_the_default_could_be_anybodys() -> None:
    assert {team.email.partition("@")[2] for team in SHOP.teams.values()} == {"shop.example.com"}
    assert {"customer_service", "delivery", "returns", "web_shop", "stores", "pr"} <= set(SHOP.teams)


def test_a_playbook_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SHOP.place = Place.BOTH  # type: ignore[misc]
    with pytest.raises(AttributeError):
        SHOP.plcae = Place.BOTH  # type: ignore[attr-defined]


def test_decisions_take_few_steps_however_far_away_the_time_is() -> None:
    SHOP.calls("return", MORNING)  # the years' holidays are looked up once
    assert calls(lambda: SHOP.calls("return", MORNING)) < 600
    assert calls(lambda: say(read=reading(), by=MORNING + timedelta(hours=1))) < 300


def test_the_module_checks_a_file_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT.replace("Europe/London", "Europe/Lndon"), "utf-8")
    command = [sys.executable, "-m", "chalicelib.playbook"]
    wrong = subprocess.run([*command, str(file)], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("mine.yaml:6: shop.timezone: unknown time zone")
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
