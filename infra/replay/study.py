"""`make study`: STELLAService's study of twenty shops, without and with Earshot.

In 2012 each of 20 large shops was asked a question on its Facebook wall and another in a comment under a post. Within
48 hours 15 answered on the wall and 7 in the comment, the fastest after 2 minutes. Here the same 40 questions are
replayed through the real handlers: once as those shops' people acted, once with people who also read Earshot's e-mails.

What is assumed of them, and only that: who gets an e-mail about an open question answers it AFTER later. When the
e-mail leaves, what is acknowledged and what is not comes from the replay. The published study gives the counts and the
best time; the other times are spread here over the 48 hours, which the shares at 48 hours do not depend on.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib.apps import Account, App, Apps
from chalicelib.platforms.base import hmac_hex
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.registry import PRODUCTS
from chalicelib.reports.columns import Fact
from chalicelib.reports.ledger import STELLA, STELLA_BEST_S
from chalicelib.reports.span import policy_of, whole_days
from chalicelib.reports.wording import percent, span
from infra.replay.command import streamed
from infra.replay.recording import Recorded
from infra.replay.replay import replay
from infra.reports.made import make

SHOPS = 20
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a Monday
WITHIN = timedelta(hours=48)
AFTER = timedelta(minutes=30)
SECRET = "study"
UTTERANCES = Path(__file__).parent.parent.parent / "models" / "utterances"
HELD_OUT = Path(__file__).parent.parent.parent / "models" / "held_out.jsonl"
NO_QUESTION = ("praise", "closing", "spam", "other", "jobs")
BARS = (900, 3600, 86_400, 172_800)


@cache
def texts() -> tuple[str, ...]:
    """What is asked: questions of the held-out file, which no model has learnt from, each kind of question in turn."""
    learnt = {line.strip() for file in UTTERANCES.glob("*/*.txt") for line in file.read_text("utf-8").splitlines()}
    kinds: dict[str, list[str]] = defaultdict(list)
    for line in HELD_OUT.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row.get("lang") == "en" and row["intent"] not in NO_QUESTION and row["text"] not in learnt:
            kinds[row["intent"]].append(row["text"])
    longest = max(map(len, kinds.values()))
    found = [kinds[k][n] for n in range(longest) for k in sorted(kinds) if n < len(kinds[k])]
    return tuple(found[: 2 * SHOPS])


@dataclass(frozen=True, slots=True)
class Question:
    shop: int
    where: str
    at: datetime

    @property
    def page(self) -> str:
        return f"9{self.shop:03}"

    @property
    def post(self) -> str:
        """The visitor's own post, or the shop's under which the comment stands; ids are made as Facebook makes them."""
        return f"{self.page}_{'1' if self.where == 'wall' else '2'}{self.shop:03}"

    @property
    def id(self) -> str:
        return self.post if self.where == "wall" else f"{self.post.partition('_')[2]}_5"

    @property
    def text(self) -> str:
        return texts()[2 * self.shop + (self.where == "comment")]


def questions() -> list[Question]:
    """Both of each shop, some minutes apart, as one person would ask them."""
    step = timedelta(minutes=7)
    return [Question(n, w, START + (2 * n + k) * step) for n in range(SHOPS) for k, w in enumerate(("wall", "comment"))]


def answers() -> dict[str, datetime]:
    """When the shops' own people answered: as many within 48 hours as in the study, the first after 2 minutes."""
    found = {}
    for where, (count, _) in STELLA.items():
        asked = [q for q in questions() if q.where == where][:count]
        for number, q in enumerate(asked):
            share = number / max(count - 1, 1)
            wait = timedelta(seconds=STELLA_BEST_S) + share**2 * (WITHIN - timedelta(hours=2))
            found[q.id] = q.at + wait
    return found


WALL = next(iter(PRODUCTS))  # the only platform that the study has asked on, and the registry's first


@cache
def apps() -> Apps:
    pages = tuple(Account(f"9{n:03}", WALL, f"Shop {n + 1}", "t") for n in range(SHOPS))
    return Apps((App(PRODUCTS[WALL].platform, "main", secrets=(SECRET,), accounts=pages),))


def deliveries(answered: Mapping[str, datetime]) -> Iterator[Recorded]:
    """The questions, and the shops' answers at their times."""
    ids: dict[str, str]
    customer: dict[str, object]
    shop: dict[str, object]
    for q in questions():
        ids = {"post_id": q.post} | ({} if q.where == "wall" else {"comment_id": q.id, "parent_id": q.post})
        customer = {"item": "status" if q.where == "wall" else "comment", "from": {"id": f"5{q.shop}", "name": "Ann"}}
        yield _delivery(q.page, q.at, customer | ids, q.text)
        if q.id in answered:
            number = q.post.partition("_")[2]
            ids = {"comment_id": f"{number}_6", "post_id": q.post, "parent_id": q.id}
            shop = {"item": "comment", "from": {"id": q.page, "name": f"Shop {q.shop + 1}"}}
            yield _delivery(q.page, answered[q.id], shop | ids, "Hello, thank you for asking! Here is what we know.")


def _delivery(page: str, at: datetime, value: Mapping[str, object], text: str) -> Recorded:
    change = {"field": "feed", "value": {"verb": "add", "created_time": int(at.timestamp()), "message": text, **value}}
    body = json.dumps({"object": "page", "entry": [{"id": page, "time": int(at.timestamp()), "changes": [change]}]})
    headers = {"X-Hub-Signature-256": "sha256=" + hmac_hex(SECRET, body.encode())}
    return Recorded(at, "POST", apps().apps[0].path, {}, headers, body.encode())


@dataclass(frozen=True, slots=True)
class Outcome:
    """The facts of one run, by question id."""

    facts: dict[str, Fact]

    def waits(self, where: str, *, automatic: bool = False) -> list[float]:
        """Seconds until a person answered, sorted; `automatic`: until anything was said."""
        found = []
        for q in questions():
            fact = self.facts[q.id]
            at = fact.acknowledged_at if automatic else fact.first_response_at
            if q.where == where and at:
                found.append((at - fact.asked_at).total_seconds())
        return sorted(found)

    def within(self, where: str, seconds: float) -> int:
        return sum(1 for wait in self.waits(where) if wait <= seconds)


def run(answered: Mapping[str, datetime], out: Path | None = None) -> Outcome:
    """Replays the questions with these answers; with `out`, writes its report there."""
    policy, registrations = read_playbook(DEFAULT_PLAYBOOK), apps()
    table = streamed(policy, None)
    recorded = sorted(deliveries(answered), key=lambda r: r.at)
    replay(recorded, registrations, policy, WITHIN + timedelta(hours=24), StringIO(), table)
    assert table.deriver
    names = {table.deriver.question(WALL, q.page, q.id): q.id for q in questions()}
    outcome = Outcome({names[f.question]: f for f in table.facts() if f.question in names})
    if out:
        with TemporaryDirectory() as folder:
            table.write_facts(Path(folder))
            now = START + WITHIN + timedelta(hours=24)
            told = policy_of(replace(policy, shop=replace(policy.shop, name="Twenty shops")), now, apps=registrations)
            since, until = whole_days(START, START, told.zone)
            make(Path(folder), out, told, since=since, until=until, now=now, stored=table.stored(), playbook=policy)
    return outcome


def told(outcome: Outcome) -> dict[str, datetime]:
    """The answers of people who read their e-mail too: the shops' own, or AFTER the e-mail, whichever came first."""
    found = dict(answers())
    for id, fact in outcome.facts.items():
        if fact.told_at:
            found[id] = min(found.get(id, fact.told_at + AFTER), fact.told_at + AFTER)
    return found


def table_of(without: Outcome, with_: Outcome) -> str:
    """Both runs side by side."""
    lines = [f"{'answered by a person within':<34}{'15 min':>9}{'1 h':>9}{'24 h':>9}{'48 h':>9}"]
    for label, outcome in (("as those shops were", without), ("with Earshot", with_)):
        for where in STELLA:
            cells = "".join(f"{f'{outcome.within(where, bar)} of {SHOPS}':>9}" for bar in BARS)
            lines.append(f"  {f'{where}, {label}':<32}{cells}")
    said = [w for where in STELLA for w in without.waits(where, automatic=True)]
    latest = max(said, default=None)  # nothing takes any time on replay's clock but what waits on purpose
    slowest = "each at once" if latest == 0 else f"the slowest after {span(latest)}"
    mails = [(f.told_at - f.asked_at).total_seconds() for f in without.facts.values() if f.told_at]
    lines.append(f"acknowledged automatically: {len(said)} of {2 * SHOPS}, {slowest}")
    lines.append(
        f"told by e-mail: {len(mails)} of {2 * SHOPS}, half of them within {span(sorted(mails)[len(mails) // 2])}"
    )
    best = min((w for where in STELLA for w in with_.waits(where)), default=None)
    share = sum(with_.within(where, WITHIN.total_seconds()) for where in STELLA) / (2 * SHOPS)
    lines.append(f"fastest answer by a person {span(best)}; {percent(share)} of the 40 within 48 hours")
    return "\n".join(lines)


def draw(without: Outcome, with_: Outcome, out: Path) -> None:
    """How many of the twenty had an answer after so many hours, without and with, on the wall and in the comment."""
    # start-up time: matplotlib takes a second, and the figures come first
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for place, where in zip(axes, STELLA, strict=True):
        for outcome, label, colour in ((without, "as those shops were", "#a8460f"), (with_, "with Earshot", "#0b6e5f")):
            waits = [w / 3600 for w in outcome.waits(where) if w <= WITHIN.total_seconds()]
            x, y = [0.0, *waits, 48.0], [*range(len(waits) + 1), len(waits)]
            place.step(x, y, where="post", color=colour, lw=2, label=label)
        place.set_title(f"A question {'on the wall' if where == 'wall' else 'in a comment'}", loc="left", fontsize=11)
        place.set_xlabel("hours")
        place.set_xticks(range(0, 49, 12))
        place.set_ylim(0, SHOPS + 0.5)
        place.set_yticks(range(0, SHOPS + 1, 5))
        place.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(f"of {SHOPS} shops, answered")
    axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(out, dpi=150)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.replay.study", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/study"), help="a folder")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    without = run(answers(), out / "without.html")
    with_ = run(told(without), out / "with.html")
    draw(without, with_, out / "study.png")
    print(table_of(without, with_))
    print(f"assumed: who gets the e-mail answers {span(AFTER.total_seconds())} later")
    print(f"picture: {(out / 'study.png').resolve()}; reports: without.html, with.html beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
