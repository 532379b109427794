"""A member of staff's browser, without script: opens the link of an e-mail, fills in a form of the desk, presses a
button."""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

_LINK = re.compile(r"https?://\S+/act/[\w.~=-]+")


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


def filled_in(html: str, action: str, fields: dict[str, str]) -> bytes:
    """What the button `action` of the page sends, its form filled in with `fields`. Raises StopIteration where the page
    has no such button."""
    parser = _Forms()
    parser.feed(html)
    form = next(values for values, buttons in parser.forms if action in buttons)
    return urlencode({**form, **fields, "action": action}).encode()


def told(html: str) -> str:
    """What the page says of the act."""
    return " ".join(unescape(" ".join(re.findall(r'role="status">(.*?)</p>', html, re.S))).split())


def links(text: str) -> list[str]:
    """The desks that an e-mail's text leads to, each once."""
    return list(dict.fromkeys(_LINK.findall(text)))


@dataclass(frozen=True, slots=True)
class DeskPage:
    """A page of the desk, opened over HTTP, as it stood then."""

    url: str
    html: str = field(repr=False)
    status: int = 200

    def press(self, action: str, **fields: str) -> "DeskPage":
        """The page after the button `action` was pressed."""
        return _get(Request(self.url, filled_in(self.html, action, fields)))

    @property
    def says(self) -> str:
        return told(self.html)


def open_desk(url: str) -> DeskPage:
    """What the link at `url` shows. Raises OSError where nothing answers."""
    return _get(Request(url))


def _get(request: Request) -> DeskPage:
    try:
        with urlopen(request, timeout=30) as answer:
            return DeskPage(request.full_url, answer.read().decode(), answer.status)
    except HTTPError as error:
        return DeskPage(request.full_url, error.read().decode("utf-8", "replace"), error.code)
