"""Questions worth answering once: the playbook's own answers, never a customer's; and proposals that training takes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from chalicelib.reports.page import faq_page
from chalicelib.reports.questions import Asked, Questions, answered, common_words, json_ld, phrases, script
from infra.reports.clusters import masked, proposals, write
from models.rows import RowError, from_file
from models.train import own_rows
from tests.world import playbook

CANARIES = (
    "Wilhelmina Quackenbush",
    "quack@example.com",
    "+44 7700 900123",
    "4929 1234 5678 9012",
    "@quackenbush",
    "ZX81Q77",
)
FAQ_PAGE = {  # schema.org's shape of a FAQPage, as Google's guide asks for it
    "type": "object",
    "required": ["@context", "@type", "mainEntity"],
    "properties": {
        "@context": {"const": "https://schema.org"},
        "@type": {"const": "FAQPage"},
        "mainEntity": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["@type", "name", "acceptedAnswer"],
                "properties": {
                    "@type": {"const": "Question"},
                    "name": {"type": "string", "minLength": 1},
                    "keywords": {"type": "string"},
                    "acceptedAnswer": {
                        "type": "object",
                        "required": ["@type", "text"],
                        "properties": {"@type": {"const": "Answer"}, "text": {"type": "string", "minLength": 1}},
                        "additionalProperties": False,
                    },
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


def asked() -> Iterator[Asked]:
    """Customers ask for their parcel, each with something of their own in it."""
    for n in range(18):
        canary = CANARIES[n % len(CANARIES)]
        yield Asked("order_status", "en", f"p{n}", f"where is my parcel {canary}, order {n}7781?")
    for _ in range(40):  # one customer who writes the same again and again
        yield Asked("order_status", "en", "loud", "my name is Wilhelmina Quackenbush and my street is Elm Row")


def found() -> Questions:
    return Questions(answered(playbook(), {"order_status": 70, "complaint": 9, "return": 3}, asked()))


def test_the_answers_are_the_playbooks_own_most_asked_first() -> None:
    first, second = found().answered
    assert (first.intent, first.asked, second.intent) == ("order_status", 70, "return")
    assert first.question == "Where is my order?" and "https://shop.example.com/track" in first.answer
    assert "where is my" in first.words or "is my parcel" in first.words


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_every_served_language_has_its_page(language: str) -> None:
    questions = Questions(answered(playbook(), {"order_status": 7, "return": 3}, (), language), language=language)
    html = faq_page("Example Shop", questions)
    assert len(questions.answered) == 2 and f'<html lang="{language}">' in html


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_an_answer_thanks_nobody_for_a_message_and_ends_its_lines_behind_addresses(language: str) -> None:
    """A reply begins with thanks for the message; on a page there was none."""
    asked_once = dict.fromkeys(playbook().intents, 1)
    found = answered(playbook(), asked_once, (), language)
    assert len(found) > 8
    for q in found:
        assert not re.match(
            r"(?:Vielen )?(?:Thank|We are sorry|Dank|Entsch|Merci|Nous sommes désolés|Gracias|Sentimos)", q.answer
        ), q.answer
        assert q.answer[0].isupper() and len(q.answer) > 40
        assert not re.search(r"https://\S+ [A-ZÀ-Ý]", q.answer), q.answer


def test_no_personal_data_reaches_the_page_or_its_structured_data() -> None:
    questions = found()
    written = faq_page("Example Shop", questions) + json.dumps(json_ld(questions.answered))
    for canary in CANARIES:
        for part in set(re.findall(r"\w{4,}", canary)) - {"example"}:
            assert part.casefold() not in written.casefold()


def test_words_that_one_customer_repeats_are_not_common() -> None:
    words = common_words(asked())["order_status"]
    assert words and not any("elm" in w or "name" in w for w in words)


def test_a_phrase_with_a_number_an_address_or_a_name_is_none() -> None:
    assert phrases("call me at 07700 900123 or a@b.example, @ann") == {"call me", "call me at", "me at"}


def test_the_structured_data_have_schema_orgs_shape() -> None:
    html = faq_page("Example Shop", found())
    (ld,) = re.findall(r'<script type="application/ld\+json">\s*(.*?)\s*</script>', html, re.S)
    jsonschema.validate(json.loads(ld), FAQ_PAGE)
    assert json.loads(ld) == json_ld(found().answered)


def test_nothing_in_an_answer_can_end_the_script() -> None:
    first = found().answered[0]
    hostile = type(first)(first.intent, "</script><script>alert(1)</script>", "<!-- & -->", 1)
    assert "<" not in script([hostile])
    assert json.loads(script([hostile])) == json_ld([hostile])


# --- what the model did not know ---


def unknown() -> list[Asked]:
    wraps = [
        "can you gift wrap it",
        "do you offer gift wrap for presents",
        "gift wrap please, is that possible",
        "gift wrap",
    ]
    plants = [
        "my plant lost its leaves",
        "the plant has brown leaves now",
        "plant leaves turning yellow",
        "leaves of my plant",
    ]
    rows = [Asked("other", "en", f"p{n}", f"{wraps[n % 4]} {n}") for n in range(12)]
    rows += [Asked("other", "en", f"q{n}", f"{plants[n % 4]} {CANARIES[n % 6]}") for n in range(8)]
    return rows + [Asked("other", "en", f"r{n}", text) for n, text in enumerate(("hm", "xyzzy plugh", "42"))]


def test_what_is_alike_is_proposed_as_one(tmp_path: Path) -> None:
    first, second = proposals(unknown())
    assert ("gift wrap" in first.name, len(first.rows)) == (True, 12)
    assert "plant" in second.name or "leaves" in second.name
    assert len(second.rows) >= 6  # of the eight; a stray one may stay alone
    assert write([first, second], tmp_path / "own.jsonl") == 12 + len(second.rows)
    rows = from_file(tmp_path / "own.jsonl")  # as `make train OWN=` reads it
    assert {r.intent for r in rows} == {r.intent for r in rows if r.intent.startswith("proposed_")}
    written = (tmp_path / "own.jsonl").read_text("utf-8")
    for canary in ("quack@example.com", "900123", "9012", "@quackenbush", "ZX81Q77"):
        assert canary not in written


def test_the_file_is_taken_once_it_is_labelled_and_what_is_not_is_named_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = proposals(unknown())
    file = tmp_path / "report.proposals.jsonl"
    count = write([first, second], file)
    with pytest.raises(RowError, match=r"report\.proposals\.jsonl:1: every intent still begins with 'proposed_'"):
        own_rows(file, 3.0)
    lines = file.read_text("utf-8").splitlines()
    own = [line.replace(json.loads(line)["intent"], "gift_wrap") for line in lines[: len(first.rows)]]
    del own[4:6]
    file.write_text("\n".join([*own[:3], lines[4], lines[5], *own[3:], *lines[len(first.rows) :]]), "utf-8")
    rows = own_rows(file, 3.0)
    assert [(r.intent, r.weight) for r in rows] == [("gift_wrap", 3.0)] * len(own)
    assert {r.text for r in rows} <= {r.text for r in first.rows} and all(r.language == "en" for r in rows)
    assert capsys.readouterr().err == (
        f"{file}: lines 4–5, {len(first.rows) + 1}–{count}: skipped, the intent is still the report's proposal\n"
    )
    file.write_text(json.dumps({"text": "gift wrap?", "intent": ""}) + "\n", "utf-8")
    with pytest.raises(RowError, match=r":1: 'intent' is missing, empty"):
        own_rows(file, 3.0)


FOUR = {
    "en": ("can you gift wrap it", "my name is Wilhelmina Quackenbush, 12 Elm Row, Little Puddleby"),
    "de": ("packt ihr das als Geschenk ein", "ich heiße Gundula Österreicher-Zwack, Birkenstieg 4, Hintertupfing"),
    "fr": ("faites-vous un paquet cadeau", "je m'appelle Hyacinthe Dufresnoy, 3 ruelle des Lutins, Trifouillis"),
    "es": ("lo podéis envolver para regalo", "me llamo Eduvigis Zurbarán, calle Limonero 9, Villaquieta"),
}


@pytest.mark.parametrize("language", FOUR)
def test_nobodys_name_or_address_stands_in_a_proposal(tmp_path: Path, language: str) -> None:
    """What one customer alone has written is not proposed, in any language, whatever it is."""
    question, personal = FOUR[language]
    rows = [Asked("other", language, f"p{n}", question) for n in range(8)]
    rows += [Asked("other", language, f"c{n}", f"{question}, {personal}, {CANARIES[n]}") for n in range(2)]
    found = proposals(rows)
    assert len(found) == 1 and len(found[0].rows) == 10
    write(found, tmp_path / "own.jsonl")
    written = (tmp_path / "own.jsonl").read_text("utf-8") + found[0].name
    for part in re.findall(r"\w{4,}", personal + " " + " ".join(CANARIES)):
        assert part.casefold() not in written.casefold() or part.casefold() in question.casefold()
    assert question in written


def test_one_loud_customer_makes_no_cluster() -> None:
    assert proposals([Asked("other", "en", "loud", f"gift wrap now {n}") for n in range(30)]) == []
    assert proposals([]) == [] and proposals([Asked("other", "en", "a", "…")] * 9) == []


def test_addresses_and_numbers_are_masked() -> None:
    text = "see https://x.example/a?b=1 or ann@example.com, @ann, +44 7700 900123, order AB12345X, size 38"
    assert masked(text) == "see LINK or EMAIL, NAME, NUMBER, order NUMBER, size 38"
