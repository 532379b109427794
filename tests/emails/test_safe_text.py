"""Strangers' words: readable, whole, and harmless."""

import pytest

from chalicelib.emails import safe_text


@pytest.mark.parametrize(
    "kept",
    ["👨‍👩‍👧‍👦 hi", "می‌خواهم", "क्‍ष", "🏴󠁧󠁢󠁥󠁮󠁧󠁿 flag", "❤️", "مرحبا", "line\nbreak", "a\tb"],
    ids=["emoji family", "Persian", "Indic", "flag of England", "variation", "Arabic", "lines", "tab"],
)
def test_what_people_write_stays_as_they_wrote_it(kept: str) -> None:
    assert safe_text.clean(kept) == kept


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\u202eb\u200bc\ufeffd", "abcd"),
        ("\u200dlost \u200d joiner\u200d", "lost  joiner"),
        ("a\u200d\u200db", "ab"),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("\U0001f3f4\U000e0068\U000e0069\U000e0064\U000e0064\U000e0065\U000e006e\U000e0021", "\U0001f3f4"),
        ("a\x00\x1b[31mb", "a[31mb"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
    ],
)
def test_what_nobody_can_see_goes(text: str, left: str) -> None:
    assert safe_text.clean(text) == left


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("www.evil.example/login", "www[.]evil[.]example/login"),
        ("Eve\r\nBcc: all@example.com", "Eve Bcc: all[@]example[.]com"),
        ("-www.evil.example/login.html", "-www[.]evil[.]example/login[.]html"),
        ("-.evil.example, so.what", "-[.]evil[.]example, so[.]what"),
        ("+@www.evil.example", "+@www[.]evil[.]example"),
        ("x" * 4000, "x" * 59 + "…"),
        (None, ""),
    ],
)
def test_a_name_is_short_on_one_line_and_never_an_address(written: str | None, shown: str) -> None:
    assert safe_text.name(written) == shown


def test_first_words_end_between_words() -> None:
    assert safe_text.first_words("Where is my order, please? I have waited for three weeks now", 30) == (
        "Where is my order, please? I…"
    )
    assert safe_text.first_words("short") == "short"
