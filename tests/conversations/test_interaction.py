"""What is told of one interaction merges to the same in every order, grouping and repetition."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.codec import dump, load
from chalicelib.conversations.interaction import Interaction, Kind, Reading, merge

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

times = st.integers(0, 4).map(lambda s: NOON + timedelta(seconds=s))
ids = st.sampled_from(["a", "b", "c"])
readings = st.builds(Reading, ids, st.just(0.5), st.just(0.1), st.none(), st.booleans())
tellings = st.builds(
    Interaction,
    product=st.just("facebook"),
    account=st.just("1"),
    id=st.just("42"),
    kind=st.sampled_from(Kind),
    at=times,
    received_at=times,
    thread=st.sampled_from(["", "a", "b"]),
    app=st.sampled_from(["", "main"]),
    author=st.none() | ids,
    author_name=st.none() | ids,
    brand=st.booleans(),
    text=st.sampled_from(["", "Hello", "Hello!"]),
    text_at=st.none() | times,
    edited=st.booleans(),
    parent=st.none() | ids,
    reply_to=st.none() | ids,
    post=st.none() | ids,
    private=st.booleans(),
    repliable=st.booleans(),
    attachments=st.integers(0, 2),
    link=st.none() | ids,
    window=st.none() | st.sampled_from([timedelta(hours=24), timedelta(days=7)]),
    deleted=st.booleans(),
    hidden_at=st.none() | times,
    shown_at=st.none() | times,
    ours=st.booleans(),
    via=st.none() | ids,
    begins=st.none() | st.booleans(),
    deleted_at=st.none() | times,
    recovered_at=st.none() | times,
    undelivered=st.booleans(),
    token=st.none() | ids,
    raw=st.sampled_from(["", "{}"]),
    reading=st.none() | readings,
    erased=st.sampled_from([False, False, False, True]),
)

QUESTION = Interaction("facebook", "1", "42", Kind.NEW, NOON, NOON, thread="42", author="7", text="Where is it?")
SHOP = replace(QUESTION, author="1", brand=True)


def fold(*parts: Interaction) -> Interaction:
    merged = reduce(merge, parts, None)
    assert merged
    return merged


@given(tellings, tellings)
def test_merge_is_commutative(one: Interaction, other: Interaction) -> None:
    assert merge(one, other) == merge(other, one)


@given(tellings, tellings, tellings)
@settings(max_examples=500)
def test_merge_is_associative(one: Interaction, other: Interaction, third: Interaction) -> None:
    assert merge(merge(one, other), third) == merge(one, merge(other, third))


@given(tellings, tellings)
def test_merge_is_idempotent(one: Interaction, other: Interaction) -> None:
    merged = merge(one, other)
    assert merge(merged, one) == merge(merged, other) == merge(merged, merged) == merged
    assert merge(merge(None, one), one) == merge(None, one)


@given(st.lists(tellings, min_size=1, max_size=4))
@settings(max_examples=50)
def test_every_order_of_any_parts_gives_the_same(parts: list[Interaction]) -> None:
    assert len({repr(fold(*order)) for order in permutations(parts)}) == 1


@given(tellings)
def test_what_is_stored_is_what_is_read_back(told: Interaction) -> None:
    merged = merge(None, told)
    assert load(Interaction, dump(merged)) == merged


@given(st.lists(tellings, min_size=1, max_size=4))
def test_a_deletion_leaves_no_words_of_the_customer(parts: list[Interaction]) -> None:
    merged = fold(*parts, replace(QUESTION, kind=Kind.DELETE, text=""))
    assert merged.deleted and not (merged.text or merged.raw or merged.author_name or merged.reading)


def test_the_newest_text_by_the_platforms_time_wins() -> None:
    first = replace(QUESTION, kind=Kind.EDIT, text="Where is 4711?", text_at=NOON + timedelta(minutes=1))
    second = replace(QUESTION, kind=Kind.EDIT, text="Where is 4712?", text_at=NOON + timedelta(minutes=2))
    assert fold(second, first, QUESTION).text == "Where is 4712?"


def test_an_edit_of_the_same_second_wins_over_the_original() -> None:
    edit = replace(QUESTION, kind=Kind.EDIT, text="A", text_at=NOON)
    assert fold(QUESTION, edit).text == fold(edit, QUESTION, QUESTION).text == "A"


def test_hiding_by_the_brand_does_not_make_a_question_the_brands() -> None:
    hidden = replace(SHOP, kind=Kind.HIDE, text="", hidden_at=NOON + timedelta(minutes=1))
    merged = fold(hidden, QUESTION)
    assert (merged.author, merged.brand, merged.text, merged.hidden) == ("7", False, "Where is it?", True)


def test_what_is_shown_again_after_it_was_hidden_is_not_hidden() -> None:
    hidden = replace(QUESTION, kind=Kind.HIDE, hidden_at=NOON + timedelta(minutes=1))
    shown = replace(QUESTION, kind=Kind.EDIT, shown_at=NOON + timedelta(minutes=2))
    assert fold(hidden, QUESTION).hidden and not fold(shown, hidden, QUESTION).hidden


def test_the_author_that_a_mention_lacked_is_filled_in() -> None:
    mention = replace(QUESTION, kind=Kind.MENTION, author=None, text="")
    assert fold(mention, replace(QUESTION, kind=Kind.MENTION)).author == "7"
    assert fold(mention).customer == "unknown-42"


def test_what_is_the_brands_stays_the_brands_when_the_author_is_not_named_again() -> None:
    edit = replace(QUESTION, kind=Kind.EDIT, author=None, text="B", text_at=NOON + timedelta(minutes=1))
    assert fold(edit, replace(SHOP, kind=Kind.BRAND_REPLY)).brand


def test_a_deleted_post_that_is_recovered_is_there_again_in_any_order_and_one_erased_for_good_never_is() -> None:
    minute = timedelta(minutes=1)
    gone = replace(QUESTION, kind=Kind.DELETE, text="", deleted_at=NOON + minute)
    back = replace(QUESTION, text_at=NOON + 2 * minute, recovered_at=NOON + 2 * minute)
    for order in permutations((QUESTION, gone, back)):
        merged = fold(*order)
        assert (merged.deleted, merged.text) == (False, "Where is it?")
    again = replace(gone, deleted_at=NOON + 3 * minute)
    assert fold(again, back, gone).deleted and not fold(again, back, gone).text
    assert fold(replace(gone, deleted_at=None), back).deleted
