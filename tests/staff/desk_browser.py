"""A member of staff on the page: reads its forms as a browser without script would, and sends them."""

import re
from dataclasses import dataclass, field
from html import unescape

from infra.local.staff_browser import filled_in, told
from tests.world import MemoryWorld

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Page:
    """One opened page."""

    world: MemoryWorld
    path: str
    html: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def press(self, action: str, **fields: str) -> "Page":
        """Fills in `fields` and presses the button `action`, as the page stands (however old it is)."""
        form = filled_in(self.html, action, fields)
        answer = self.world.request("POST", self.path, form, FORM)
        return Page(self.world, self.path, answer.body.decode(), answer.status, dict(answer.headers))

    @property
    def says(self) -> str:
        """What the page tells of the act."""
        return told(self.html)

    @property
    def words(self) -> str:
        return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", self.html, flags=re.S)).split())


def links(text: str) -> list[str]:
    """The paths of the desks that an e-mail's text leads to."""
    return re.findall(r"https://earshot\.shop\.example\.com/api(/act/[^\s#]+)", text)


def open_page(world: MemoryWorld, path: str, query: dict[str, str] | None = None) -> Page:
    answer = world.request("GET", path, query=query)
    return Page(world, path, answer.body.decode(), answer.status, dict(answer.headers))


def newest(world: MemoryWorld) -> Page:
    """The page behind the newest e-mail."""
    return open_page(world, links(world.emails[-1].text)[0])
