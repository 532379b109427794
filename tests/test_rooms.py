"""The house: imports go strictly down, only settings reads the environment, and nothing deployed needs what trains."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOM = ROOT / "chalicelib"

# From the ground up: a module imports only from lower floors.
FLOORS = [
    ["settings", "codec", "lean_aws", "business_time"],
    ["interaction", "apps", "wording"],
    ["conversation", "playbook", "platforms"],
    ["rules", "deletion_request", "yaml_parts"],
    ["playbook_teams", "playbook_texts"],
    ["playbook_file"],
    ["playbook_check"],
    ["table", "queues", "timer", "mailer", "intents", "letter"],
    ["store", "inbox"],
    ["links", "breaker"],
    ["acknowledge"],
    ["receive", "respond", "escalate", "notify", "act", "erasure", "doctor"],
    ["telemetry"],
    ["rooms"],
]
BY_PLAYBOOK_ITSELF = {("playbook", "playbook_file"), ("playbook", "playbook_check")}  # imported when called, not before


def imports(path: Path) -> Iterator[str]:
    """Every module that the file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def rooms_of(path: Path) -> set[str]:
    names = (name.split(".") for name in imports(path) if name.startswith("chalicelib."))
    known = {p.stem for p in ROOM.glob("*.py")} | {"platforms"}
    return {parts[1] for parts in names if parts[1] in known}


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda p: p.stem)
def test_a_room_imports_only_from_the_floors_below(path: Path) -> None:
    if path.stem == "__init__":
        return
    for other in rooms_of(path) - {path.stem}:
        if path.stem == "telemetry" or (path.stem, other) in BY_PLAYBOOK_ITSELF:
            continue
        assert floor(other) < floor(path.stem), f"{path.stem} imports {other}"


def test_platforms_import_only_the_ground_floors() -> None:
    for path in (ROOM / "platforms").glob("*.py"):
        assert rooms_of(path) <= {"platforms", "apps", "interaction", "codec", "conversation"}, path.name


def test_only_settings_reads_the_environment() -> None:
    readers = {p.stem for p in ROOM.rglob("*.py") if "os.environ" in p.read_text("utf-8")}
    assert readers <= {"settings", "lean_aws"}  # lean_aws: AWS's own variables, as boto3 reads them


def test_nothing_that_is_deployed_imports_what_trains_or_tests() -> None:
    forbidden = {"sklearn", "numpy", "scipy", "moto", "models", "infra", "tests", "chalice.cli"}
    for path in [ROOT / "app.py", *ROOM.rglob("*.py")]:
        assert not {name.split(".")[0] for name in imports(path)} & forbidden, path.name


def test_the_only_standard_library_serves_the_model() -> None:
    outside = {n.split(".")[0] for n in imports(ROOM / "intents.py")} - set(sys.stdlib_module_names) - {"chalicelib"}
    assert not outside
