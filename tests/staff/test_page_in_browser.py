"""The desk in a real browser: nothing that axe-core finds, nothing cut off on a phone, everything by keyboard."""

import importlib.util
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.local import pictures
from tests.infra.browser import Tab, tab
from tests.staff.desk_browser import newest, open_page
from tests.world import MemoryWorld, comment, delivery, message

CONTROLS = "a, button, select, textarea, input:not([type=hidden])"
SHAPES = [(320, "light"), (320, "dark"), (1280, "light")]


def pages() -> dict[str, str]:
    """The page in every state that people see it in."""
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    world.post(delivery(comment("c1", "Do you ship to Ireland? " + "Donaudampfschifffahrtsgesellschaft" * 6)))
    world.run(timedelta(minutes=70))
    opened = newest(world)
    acted = opened.press("claim", who="Kim", until="2h")
    refused = opened.press("answer", text="word " * 3000)
    closed = open_page(world, opened.path).press("close", who="Ali")
    direct = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    direct.post(message("m1", "مرحبا، أين طلبي؟"))
    direct.run(timedelta(minutes=70))
    return {
        "open": opened.html,
        "acted": acted.html,
        "refused": refused.html,
        "closed": closed.html,
        "message": newest(direct).html,
        "german": pictures.desk("de"),
        "damaged": open_page(world, "/act/x.y").html,
    }


@pytest.fixture(scope="module")
def screen() -> Iterator[Tab]:
    with tab("about:blank") as opened:
        yield opened


@pytest.fixture(scope="module")
def states() -> dict[str, str]:
    return pages()


def show(screen: Tab, folder: Path, name: str, html: str, width: int, scheme: str) -> None:
    path = folder / f"{name}.html"
    path.write_text(html, "utf-8")
    screen.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    screen.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    screen.call("Page.navigate", url=path.as_uri())
    screen.until(f"document.readyState == 'complete' && location.pathname.endsWith('/{name}.html')")


@pytest.mark.parametrize(("width", "scheme"), SHAPES)
def test_axe_finds_nothing(screen: Tab, states: dict[str, str], tmp_path: Path, width: int, scheme: str) -> None:
    found = importlib.util.find_spec("axe_core_python")
    assert found and found.origin, "axe-core is missing: run make setup"
    axe = (Path(found.origin).parent / "axe.min.js").read_text("utf-8")
    for name, html in states.items():
        show(screen, tmp_path, name, html, width, scheme)
        screen.value(f"{axe};0")
        told = "JSON.stringify(r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))"
        screen.value(f"axe.run().then(r => window.found = {told}); 0")
        screen.until("window.found !== undefined")
        assert json.loads(screen.value("window.found")) == [], name


def test_nothing_is_wider_than_a_phone(screen: Tab, states: dict[str, str], tmp_path: Path) -> None:
    for name, html in states.items():
        show(screen, tmp_path, name, html, 320, "light")
        assert screen.value("document.documentElement.scrollWidth") <= 320, name


def test_everything_can_be_reached_by_keyboard_and_shows_where_it_is(
    screen: Tab, states: dict[str, str], tmp_path: Path
) -> None:
    show(screen, tmp_path, "open", states["open"], 1280, "light")
    controls = screen.value(f"document.querySelectorAll({CONTROLS!r}).length")
    reached = set()
    for _ in range(controls + 5):
        screen.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        screen.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        where = screen.value(
            "[...document.querySelectorAll('*')].indexOf(document.activeElement) + '|' + "
            "getComputedStyle(document.activeElement).outlineStyle"
        )
        index, outline = where.split("|")
        if index != "-1" and screen.value("document.activeElement != document.body"):
            assert outline != "none"
            reached.add(index)
    assert len(reached) >= controls - 1  # of two radio buttons one is a stop, the arrows go to the other
