"""How figures are written: one place, so that a page, a picture, an e-mail and a terminal write the same. What differs
by language is `say.py`'s."""

from typing import Final

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


def span(seconds: float | None) -> str:
    """A length of time in at most two units: 45 s, 12 min, 3 h 5 min, 2 d 4 h; "–" for none. Less
    than a second is one: nobody is answered within 0 s."""
    if seconds is None:
        return "–"
    sign, rest = ("−" if seconds < 0 else ""), max(round(abs(seconds)), int(seconds != 0))
    if rest < 60:
        return f"{sign}{rest} s"
    if rest < 3600:
        return f"{sign}{rest / 60:.0f} min"
    parts: list[str] = []
    rest = round(rest / 60) * 60
    for size, unit in _UNITS:
        if rest >= size and len(parts) < 2:
            parts.append(f"{rest // size} {unit}")
            rest %= size
        elif parts:
            break
    return sign + " ".join(parts)


def percent(share: float | None) -> str:
    """A share with one decimal: 97.6%; "–" for none. Never rounded up to 100% nor down to 0%."""
    if share is None:
        return "–"
    text = f"{share * 100:.1f}"
    if text in ("100.0", "-100.0") and abs(share) < 1:
        text = ">99.9" if share > 0 else "<-99.9"
    if text in ("0.0", "-0.0"):
        text = "0" if share == 0 else "<0.1"
    return f"{text.removesuffix('.0').replace('-', '−')}%"


def count(number: float | int | None) -> str:
    """A count with a comma for thousands, or one decimal where it is a mean."""
    if number is None:
        return "–"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"
