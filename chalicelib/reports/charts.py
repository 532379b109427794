"""The report's pictures, by matplotlib: SVG for the page (its colours follow the page, light or dark), PNG for e-mail.

Each is drawn twice for the page, wide and narrow, because a picture that is scaled down to a phone has unreadable
text.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from chalicelib.reports.report import Report
from chalicelib.reports.wording import words

WIDE: Final = 8.6  # inches at 100 dots: pixels on the page
NARROW: Final = 3.1
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Palette:
    ink: str
    muted: str
    accent: str
    warm: str
    ground: str


# Colours that stand for the page's own: they are replaced by its CSS variables once the SVG is written.
_PAGE: Final = Palette("#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f")
_VARIABLES: Final = {
    _PAGE.ink: "var(--ink)",
    _PAGE.muted: "var(--muted)",
    _PAGE.accent: "var(--accent)",
    _PAGE.warm: "var(--warm)",
    _PAGE.ground: "var(--ground)",
}
_MAIL: Final = Palette("#1c2321", "#5a6662", "#0b6e5f", "#a8460f", "#ffffff")


@dataclass(frozen=True, slots=True)
class Picture:
    """`says` describes it in words for who does not see it."""

    name: str
    says: str
    draw: Callable[[Any, Palette, bool], None]
    height: float = 2.6


def pictures(report: Report) -> tuple[Picture, ...]:
    """The pictures that `report` has something to show in."""
    found = []
    if report.volume.total:
        found.append(Picture("days", _days_in_words(report), lambda a, p, w: _days(a, p, w, report)))
        found.append(Picture("week", _week_in_words(report), lambda a, p, w: _week(a, p, w, report)))
    if report.plan:
        found.append(Picture("people", _people_in_words(report), lambda a, p, w: _people(a, p, w, report)))
    if report.quality.hours:
        teams = len({h.team for h in report.quality.hours})
        height = 1.0 + 0.3 * teams
        found.append(Picture("broken", _broken_in_words(report), lambda a, p, w: _broken(a, p, w, report), height))
    return tuple(found)


def svg(picture: Picture, *, wide: bool) -> str:
    """The picture as an inline SVG element, its ids its own."""
    out = io.StringIO()
    _draw(picture, _PAGE, wide=wide, out=out, form="svg")
    text = out.getvalue()
    text = text[text.index("<svg") :]
    for stands_for, variable in _VARIABLES.items():
        text = text.replace(stands_for, variable)
    prefix = f"{picture.name}-{'w' if wide else 'n'}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(
        r"<svg[^>]*?viewBox=\"([^\"]+)\"[^>]*>", r'<svg viewBox="\1" aria-hidden="true" focusable="false">', text
    )
    return re.sub(r"\n\s*", "\n", text)


def png(picture: Picture) -> bytes:
    """The picture for an e-mail, twice as sharp as it is shown."""
    out = io.BytesIO()
    _draw(picture, _MAIL, wide=True, out=out, form="png")
    return out.getvalue()


def _draw(picture: Picture, palette: Palette, *, wide: bool, out: Any, form: str) -> None:
    plt = _pyplot()
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": picture.name,
        "font.family": "sans-serif",
        "font.size": 9.5 if wide else 8.5,
        "text.color": palette.ink,
        "axes.edgecolor": palette.muted,
        "axes.labelcolor": palette.muted,
        "xtick.color": palette.muted,
        "ytick.color": palette.muted,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "none" if form == "svg" else palette.ground,
        "axes.facecolor": "none" if form == "svg" else palette.ground,
    }
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=(WIDE if wide else NARROW, picture.height), layout="constrained")
        picture.draw(axes, palette, wide)
        figure.savefig(
            out, format=form, dpi=200 if form == "png" else 72, metadata={"Date": None} if form == "svg" else None
        )
        plt.close(figure)


@cache
def _pyplot() -> Any:
    # start-up time: matplotlib takes a second, and only the reports' layer holds it
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    return plt


def _days(axes: Any, palette: Palette, wide: bool, report: Report) -> None:
    """Questions a day, and what is to come with its intervals."""
    days, ahead = report.volume.days, report.forecast.days
    axes.bar([d for d, _ in days], [n for _, n in days], width=0.8, color=palette.accent, linewidth=0)
    if ahead:
        x = [d.day for d in ahead]
        axes.fill_between(x, [d.low95 for d in ahead], [d.high95 for d in ahead], color=palette.warm, alpha=0.15, lw=0)
        axes.fill_between(x, [d.low80 for d in ahead], [d.high80 for d in ahead], color=palette.warm, alpha=0.3, lw=0)
        axes.plot(x, [d.expected for d in ahead], color=palette.warm, lw=1.6)
    axes.set_ylabel("questions a day")
    axes.set_ylim(bottom=0)
    _dates(axes, 9 if wide else 4)


def _dates(axes: Any, at_most: int) -> None:
    # start-up time: matplotlib takes a second, and only the reports' layer holds it
    import matplotlib.dates

    dates: Any = matplotlib.dates
    axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=2, maxticks=at_most))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%-d %b"))


def _week(axes: Any, palette: Palette, wide: bool, report: Report) -> None:
    _grid(axes, palette, wide, report.volume.heat.cells, DAYS, numbers=False)


def _people(axes: Any, palette: Palette, wide: bool, report: Report) -> None:
    assert report.plan
    hours = report.plan.hours
    cells = [[float(hours[24 * d + h].people) for h in range(24)] for d in range(7)]
    _grid(axes, palette, wide, cells, DAYS, numbers=wide)


def _broken(axes: Any, palette: Palette, wide: bool, report: Report) -> None:
    """Promises broken by team and hour."""
    teams = sorted({h.team for h in report.quality.hours})
    cells = [[0.0] * 24 for _ in teams]
    for h in report.quality.hours:
        cells[teams.index(h.team)][h.hour] = h.missed / (h.met + h.missed)
    _grid(axes, palette, wide, cells, [words(t) for t in teams], numbers=False, color=palette.warm, most=1.0)


def _grid(
    axes: Any,
    palette: Palette,
    wide: bool,
    cells: Sequence[Sequence[float]],
    names: Sequence[str],
    *,
    numbers: bool,
    color: str = "",
    most: float | None = None,
) -> None:
    """A heat map whose cells are more or less opaque, so that it can be read on a light and on a dark ground."""
    # start-up time: matplotlib takes a second, and only the reports' layer holds it
    from matplotlib.patches import Rectangle

    top = most or max((v for row in cells for v in row), default=0.0) or 1.0
    for y, row in enumerate(cells):
        for x, value in enumerate(row):
            if value:
                box = (x + 0.04, y + 0.04)
                axes.add_patch(
                    Rectangle(
                        box, 0.92, 0.92, color=color or palette.accent, alpha=round(0.1 + 0.8 * value / top, 2), lw=0
                    )
                )
            if numbers and value:
                axes.text(x + 0.5, y + 0.54, f"{value:.0f}", ha="center", va="center", fontsize=8, color=palette.ink)
    axes.set_xlim(0, 24)
    axes.set_ylim(len(names), 0)
    step = 3 if wide else 6
    axes.set_xticks([x + 0.5 for x in range(0, 24, step)], [f"{x:02}:00" for x in range(0, 24, step)])
    axes.set_yticks([y + 0.5 for y in range(len(names))], names)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _days_in_words(report: Report) -> str:
    busiest, ahead = max(report.volume.days, key=lambda d: d[1]), report.forecast.days
    text = f"Questions a day. The busiest day was {busiest[0]:%-d %B} with {busiest[1]:,}."
    if ahead:
        low, high = (sum(getattr(d, name) for d in ahead) / len(ahead) for name in ("low80", "high80"))
        mean = report.forecast.total / len(ahead)
        text += f" The next four weeks: about {mean:,.0f} a day, mostly {low:,.0f} to {high:,.0f}."
    return text


def _week_in_words(report: Report) -> str:
    cells = report.volume.heat.cells
    n, day, hour = max((n, d, h) for d, row in enumerate(cells) for h, n in enumerate(row))
    what = "Questions that people have to answer, by weekday and hour."
    return f"{what} The busiest hour is {DAYS[day]} {hour:02}:00 with {n:,.1f}."


def _people_in_words(report: Report) -> str:
    assert report.plan
    peak = report.plan.peak
    when = f"{DAYS[peak.weekday - 1]} at {peak.hour:02}:00"
    return f"People needed by weekday and hour. Most are needed on {when}: {peak.people}."


def _broken_in_words(report: Report) -> str:
    worst = max(report.quality.hours, key=lambda h: (h.missed, h.team))
    return (
        "Share of promises broken, by team and hour at which was asked. Most are broken by"
        f" {words(worst.team)} at {worst.hour:02}:00: {worst.missed:,} of {worst.met + worst.missed:,}."
    )
