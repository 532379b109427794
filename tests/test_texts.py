"""What the texts say of the repository is so: the files that they name are there, and what is cited can be read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MADE = {"apps.json", "rows.csv", "mine.yaml", "deployer.json"}  # what the reader brings, or a command makes
PLACEHOLDER = re.compile(r"[A-Z]{4,}\.")  # LANGUAGE.txt: one of each
_FILE = re.compile(r"`(\w[\w./-]*\.(?:py|yaml|json|md|sh|jsonl|txt|html|png|toml))`|\]\(([^)#:\s]+)\)")
_FOLDER = re.compile(r"`((?:chalicelib|infra|models|tests|\.chalice)/[\w./-]*)`")
_KINDS = {".py", ".md", ".yaml", ".json", ".sh", ".html", ".txt", ".toml"}


def ours() -> Iterator[Path]:
    """The project's text files."""
    for top in ("chalicelib", "infra", "models", "tests", ".chalice"):
        yield from (p for p in sorted((ROOT / top).rglob("*")) if p.suffix in _KINDS and "node_modules" not in p.parts)
    yield from (p for p in sorted(ROOT.iterdir()) if p.suffix in _KINDS)


@pytest.mark.parametrize("text", ["README.md", "RUNBOOK.md", "DEPLOYING.md"])
def test_every_file_that_a_text_names_is_there(text: str) -> None:
    said = (ROOT / text).read_text("utf-8")
    named = {a or b for a, b in _FILE.findall(said)} | set(_FOLDER.findall(said))
    wanted = {n for n in named - MADE if not n.startswith("build/") and not PLACEHOLDER.search(n)}
    assert wanted and {n for n in wanted if not (ROOT / n).exists()} == set()


def test_nothing_cites_what_the_repository_does_not_hold() -> None:
    elsewhere = re.compile(r"(?<![\w/.-])design/" + r"\w")
    assert [str(p) for p in ours() if elsewhere.search(p.read_text("utf-8"))] == []


REASON = "imports only what it uses"  # said once, for every function of a module of entry points


def imports_inside(path: Path) -> Iterator[int]:
    """The lines on which a block of imports inside a function begins."""
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = sorted(n.lineno for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom))
            yield from lines[:1]


@pytest.mark.parametrize("top", ["chalicelib", "infra", "models", "app.py"])
def test_an_import_inside_a_function_says_why(top: str) -> None:
    """In a comment on its line or on the one above it."""
    bare = []
    for path in [ROOT / top] if top.endswith(".py") else sorted((ROOT / top).rglob("*.py")):
        lines = path.read_text("utf-8").split("\n")
        if REASON not in " ".join(lines):
            bare += [
                f"{path.relative_to(ROOT)}:{n}: {lines[n - 1].strip()}"
                for n in imports_inside(path)
                if "#" not in lines[n - 1] and not lines[n - 2].strip().startswith("#")
            ]
    assert bare == []
