"""What a person newly wrote in an e-mail: the text part (or the HTML as text), without quotation and signature.

Quotations are found by mail-parser-reply, in the four languages served; HTML is read as text first, because programs
that send no text part mark the quotation there with a blockquote or a class of their own.
"""

import re
from email.message import EmailMessage
from html.parser import HTMLParser

from chalicelib.emails.phrases import languages

LONGEST = 200_000  # characters that are looked at: a quotation is no longer
_GREETING, _LINES = 40, 12  # a signature's first line in characters, and all of it in lines
_BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "blockquote"})
_UNSEEN = frozenset({"style", "script", "head", "title"})
_VOID = frozenset({"br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr"})
# How programs mark what they quote: Gmail, Yahoo, ProtonMail, Thunderbird, Outlook (its own id and the rule above it)
_QUOTES = re.compile(
    r"gmail_quote|yahoo_quoted|protonmail_quote|moz-cite-prefix|appendonsend|divRplyFwdMsg|OLK_SRC", re.I
)
_GAP = re.compile(r"\n(?:[ \t]*\n){3,}")  # finding a quotation takes the square of its length
_SIGNED = re.compile(r"^(?:-- ?|__ ?)$", re.M)  # RFC 3676's line before a signature
# A line, or two, before a quotation: "Le lun. 23 nov. 2026 à 10:10, … a écrit :". A date has a figure, so that a
# sentence which only begins with On, Am, Le or El is none.
_CITED = re.compile(
    r"^(?:>[ \t]*)*(?:On|Am|Le|El)\b(?=[^\n]*\d)[^\n]{2,160}(?:\n[^\n]{1,160})?\b(?:wrote|schrieb|a écrit|escribió)\b"
    r"[^\n]{0,120}:\s*$|"
    r"^-{2,} ?(?:Original Message|Ursprüngliche Nachricht|Originalnachricht|Message d.origine|Message original|"
    r"Mensaje original|Forwarded message|Weitergeleitete Nachricht) ?-{2,}\s*$",
    re.M | re.I,
)
# Closing words that the library does not know, alone on their line with a few lines of signature behind them
_CLOSING = re.compile(r"\n(?:Un saludo|Saludos(?: cordiales)?|Atentamente|Bien à vous),?(?:\n[^\n]*){0,8}\Z", re.I)
_HEADERS = re.compile(
    r"^(?:[*_> ]*)(?:From|Von|De|Sent|Gesendet|Envoyé|Enviado)(?: ?:)[^\n]*\n"
    r"(?:[*_> ]*[\w -]{2,14} ?:[^\n]*\n){1,5}",
    re.M,
)
_DEVICE = re.compile(
    r"(?<!\n)\n+(?:Sent from my|Get Outlook for|Von meinem .{1,30} gesendet|Gesendet von meinem|Gesendet mit der|"
    r"Envoyé de mon|Envoyé depuis|Enviado desde mi|Enviado do meu)[^\n]*\Z",
    re.I,
)


def new_text(message: EmailMessage) -> str:
    """What its author newly wrote; "" when there is nothing but quotation, signature or attachments."""
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        content = str(part.get_content())[:LONGEST]
    except (LookupError, ValueError):  # a character set that there is not
        raw = part.get_payload(decode=True)
        content = raw.decode("utf-8", "replace")[:LONGEST] if isinstance(raw, bytes) else ""
    return cut(as_text(content) if part.get_content_subtype() == "html" else content)


def cut(text: str) -> str:
    """`text` without the quotation and the signature."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ")
    text = _GAP.sub("\n\n\n", text)
    for border in (_CITED, _HEADERS, _SIGNED):
        if found := border.search(text):
            text = text[: found.start()]
    kept = "\n".join(line for line in _latest(text).splitlines() if not line.lstrip().startswith(">"))
    return _CLOSING.sub("", _DEVICE.sub("", "\n" + kept.rstrip()).rstrip()).strip()


def _latest(text: str) -> str:
    """The newest part of a thread without the signature; with it, where what would go is not one for certain: rather a
    "kind regards" too many in public than half an answer."""
    # start-up time: only answers by e-mail need it
    from mailparser_reply import EmailMessage as Thread

    if not text.strip():
        return ""
    replies = Thread(text=text, languages=list(languages()), keep_hyphen_lists=True).read().replies
    if not replies:
        return text
    whole, without = str(replies[0].content or ""), str(replies[0].body or "")
    signature = whole[len(without) :].strip().splitlines() if whole.startswith(without) else []
    is_one = bool(without.strip()) and bool(signature) and len(signature[0]) <= _GREETING and len(signature) <= _LINES
    return without if is_one else whole


def as_text(html: str) -> str:
    """The HTML as lines of text, what is quoted left out."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.found).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    """Collects text; from a quotation's beginning on nothing more, because what follows it is quoted too."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._unseen = 0
        self._quoted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        marks = " ".join(v or "" for k, v in attrs if k in ("class", "id", "type"))
        if tag == "blockquote" or _QUOTES.search(marks):
            self._quoted = True
        if tag in _UNSEEN:
            self._unseen += tag not in _VOID
        if tag in _BLOCKS:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN and self._unseen:
            self._unseen -= 1
        if tag in ("p", "div", "tr", "li"):
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen and not self._quoted:
            self.found.append(data.replace("\n", " "))
