"""Canaries: what only one person has is in no file that a replay's report writes, whatever field it came in and however
often that person says it, and the ledger reconciles to the question all the same."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib import platforms
from chalicelib.platforms import PRODUCTS
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import deliver
from infra.local.demo_apps import demo_apps, demo_text
from infra.replay.command import main
from infra.replay.recording import Recorded
from tests.world import NOW

APPS = demo_apps()
# language → (a question that has an answer, one that nobody knows, whose, their address)
PEOPLE = {
    "en": (
        "where is my order",
        "do you teach origami on weekends",
        "Wilhelmina Quackenbush",
        "12 Elmrowe Passage, Puddleby",
    ),
    "de": (
        "wo ist meine bestellung",
        "gebt ihr am wochenende origami unterricht",
        "Gundula Zwackelmann",
        "Birkenstiegel 4",
    ),
    "fr": (
        "où est ma commande",
        "donnez-vous des cours d'origami le week-end",
        "Hyacinthe Dufresnoy",
        "3 ruelle des Lutinettes",
    ),
    "es": (
        "dónde está mi pedido",
        "dais clases de origami los fines de semana",
        "Eduvigis Zurbarano",
        "calle Limonerales 9",
    ),
}
SECRETS = ("{0}@example.com", "+44 7700 900{1}77", "order ZX{1}81Q7", "@{0}77", "4929 1234 56{1} 9012")
SIMPLE = [p for p in PRODUCTS if p != "google"]


def words(language: str, n: int) -> tuple[str, str]:
    """The name of this language's person, and all that is theirs, as they sign with it."""
    _, _, name, address = PEOPLE[language]
    secrets = ", ".join(secret.format(name.split()[1].lower(), 30 + n) for secret in SECRETS)
    return name, f"{secrets}, my name is {name}, {address}"


def told() -> Iterator[SimulatedMessage]:
    """Eight customers ask the same two things; then each language's person asks both on every platform, and signs."""
    number = 0
    for n, (language, (known, unknown, *_)) in enumerate(PEOPLE.items()):
        name, own = words(language, n)
        for text in (known, unknown):
            for stranger in range(8):
                number += 1
                yield said("facebook", f"{text}?", f"60{n}00{stranger}", f"Kim {stranger}", number)
            for m, product in enumerate(SIMPLE):
                number += 1
                yield said(product, f"{text}? {own}", f"77{n}8841{m:02}", name, number)


def said(product: str, text: str, author: str, name: str, number: int) -> SimulatedMessage:
    at = NOW + timedelta(minutes=number)
    id = f"{author}_4929{number:05}" if product == "telegram" else f"4929{number:05}"
    return SimulatedMessage(product, text, author, name, id=id, at=at)


def canaries() -> set[str]:
    """Every word and number that only the four persons have."""
    own = " ".join(" ".join(words(language, n)) for n, language in enumerate(PEOPLE))
    common = {"order", "name", "example", "passage", "ruelle", "calle", "com"}
    found = {w.casefold() for w in re.findall(r"[^\W_]{4,}", own)} - common
    return found | {f"77{n}8841" for n in range(4)} | {"492900", "6000", "wilhelmina quackenbush"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with everything that a replay with a report and facts has written for others to read."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "apps.json").write_text(demo_text(), "utf-8")
    with (folder / "recorded.jsonl").open("w", encoding="utf-8") as out:
        for one in told():
            made = deliver(APPS, one)
            assert one.at
            out.write(Recorded(one.at, "POST", made.path, {}, made.headers, made.body).line())
    made_there = folder / "report"
    given = ["--apps", str(folder / "apps.json"), "--out", str(folder / "out.jsonl"), "--facts", str(folder / "facts")]
    assert main([str(folder / "recorded.jsonl"), *given, "--report", str(made_there / "report.html")]) == 0
    return made_there


def test_every_file_is_there_and_the_ledger_reconciles(written: Path) -> None:
    names = {p.name.partition(".")[2] for p in written.iterdir()}
    assert names == {"html", "json", "csv", "priorities.csv", "faq.html", "faq.json", "proposals.jsonl"}
    ledger = json.loads((written / "report.json").read_text("utf-8"))["ledger"]
    asked = sum(1 for _ in told())
    assert ledger["reconciled"] == {"facts": asked, "stored": asked, "missing": [], "surplus": []}
    assert ledger["total"]["asked"] == asked


def test_no_canary_is_in_any_of_them(written: Path) -> None:
    found = {
        (file.name, canary)
        for file in written.iterdir()
        for canary in canaries()
        if re.search(rf"(?<![0-9a-f]){re.escape(canary)}", plain(file))
    }
    assert not found


def plain(file: Path) -> str:
    """Its text without the coordinates of pictures and the pseudonyms, which are digits that could be anything."""
    text = file.read_text("utf-8").casefold()
    text = re.sub(r"<svg.*?</svg>", lambda svg: " ".join(re.findall(r">([^<]+)<", svg[0])), text, flags=re.S)
    return re.sub(r"\b[0-9a-f]{16,}\b", "", text)


def test_nor_in_the_facts(written: Path) -> None:
    kept = b"".join(p.read_bytes() for p in (written.parent / "facts").rglob("*") if p.is_file()).decode("latin-1")
    assert not [c for c in canaries() if len(c) > 5 and c in kept.casefold()]


def test_what_many_have_asked_is_in_them(written: Path) -> None:
    """Else an empty file would pass."""
    assert "origami" in (written / "report.proposals.jsonl").read_text("utf-8")
    assert "where is my" in (written / "report.faq.json").read_text("utf-8")
    assert all(
        platforms.title(product) in (written / "report.html").read_text("utf-8") for product in ("facebook", "x")
    )
