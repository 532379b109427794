"""The study of twenty shops: without Earshot it gives the published counts, with it nobody is forgotten."""

import re
from pathlib import Path

import pytest

from infra.replay import study


def test_the_published_counts_come_back_and_nobody_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.main(["--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    within = {m[1]: m[2] for m in re.finditer(r"^  (\S.*?)\s{2,}.*?(\d+) of 20$", printed, re.MULTILINE)}
    assert (within["wall, as those shops were"], within["comment, as those shops were"]) == ("15", "7")
    assert (within["wall, with Earshot"], within["comment, with Earshot"]) == ("20", "20")
    assert "fastest answer by a person 2 min" in printed and "assumed: who gets the e-mail" in printed
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")
    for name in ("without.html", "with.html"):
        assert "Exact." in (tmp_path / name).read_text("utf-8")


def test_the_questions_are_none_that_the_model_has_learnt() -> None:
    files = Path("models/utterances").glob("*/*.txt")
    learnt = {line.strip() for file in files for line in file.read_text("utf-8").splitlines()}
    assert len(set(study.texts())) == 40 and not set(study.texts()) & learnt
