"""The report's pictures, by matplotlib: SVG for the page (its colours follow the page, light or dark), PNG for e-mail.

Each is drawn twice for the page, wide and narrow, because a picture that is scaled down to a phone has unreadable
text.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

from chalicelib.reports.report import Report
from chalicelib.reports.say import Say
from chalicelib.reports.staffing import Hour

WIDE: Final = 8.6  # inches at 100 dots: pixels on the page
NARROW: Final = 3.1
MAIL: Final = 4.2  # shown up to 5.88 wide, and at 3.4 on a phone, where its figures are still read
Cells = Sequence[Sequence[float]]


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
    """`says` describes it in words for who does not see it; heights in inches, wide and narrow."""

    name: str
    says: str
    draw: Callable[[Any, Palette, bool], None]
    height: float = 2.6
    narrow: float = 2.4


def pictures(report: Report, say: Say) -> tuple[Picture, ...]:
    """The pictures that `report` has something to show in, labelled in the words of `say`."""
    found = []
    if report.volume.total:
        found.append(Picture("days", _days_in_words(report, say), lambda a, p, w: _days(a, p, w, report, say)))
        week = _week_in_words(report, say)
        found.append(Picture("week", week, lambda a, p, w: _week(a, p, w, report, say), narrow=4.0))
    if report.plan:
        hours = _open_hours(report.plan.hours)
        height = 0.6 + 0.165 * len(hours)
        people = _people_in_words(report, say)
        found.append(Picture("people", people, lambda a, p, w: _people(a, p, w, report, say, hours), narrow=height))
    if report.quality.hours:
        teams = len({h.team for h in report.quality.hours})
        broken = _broken_in_words(report, say)
        high = 0.6 + 0.3 * teams
        found.append(Picture("broken", broken, lambda a, p, w: _broken(a, p, w, report, say), high, high))
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
    """The picture for an e-mail, twice as sharp as it is shown: the same on a phone, and so laid out for one."""
    out = io.BytesIO()
    _draw(picture, _MAIL, wide=False, out=out, form="png")
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
        width = MAIL if form == "png" else WIDE if wide else NARROW
        size = (width, picture.height if wide else picture.narrow)
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        picture.draw(axes, palette, wide)
        figure.savefig(
            out, format=form, dpi=280 if form == "png" else 72, metadata={"Date": None} if form == "svg" else None
        )
        plt.close(figure)


@cache
def _pyplot() -> Any:
    # start-up time: matplotlib takes a second, and only the reports' layer holds it
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    return plt


def _days(axes: Any, palette: Palette, wide: bool, report: Report, say: Say) -> None:
    """Questions a day, and what is to come with its intervals."""
    days, ahead = report.volume.days, report.forecast.days
    axes.bar(*zip(*days, strict=True), width=0.8, color=palette.accent, lw=0, label=say("legend_asked"))
    if ahead:
        x = [d.day for d in ahead]
        for low, high, alpha, said in (("low95", "high95", 0.15, "legend_95"), ("low80", "high80", 0.3, "legend_80")):
            band = [[getattr(d, name) for d in ahead] for name in (low, high)]
            axes.fill_between(x, *band, color=palette.warm, alpha=alpha, lw=0, label=say(said))
        axes.plot(x, [d.expected for d in ahead], color=palette.warm, lw=1.6, label=say("legend_expected"))
        order = [say(said) for said in ("legend_asked", "legend_expected", "legend_80", "legend_95")]
        by_name = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        axes.legend(
            [by_name[said] for said in order], order, frameon=False, loc="lower left", bbox_to_anchor=(0, 1),
            ncols=4 if wide else 2, borderaxespad=0, handlelength=1.2, columnspacing=1.2,
        )  # fmt: skip
    least = days[0][0] + timedelta(days=14)  # a day alone would be one block
    axes.set_xlim(
        days[0][0] - timedelta(days=1), max([least, days[-1][0], *(d.day for d in ahead)]) + timedelta(days=1)
    )
    axes.set_ylabel(say("axis_questions"))
    axes.set_ylim(0, _top(report))
    _counts(axes, say)
    _dates(axes, [*(d for d, _ in days), *(d.day for d in ahead)], 9 if wide else 4, say)


def _top(report: Report) -> float:
    """Where the picture of days ends: a light band much higher than anything else would make all of that flat."""
    days, ahead = report.volume.days, report.forecast.days
    seen = max([1, *(n for _, n in days), *(d.high80 for d in ahead)])
    return 1.05 * min(max([seen, *(d.high95 for d in ahead)]), 1.25 * seen)


def _counts(axes: Any, say: Say) -> None:
    # start-up time: matplotlib takes a second, and only the reports' layer holds it
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: say.count(round(value))))


def _dates(axes: Any, days: Sequence[date], at_most: int, say: Say) -> None:
    """Names some of `days` (in order, at least one): every one of them, every second, or Mondays."""
    step = next(step for step in (1, 2, 7, 14, 28, 91, 364, len(days)) if len(days) <= at_most * step)
    first = (7 - days[0].weekday()) % 7 if step % 7 == 0 and len(days) > 7 else 0
    named = days[first::step]
    axes.set_xticks(named, [say.short_day(day) for day in named])


def _week(axes: Any, palette: Palette, wide: bool, report: Report, say: Say) -> None:
    _hours(axes, palette, wide, report.volume.heat.cells, range(24), say, numbers=False)


def _open_hours(plan: Sequence[Hour]) -> range:
    """From the first hour of the day in which anybody is at work to the last."""
    at_work = [h.hour for h in plan if h.people] or [0]
    return range(min(at_work), max(at_work) + 1)


def _people(axes: Any, palette: Palette, wide: bool, report: Report, say: Say, hours: range) -> None:
    assert report.plan
    cells = [[float(report.plan.hours[24 * d + h].people) for h in hours] for d in range(7)]
    _hours(axes, palette, wide, cells, hours, say, numbers=True)


def _hours(axes: Any, palette: Palette, wide: bool, cells: Cells, hours: range, say: Say, *, numbers: bool) -> None:
    """Days by hours: the hours across where there is room, down on a phone, where a cell has to hold a figure."""
    days = [say.weekday(n + 1, short=True) for n in range(7)]
    said = [f"{h:02}:00" for h in hours]
    if wide:
        _grid(axes, palette, cells, said, days, say, numbers=numbers, step=3 if len(hours) > 14 else 1)
    else:
        _grid(axes, palette, list(zip(*cells, strict=True)), days, said, say, numbers=numbers, small=True)


def _broken(axes: Any, palette: Palette, wide: bool, report: Report, say: Say) -> None:
    """Promises broken by team and hour."""
    teams = sorted({h.team for h in report.quality.hours})
    cells = [[0.0] * 24 for _ in teams]
    for h in report.quality.hours:
        cells[teams.index(h.team)][h.hour] = h.missed / (h.met + h.missed)
    names = [_short(say.name("team", t), 30 if wide else 17) for t in teams]
    said = [f"{h:02}:00" for h in range(24)]
    step = 3 if wide else 8
    _grid(axes, palette, cells, said, names, say, color=palette.warm, most=1.0, step=step)


def _short(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1].rstrip()}…"


def _grid(
    axes: Any,
    palette: Palette,
    cells: Cells,
    across: Sequence[str],
    down: Sequence[str],
    say: Say,
    *,
    numbers: bool = False,
    step: int = 1,
    small: bool = False,
    color: str = "",
    most: float | None = None,
) -> None:
    """A heat map whose cells are more or less opaque, so that it can be read on a light and on a dark ground."""
    # start-up time: matplotlib takes a second, and only the reports' layer holds it
    from matplotlib.patches import Rectangle

    top = most or max((v for row in cells for v in row), default=0.0) or 1.0
    strength = 0.55 if numbers else 0.8  # a figure on it has to be readable
    for y, row in enumerate(cells):
        for x, value in enumerate(row):
            if value:
                box, alpha = (x + 0.04, y + 0.04), round(0.1 + strength * value / top, 2)
                axes.add_patch(Rectangle(box, 0.92, 0.92, color=color or palette.accent, alpha=alpha, lw=0))
            if numbers and value:
                text = say.count(round(value))
                axes.text(x + 0.5, y + 0.54, text, ha="center", va="center", fontsize=8, color=palette.ink)
    axes.set_xlim(0, len(across))
    axes.set_ylim(len(down), 0)
    axes.set_xticks([x + 0.5 for x in range(0, len(across), step)], across[::step])
    axes.set_yticks([y + 0.5 for y in range(len(down))], down)
    axes.tick_params(length=0)
    if small:  # the days above the columns, where the reader begins
        axes.xaxis.tick_top()
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _days_in_words(report: Report, say: Say) -> str:
    busiest, ahead = max(report.volume.days, key=lambda d: d[1]), report.forecast.days
    said = [say("says_days", day=say.day(busiest[0]), count=say.count(busiest[1]))]
    if ahead:
        low, high = (say.count(round(sum(getattr(d, n) for d in ahead) / len(ahead))) for n in ("low80", "high80"))
        said.append(say("says_ahead", mean=say.count(round(report.forecast.total / len(ahead))), low=low, high=high))
        if max(d.high95 for d in ahead) > _top(report):
            said.append(say("says_cut"))
    return " ".join(said)


def _week_in_words(report: Report, say: Say) -> str:
    cells = report.volume.heat.cells
    n, day, hour = max((n, d, h) for d, row in enumerate(cells) for h, n in enumerate(row))
    return say(
        "says_week", day=say.weekday(day + 1), hour=say.hour(hour), count=say.count(int(n) if n == int(n) else n)
    )


def _people_in_words(report: Report, say: Say) -> str:
    assert report.plan
    peak = report.plan.peak
    return say("says_people", day=say.weekday(peak.weekday), hour=say.hour(peak.hour), count=say.count(peak.people))


def _broken_in_words(report: Report, say: Say) -> str:
    worst = max(report.quality.hours, key=lambda h: (h.missed, h.team))
    values = {"count": say.count(worst.missed), "of": say.count(worst.met + worst.missed)}
    return say("says_broken", team=say.name("team", worst.team), hour=say.hour(worst.hour), **values)
