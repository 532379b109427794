"""The house: a package imports only what stands below it, no circle of files, only settings reads the environment, and
nothing deployed needs what trains. The packages are derived from the folders, so that a new one finds its floor."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from chalicelib.registry import PRODUCTS, WEBHOOKS

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "chalicelib"

# From the ground up; what stands on one line may not import each other either.
FLOORS: Mapping[str, list[str]] = {
    "chalicelib": [
        "trust",
        *("wire", "codec", "ids", "textfile", "registry", "apps", "keys"),
        *("aws", "conversations", "reading", "storage"),
        *("playbook", "intents", "platforms", "outcomes"),
        *(
            "emails",
            "handlers",
            "staff",
            "reports",
            "operations",
            "settings",
            "resources",
            "services",
            "report_functions",
        ),
    ],
    "infra": ["given_numbers", "stack", "ops", "reports", "local", "replay", "bench", "growth"],
}


def sources(package: str) -> Iterator[Path]:
    return (p for p in sorted((ROOT / package).rglob("*.py")) if "node_modules" not in p.parts)


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that the file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_files(path: Path, known: frozenset[str]) -> set[str]:
    """The project's own modules that the file imports, itself not among them."""
    return set(imports(path) & known) - {module(path)}


@pytest.mark.parametrize("top", sorted(FLOORS))
def test_every_package_has_its_floor(top: str) -> None:
    rooms = {module(p).split(".")[1] for p in sources(top) if module(p).count(".")}
    assert rooms == set(FLOORS[top])


@pytest.mark.parametrize("top", sorted(FLOORS))
def test_a_package_imports_only_what_stands_below_it(top: str) -> None:
    floors = FLOORS[top]
    for path in sources(top):
        if module(path) == top:
            continue
        own = module(path).split(".")[1]
        others = {name.split(".")[1] for name in imports(path) if name.startswith(f"{top}.")} & set(floors)
        for other in others - {own}:
            assert floors.index(other) < floors.index(own), f"{module(path)} imports {top}.{other}"


@pytest.mark.parametrize("top", ["chalicelib", "infra", "models"])
def test_no_circle_of_files(top: str) -> None:
    known = frozenset(module(p) for p in sources(top))
    graph = {module(p): imported_files(p, known) for p in sources(top)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("top", ["chalicelib", "infra"])
def test_an_init_says_what_lives_there_and_imports_nothing(top: str) -> None:
    for path in sources(top):
        if path.name == "__init__.py" and module(path) not in ("chalicelib.platforms", "infra"):
            tree = ast.parse(path.read_text("utf-8"))
            assert ast.get_docstring(tree) and len(tree.body) == 1, module(path)


def test_only_settings_reads_the_environment() -> None:
    readers = {module(p) for p in sources("chalicelib") if "os.environ" in p.read_text("utf-8")}
    assert readers <= {"chalicelib.settings", "chalicelib.aws.client"}  # the client: AWS's own variables, as boto3 does


def test_nothing_that_is_deployed_imports_what_trains_or_tests() -> None:
    forbidden = {"sklearn", "numpy", "scipy", "moto", "models", "infra", "tests"}
    for path in [ROOT / "app.py", *sources("chalicelib")]:
        own = {"numpy"} if path.parent.name == "reports" else set()  # in the layer of the reports' own functions
        assert not {name.split(".")[0] for name in imports(path)} & (forbidden - own), path.name
        assert not any(name.startswith("chalice.cli") for name in imports(path)), path.name


def test_the_only_standard_library_serves_the_model() -> None:
    outside = {n.split(".")[0] for n in imports(HOUSE / "intents.py")} - set(sys.stdlib_module_names) - {"chalicelib"}
    assert not outside


# Where a platform's name is another word
OTHER_WORDS = {("chalicelib.staff.mail_text", "meta"), ("infra.local.pictures", "google")}


def test_a_platforms_name_stands_in_its_own_files_and_the_registry_alone() -> None:
    """What only one platform has is a fact of its own file. Prose is left out, and names that are ordinary words."""
    own, names = HOUSE / "platforms", (set(PRODUCTS) | set(WEBHOOKS)) - {"x", "line", "standard"}
    for path in [ROOT / "app.py", *sources("chalicelib"), *sources("infra")]:
        if own in path.parents or path.name == "registry.py":
            continue
        said = {(module(path), name) for name in names & words_of_code(path)}
        assert not said - OTHER_WORDS, said


def words_of_code(path: Path) -> set[str]:
    """The words in the file's names, imports and strings, sentences (and so docstrings) aside."""
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    found = set(imports(path))
    for node in tree:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not set(node.value) & set(" \n"):
            found.add(node.value)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return {word for name in found for word in re.findall("[a-z]+", name.casefold())}
