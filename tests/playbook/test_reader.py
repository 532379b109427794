"""Every mistake in a playbook is named with its file, its line, and what to write instead."""

from pathlib import Path

import pytest

from chalicelib.playbook.check import main
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from tests.counting import calls

TEXT = DEFAULT_PLAYBOOK.read_text("utf-8")
SUPPORT = '    days: {mon-sun: "08:00-20:00"}\n'
TIERS = "    - after: 30min\n      team: team_lead\n    - after: 4h\n"
APOLOGISE = TEXT[TEXT.index("    apologise: false") : TEXT.index("    minimum_confidence: 0.8")]
DISCLOSURE = TEXT[TEXT.index("    disclosure: [") : TEXT.index("    received:\n")]
RETURN = "  return:\n    team: returns\n    acknowledge: true\n"

# what stands in the default playbook, what somebody makes of it, the line of that which is named, and the message
MISTAKES = [
    ("shop:\n", "shopp:\n", 0, 'unknown key "shopp"; did you mean "shop"?'),
    ("  name: Example Shop", "  nam: Example Shop", 0, 'shop.nam: unknown key "nam"; did you mean "name"?'),
    ("  name: Example Shop", "  name:", 0, "shop.name: is empty; write"),
    ("  name: Example Shop", "  name: [Example, Shop]", 0, "shop.name: is a list; write a text"),
    ("  name: Example Shop", "  name: 4711", 0, 'shop.name: is 4711, not a text; write a text: "4711"'),
    ("timezone: Europe/London", "timezone: Europe/Lundon", 0, 'unknown time zone "Europe/Lundon"; write one such as'),
    ("timezone: Europe/London", "timezone: ../London", 0, "unknown time zone"),
    ("languages: [en, de, fr, es]", "languages: [en, German]", 0, '"German" is not a language code; write two small'),
    ("languages: [en, de, fr, es]", "languages: []", 0, "shop.languages: no language; write for instance"),
    ("languages: [en, de, fr, es]", "languages: [en, de, fr, es, it]", None, 'wording: nothing about "it"; add `it:`'),
    ("track: https://shop", "track: http://shop", 0, "is not a web address; write one that begins with https://"),
    (SUPPORT, '    days: {mon-sun: "08:00-25:00"}\n', 0, "is not a time from … to …; write two times of 24 hours"),
    (SUPPORT, "    days: {mon-sun: 8}\n", 0, 'hours.support.days.mon-sun: "8" is not a time'),
    (SUPPORT, '    days: {mon-sun: "08:00-08:00"}\n', 0, 'is no time at all; for the whole day write "00:00-24:00"'),
    (SUPPORT, '    days: {monday: "08:00-20:00"}\n', 0, '"monday" is not a day; write mon, tue, wed'),
    (SUPPORT, '    days: {sun-mon: "08:00-20:00"}\n', 0, '"sun-mon" is not a day'),
    (SUPPORT, '    days: {mon-fri: "08:00-20:00", fri: "08:00-12:00"}\n', 0, "fri stands twice; let each day"),
    (SUPPORT, '    days: {mon: ["08:00-12:00", "11:00-14:00"]}\n', 0, "two of the hours overlap; write them"),
    (SUPPORT, "    days: {mon-sun: closed}\n", 0, "hours.support.days: no day has any hours; write for instance"),
    (SUPPORT, "    days:\n", 0, "hours.support.days: is empty; write `key: value` lines below"),
    (SUPPORT, "", -1, 'hours.support: "days" is missing; write for instance days:'),
    ("holidays: GB-ENG  ", "holidays: GB-XX", 0, 'no public holidays known for "GB-XX"; write a country'),
    ("holidays: GB-ENG  ", "holidays: England", 0, 'no public holidays known for "England"'),
    ('closed: ["12-24"]', 'closed: ["24.12."]', 0, '"24.12." is not a day; write "2026-12-24"'),
    ("round_the_clock: always", "round_the_clock: alway", 0, 'unknown hours "alway"; did you mean "always"?'),
    ("email: delivery@shop.example.com", "email: delivery@shop", 0, '"delivery@shop" is not an e-mail address; write'),
    ("email: delivery@shop.example.com, ", "", 0, 'teams.delivery: "email" is missing; write'),
    ("hours: round_the_clock}", "hours: night}", 0, 'unknown hours "night"; write one of: support, office'),
    ("  web_shop: {email", "  Web shop: {email", 0, '"Web shop" is not a name for a team; write small letters'),
    ("  pr: {email", "  pr: {name: , email", 0, "teams.pr.name: is empty; write name: Press desk, or {en:"),
    ("  pr: {email", "  pr: {name: [Press], email", 0, "teams.pr.name: is a list; write"),
    (
        "  pr: {email",
        "  pr: {name: {it: Stampa}, email",
        0,
        'teams.pr.name.it: unknown language "it"; write',
    ),
    ("  team: customer_service          #", "  team: service          #", 0, 'escalation.team: unknown team "service"'),
    (TIERS, "    - after: soon\n    - after: 4h\n", 0, '"soon" is not a span of time; write it such as 30min, 4h'),
    (TIERS, "    - after: 90d\n    - after: 4h\n", 0, "90d is out of range; write from 0s to 720h"),
    (TIERS, "    - after: 4h\n    - after: 4h\n", -1, "a tier comes less than 15min (escalation.apart) after the one"),
    (TIERS, "    - after: 1h\n    - team: pr\n      after: 4h\n", 3, "stands twice, first in line"),
    ("      - after: 0min\n", "      - after: 5min\n", -1, "the first tier of urgent intents waits; write after: 0min"),
    ("intents: [legal_safety]", "intents: [legal]", 0, 'unknown intent "legal"; did you mean "legal_safety"?'),
    ("at_confidence: 0.5", "at_confidence: 20", 0, "20 is out of range; write a number from 0 to 1"),
    ("    all: false", "    all: maybe", 0, '"maybe" is neither true nor false; write true or false'),
    ("accounts: [] ", 'accounts: ["facebok:1"] ', 0, 'unknown platform "facebok"; did you mean "facebook"?'),
    ('closed: ["12-24"]', 'closed: ["W52"]', 0, '"W52" is not a day; write'),
    ('closed: ["12-24"]', 'closed: ["2026-W52"]', 0, '"2026-W52" is not a day; write'),
    ("email: service@shop.example.com", "email: .a@shop.example.com", 0, '".a@shop.example.com" is not an e-mail'),
    ("email: service@shop.example.com", "email: a.@shop.example.com", 0, '"a.@shop.example.com" is not an e-mail'),
    ("    x: {longest: 280", "    twitter: {longest: 280", 0, 'replies.products.twitter: unknown platform "twitter"'),
    ("  within: 3s", "  within: 3days", 0, '"3days" is not a span of time'),
    ("  phrases: []", "  phrases: [Hi]", 0, '"Hi" is so short that people say it as well'),
    ("  apps: [] ", "  aps: [] ", 0, 'unknown key "aps"; did you mean "apps"?'),
    ("accounts: [] ", "accounts: [facebook] ", 0, '"facebook" is not a platform and an account; write for instance'),
    (
        "  place: public  ",
        "  place: everywhere  ",
        0,
        'replies.place: unknown place "everywhere"; write one of: public',
    ),
    ("    public: none  ", '    public: "22 to 7"  ', 0, "is not a time from … to …"),
    ("post_per_hour: 60", "post_per_hour: some", 0, '"some" is not a number; write a number from 0'),
    ("post_per_hour: 60", "post_per_hour: 2.5", 0, "2.5 is not a whole number; write a whole number from 0"),
    ("max_age: 10min", "max_age: 10", 0, '"10" is not a span of time; write it such as 30min'),
    (
        "x: {longest: 280, links: false,",
        "x: {longest: 120,",
        None,
        "characters, or a link: not for x; shorten disclosure",
    ),
    ("colleague will answer you personally {when}.", "colleague will answer.", 0, "{when} is missing; write {when}"),
    (DISCLOSURE, "", -1, 'wording.en: "disclosure" is missing; add it as in'),
    ('    time: "{hh}:', '    time: "{houre}:', 0, "unknown placeholder {houre}; did you mean"),
    ("    topic: 0.95 ", "    topic: sometimes ", 0, '"sometimes" is not a number; write a number from 0 to 1'),
    ("    topic: 0.95 ", "    topics: true ", 0, 'unknown key "topics"; did you mean "topic"?'),
    ("  urgent: none ", "  urgent: own ", 0, 'unknown reply "own"; write one of: none, general'),
    ("  orders:   ", "  order:   ", 0, 'unknown topic "order"; did you mean "orders"?'),
    ("weekdays: [Monday, ", "weekdays: [", 0, "wording.en.weekdays: has 6 entries; write all 7"),
    ("  return:\n", "  retrun:\n", 0, 'unknown intent "retrun"; did you mean "return"?'),
    (RETURN, RETURN + "    colour: red\n", 3, 'intents.return.colour: unknown key "colour"'),
    (RETURN, RETURN.replace("returns", "nobody"), 1, 'intents.return.team: unknown team "nobody"; write one of'),
    (RETURN, "  order_status:\n    team: returns\n    acknowledge: true\n", 0, "stands twice, first in line"),
    (RETURN, RETURN + "    closes_at: 0.9\n", 3, 'unknown key "closes_at"'),
    (RETURN, RETURN + "    place: {facebook: secret}\n", 3, 'intents.return.place.facebook: unknown place "secret"'),
    (
        "how to return something, are here: {links.returns}",
        "see {links.retuns}",
        0,
        'placeholder {links.retuns}; did you mean "links',
    ),
    (
        "how to return something, are here: {links.returns}",
        "see {links.returns",
        0,
        'a lone "{"; write placeholders such as',
    ),
    (
        '      de: "Danke für {Ihre|deine} Nachricht zu einer Rückgabe',
        '      it: "Danke',
        0,
        'unknown language "it"; write one of: en, de, fr, es',
    ),
    (
        "  legal_safety: {team: pr, acknowledge: false}",
        "  legal_safety: {acknowledge: true}",
        0,
        "is for people, at once; write acknowledge: false",
    ),
    (
        "  human_please: {team: customer_service, acknowledge: general}",
        "  human_please: {acknowledge: on}",
        0,
        "never ackno",
    ),
    (
        "  other: {team: customer_service, acknowledge: general}",
        "  other: {acknowledge: yes}",
        0,
        "write acknowledge: general, or false",
    ),
    ("spam: {team: customer_service, acknowledge: false,", "spam: {acknowledge: true,", 0, "is never acknowledged"),
    (
        "    acknowledge: general\n",
        "    acknowledge: true\n",
        0,
        "a complaint is never acknowledged as a question; write apologise",
    ),
    (
        APOLOGISE + "    minimum_confidence: 0.8\n",
        "    apologise: true\n",
        -3,
        "an apology needs a bound of its own",
    ),
    (APOLOGISE, "    apologise: true\n    resolves: true\n", 1, "an apology resolves nothing; take"),
    (
        "  jobs: {team: customer_service, acknowledge: false}",
        "  jobs: {acknowledge: true}",
        0,
        "no reply in en, de, fr, es",
    ),
    (
        "praise: {team: customer_service, acknowledge: false",
        "praise: {acknowledge: true, reply: {}",
        0,
        "no reply in en",
    ),
    ("shop:\n", "\tshop:\n", 0, "not YAML"),
    ("shop:\n", "shop: [\n", None, "not YAML"),
    ("  name: Example Shop", "  name: Example\x07Shop", 0, "a character that no text has; save the file as plain text"),
]


@pytest.mark.parametrize(("old", "new", "offset", "message"), MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_to_write(
    old: str, new: str, offset: int | None, message: str
) -> None:
    assert old in TEXT
    with pytest.raises(PlaybookError) as error:
        load_playbook(TEXT.replace(old, new, 1), "shop.yaml")
    lines = [line for line in str(error.value).splitlines() if message in line]
    assert lines, str(error.value)
    number, _, rest = lines[0].removeprefix("shop.yaml:").partition(":")
    assert rest.strip() and ";" in rest
    if offset is not None:
        assert int(number) == TEXT[: TEXT.index(old)].count("\n") + 1 + offset


@pytest.mark.parametrize("text", ["", "  \n", "# nothing\n", "null", "''", "---\n"])
def test_an_empty_file_says_where_to_start(text: str) -> None:
    with pytest.raises(
        PlaybookError, match=r"^mine\.yaml:1: the file is empty; start from the playbook\.yaml that comes"
    ):
        load_playbook(text, "mine.yaml")


@pytest.mark.parametrize(
    "text", ["just words", "[1, 2]", "42", "{? [a] : b}", "a: &x [*x]", "--- 1\n--- 2\n", "!!python/x y"]
)
def test_another_file_is_refused_with_a_line(text: str) -> None:
    with pytest.raises(PlaybookError, match=r"^mine\.yaml:\d+: "):
        load_playbook(text, "mine.yaml")


def test_each_missing_section_is_named() -> None:
    with pytest.raises(PlaybookError) as error:
        load_playbook("links: {}\n")
    for section in ("shop", "hours", "teams", "escalation", "wording", "intents"):
        assert f'playbook.yaml:1: "{section}" is missing; add it as in the playbook' in str(error.value)


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file() -> None:
    text = (
        TEXT.replace("timezone: Europe/London", "timezone: Mars")
        .replace("email: pr", "email: p r")
        .replace("9:00-17:30", "9")
    )
    with pytest.raises(PlaybookError) as error:
        load_playbook(text.replace("post_per_hour: 60", "post_per_hour: -1"))
    numbers = [int(line.split(":")[1]) for line in str(error.value).splitlines()]
    assert len(numbers) == 4
    assert numbers == sorted(numbers)


def test_languages_that_are_served_no_more_keep_their_texts_and_are_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TEXT.replace("languages: [en, de, fr, es]", "languages: [en]")
    shop = load_playbook(text)
    assert shop.unserved == ("de", "fr", "es")
    assert set(shop.wording) == {"en"} and {*shop.intents["return"].replies, *shop.topics["orders"]} == {"en"}
    file = tmp_path / "mine.yaml"
    file.write_text(text, "utf-8")
    assert main([str(file)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("de, fr, es") == 1 and "Vielen Dank" not in printed


def test_a_text_may_hold_placeholders_inside_a_sentence_of_one_place() -> None:
    shop = load_playbook(TEXT.replace("{public: Your order number", "{public: See {links.help} Your order number", 1))
    assert "{public: See https://shop.example.com/help Your" in shop.intents["delivery_late"].replies["en"]


def test_a_shorter_file_is_enough() -> None:
    intents = TEXT.index("\ntopics:")
    playbook = load_playbook(TEXT[:intents] + "\nintents: {return: {team: returns}}\n")
    assert playbook.team("return", 1).name == "returns"
    assert playbook.team("jobs", 1).name == "customer_service"


def test_the_work_of_reading_grows_with_the_lines_and_no_faster() -> None:
    load_playbook(TEXT)
    assert calls(lambda: load_playbook(TEXT)) < 60 * len(TEXT.splitlines())


def test_the_check_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "python -m chalicelib.playbook [-h] [file]" in capsys.readouterr().out


def test_the_check_prints_what_a_playbook_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "Mon-Sun 08:00-20:00, not on holidays of GB-ENG" in printed
    assert "10min → team of the intent, after the promise 30min → team_lead, 4h → head_of_service" in printed
    assert "on Friday 18:20 is promised for 19:20, customer_service is told 18:30, team_lead 19:50, head_of" in printed
    assert "store_info" in printed


def test_the_check_fails_with_the_lines_that_are_wrong(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    file = f"{tmp_path}/mine.yaml"
    with open(file, "w", encoding="utf-8") as out:
        out.write(TEXT.replace("max_age: 10min", "max_age: ten"))
    assert main([file]) == 1
    assert 'replies.caps.max_age: "ten" is not a span of time' in capsys.readouterr().out
    assert main([f"{tmp_path}/none.yaml"]) == 1
    assert capsys.readouterr().out.startswith("none.yaml: cannot be read: ")
