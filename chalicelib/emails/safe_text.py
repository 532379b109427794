"""Words of strangers made harmless for a page or an e-mail: nothing invisible, nothing clickable, never too long."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta

# The last two begin where a word or a chain of words does and nowhere inside, so that the time grows with the length.
_URL = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.)\S+|(?<![\w.+-])[.+-]*\w[\w.+-]*@[\w-]+(?:\.[\w-]+)+|"
    r"(?<![\w-])(?<![\w-]\.)(?![-.]{1,8}(?:www\.|[a-z][a-z0-9+.-]{1,15}://)\S)[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}(?=/|\b)",
    re.IGNORECASE,
)
_KEPT_CONTROLS = "\n\t"
_JOINERS = "\u200c\u200d"  # Persian and Indic spelling, and families of emoji, are made with them
# The flags of England, Scotland, Wales: letters that nobody sees, and the one that ends them. More would hide a text.
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def clean(text: str, longest: int = 4000, *, one_line: bool = False) -> str:
    """`text` without control, bidirectional, zero-width and other invisible characters, `longest` at most.

    A joiner stays where it joins two visible characters, because Persian words and emoji families fall apart without.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    plain = text.isascii() and text.replace("\n", "").isprintable()  # most are: nothing to take out
    visible = text if plain else "".join(_seen(text))
    if one_line:
        visible = " ".join(visible.split())
    return visible if len(visible) <= longest else visible[: longest - 1].rstrip(_JOINERS) + "…"


def _seen(text: str) -> Iterator[str]:
    """The characters that stay."""
    flag_ends = 0
    for n, c in enumerate(text):
        if found := _FLAG.match(text, n):
            flag_ends = found.end()
        if n < flag_ends or _is_kept(text, n, c):
            yield c


def _is_kept(text: str, n: int, c: str) -> bool:
    if c in _JOINERS:
        around = text[n - 1 : n] + text[n + 1 : n + 2]
        return 0 < n < len(text) - 1 and not any(a.isspace() or unicodedata.category(a) in _UNSEEN for a in around)
    return c in _KEPT_CONTROLS or unicodedata.category(c) not in _UNSEEN


def quoted(text: str, longest: int = 4000, *, one_line: bool = False) -> str:
    """A stranger's text for reading: cleaned, and with addresses that no mail program turns into links."""
    return _URL.sub(_defanged, clean(text, longest, one_line=one_line))


def _defanged(found: re.Match[str]) -> str:
    return found[0].replace("://", "[:]//").replace(".", "[.]").replace("@", "[@]")


def name(text: str | None, longest: int = 60) -> str:
    """Somebody's name on one line, short and never an address; "" when there is none."""
    return quoted(text or "", longest, one_line=True)


def first_words(text: str, longest: int = 50) -> str:
    """The beginning of a text on one line, cut between words."""
    line = quoted(text, 400, one_line=True)
    if len(line) <= longest:
        return line
    return line[: longest + 1].rsplit(" ", 1)[0][:longest].rstrip(" ,.;:–-") + "…"


def duration(time: timedelta) -> str:
    """E.g. "45 s", "12 min", "3 h 5 min", "24 h", "2 d 4 h"."""
    seconds = max(0, int(time.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days >= 2:
        return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"
    if hours:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"
