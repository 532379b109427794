"""A member of staff on the page: reads its forms as a browser without script would, and sends them."""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

from tests.world import MemoryWorld

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class _Forms(HTMLParser):
    """The forms of a page: for each, its fields' values and what its buttons send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[dict[str, str], list[str]]] = []
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {k: v or "" for k, v in attrs}
        if tag == "form":
            self.forms.append(({}, []))
        if not self.forms:
            return
        fields, buttons = self.forms[-1]
        if tag == "input" and a.get("type") not in ("checkbox", "radio"):
            fields[a["name"]] = a.get("value", "")
        elif tag == "input" and "checked" in a:
            fields[a["name"]] = a["value"]
        elif tag == "button":
            buttons.append(a.get("value", ""))
        elif tag == "select":
            self._select = a["name"]
        elif tag == "option" and ("selected" in a or self._select not in fields):
            fields[self._select] = a["value"]
        elif tag == "textarea":
            self._area = a["name"]
            fields[self._area] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1][0][self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""


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
        parser = _Forms()
        parser.feed(self.html)
        form = next(values for values, buttons in parser.forms if action in buttons)
        answer = self.world.request("POST", self.path, urlencode({**form, **fields, "action": action}).encode(), FORM)
        return Page(self.world, self.path, answer.body.decode(), answer.status, dict(answer.headers))

    @property
    def says(self) -> str:
        """What the page tells of the act."""
        found = re.findall(r'role="status">(.*?)</p>', self.html, re.S)
        return unescape(" ".join(found))

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
