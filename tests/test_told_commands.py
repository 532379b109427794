"""What texts and messages tell people to type exists: make's targets with their variables, modules with their options,
the RUNBOOK's sections, and the lines of the log that it says to look for."""

import re
from collections.abc import Iterator

from infra.ops.last_errors import SECTIONS
from tests.test_texts import ROOT, ours

TEXTS = [p for p in ours() if "utterances" not in p.parts and "guard_words" not in p.parts and "tests" not in p.parts]
TEXTS += [ROOT / "Makefile"]
_MAKE = re.compile(
    r"(?P<before>`|^ {4,}(?:\$ )?|^)?make (?P<target>[a-z][a-z-]+)(?P<given>(?: \[?[A-Z][A-Z_]*=[^\s`]*)*)", re.M
)
_MODULE = re.compile(r"python -m ((?:chalicelib|infra|models|tests)(?:\.\w+)*)([^`\n\"]*)")


def targets() -> dict[str, str]:
    """The recipe of each of the Makefile's targets, with what the names in it stand for."""
    found: dict[str, str] = {}
    name = ""
    for line in (ROOT / "Makefile").read_text("utf-8").replace("$(OPS)", '$(OPS) "$(STAGE)"').splitlines():
        if target := re.match(r"([a-z][a-z-]*):", line):
            name = target[1]
        if name:
            found[name] = found.get(name, "") + line + "\n"
        if not line.strip():
            name = ""
    return found


def options(module: str) -> set[str] | None:
    """The options that the module, or what lies beside its `__main__`, takes; None where there is no such module."""
    path = ROOT / module.replace(".", "/")
    files = [path.with_suffix(".py")] if path.with_suffix(".py").exists() else sorted(path.rglob("*.py"))
    if path.is_dir() and not (path / "__main__.py").exists():
        return None
    said = "".join(f.read_text("utf-8") for f in files)
    return set(re.findall(r"\"(--[\w-]+)\"", said)) if files else None


def test_there_is_something_to_hold_the_texts_against() -> None:
    known = targets()
    assert {"demo", "deploy", "erase", "train-from-corrections"} <= known.keys()
    assert "STAGE" in known["doctor"] and "PLAYBOOK" in known["deploy"] and "FRESH" not in known["doctor"]
    assert options("infra.replay") and options("infra.nowhere") is None


def wrong_commands(said: str) -> list[str]:
    """Those that `said` tells people to type, and that are not there."""
    wrong, known = [], targets()
    for found in _MAKE.finditer(said):
        recipe = known.get(found["target"], "")
        is_command = found["before"] or found["given"]  # "make up" in a sentence is none
        given = re.findall(r"([A-Z][A-Z_]*)=", found["given"])
        if (is_command and not recipe) or (recipe and any(f"$({name})" not in recipe for name in given)):
            wrong.append(found[0])
    for module, rest in _MODULE.findall(said):
        takes = options(module)
        if takes is None or not set(re.findall(r"--[a-z][\w-]*", rest)) <= takes:
            wrong.append(f"python -m {module}{rest}")
    return wrong


def test_every_command_that_a_text_or_a_message_names_is_there() -> None:
    assert wrong_commands("make up; `make nothing` make doctor FRESH=1 `python -m infra.replay --nothing`") == [
        "`make nothing",
        "make doctor FRESH=1",
        "python -m infra.replay --nothing",
    ]
    assert {p.name: found for p in TEXTS if (found := wrong_commands(p.read_text("utf-8")))} == {}


def headings(text: str) -> set[str]:
    return set(re.findall(r"^#+ (?:\d+\. )?(.*)$", (ROOT / text).read_text("utf-8"), re.MULTILINE))


def _section(said: str) -> str:
    return said.split(" (")[0]


def pointers() -> Iterator[tuple[str, str]]:
    """Where messages and comments send people: the text, and its section."""
    for text in TEXTS:
        if text.suffix != ".md":
            yield from re.findall(r"((?:RUNBOOK|DEPLOYING)\.md), ([A-Za-z][\w -]*)", text.read_text("utf-8"))
    yield from (("RUNBOOK.md", section) for section in map(_section, SECTIONS.values()))


def test_every_section_that_a_message_names_is_there() -> None:
    named = set(pointers())
    assert ("RUNBOOK.md", "token") in named and len(named) > 8
    assert {(text, section) for text, section in named if section not in headings(text)} == set()


def test_the_runbook_says_to_look_for_lines_that_the_log_has() -> None:
    runbook = (ROOT / "RUNBOOK.md").read_text("utf-8")
    alarms = runbook[runbook.index("## Alarms") : runbook.index("## Why did")].replace("\n", " ")
    code = "\n".join(p.read_text("utf-8") for p in (ROOT / "chalicelib").rglob("*.py")) + (ROOT / "app.py").read_text(
        "utf-8"
    )
    said = {line for line in re.findall(r"`([a-z][^`]* [^`]*)`", alarms) if not line.startswith("make ")}
    assert "sweep stopped by the clock" in said
    for line in said:
        whole = line.split(": ")[0]
        made = whole.rsplit(" ", 1)[0] + " {"  # "e-mail refused": the last word is the result
        assert whole in code or made in code, line
