"""The ledger reconciles to the question whatever happens between the facts and the report: what was compacted opens
again, a team or an account has another name, a customer is erased while the report is made."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib import platforms
from chalicelib.conversations.customer import Customer
from chalicelib.platforms import PRODUCTS
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.reports import lake
from chalicelib.reports.asked import Asked, Ended
from chalicelib.reports.lake import Lake
from chalicelib.reports.ledger import Ledger, ledger
from chalicelib.reports.span import policy_of
from infra.local.deliveries import deliver
from infra.local.demo_apps import demo_apps
from infra.replay.recording import Recorded
from infra.replay.replay import replay
from infra.replay.streamed import StreamedTable
from infra.reports.made import make
from tests.reports.test_facts import DERIVER, eraser_of, told
from tests.reports.test_ledger import fact
from tests.world import NOW, PAGE, QUESTION, comment, playbook

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def book(folder: Path, table: StreamedTable) -> Ledger:
    span = Asked(Lake(folder), NOW - DAY, NOW + 9 * DAY, NOW + 9 * DAY, ZoneInfo("UTC"))
    return ledger(span, table.stored())


def test_what_was_compacted_and_opens_again_is_counted_once_as_it_stands(tmp_path: Path) -> None:
    asked = (comment("c1", QUESTION), NOW)
    answered = (comment("r1", "Here you are.", author=PAGE, parent="c1", at=NOW + 5 * MINUTE), NOW + 5 * MINUTE)
    taken_back = (comment("r1", "", author=PAGE, verb="remove", at=NOW + DAY), NOW + DAY)
    for n, (changes, hours, ended) in enumerate(
        [
            ((asked,), 0, Ended.OVERDUE),
            ((asked, answered), 12, Ended.PERSON),
            ((asked, answered, taken_back), 72, Ended.OVERDUE),
        ]
    ):  # the same history, each time further on
        table = told(*changes, hours=hours)
        lake.write(tmp_path, table.facts(), f"part{n}")
        Lake(tmp_path).compact()
        found = book(tmp_path, table)
        assert found.reconciled.exact and found.adds_up and found.total.asked == 1
        assert found.total.ended[ended] == 1


def test_a_team_and_an_account_of_another_name_are_still_in_every_sum(tmp_path: Path) -> None:
    """Facts say who was called then; the report is made with the playbook and the apps of now."""
    now = NOW + 9 * DAY
    facts = [
        fact("q1", asked_at=NOW, received_at=NOW),
        fact("q2", asked_at=NOW, received_at=NOW, team="as_it_was", account="gone", conversation="x"),
    ]
    lake.write(tmp_path / "facts", facts, "a")
    report = make(
        tmp_path / "facts", tmp_path / "report.html", policy_of(playbook(), now), since=NOW - DAY, until=now, now=now,
        stored=["q1", "q2"], playbook=playbook(),
    )  # fmt: skip
    found = report.ledger
    assert found.reconciled.exact and found.adds_up and found.total.asked == 2
    assert {line.name for line in found.groups["team"]} == {"delivery", "as_it_was"}
    assert "as it was" in (tmp_path / "report.html").read_text("utf-8").casefold()
    assert "gone" in (tmp_path / "report.csv").read_text("utf-8")


@pytest.mark.parametrize("product", sorted(set(PRODUCTS) - {"google"}))
def test_an_erasure_while_a_report_is_made_leaves_the_ledger_exact(product: str, tmp_path: Path) -> None:
    """What is stored is read before it, and the facts after it; and the reports of later, in which the question counts
    without a name."""
    apps, table = demo_apps(), StreamedTable(DERIVER)
    account = next(a for app in apps.apps for a in app.accounts if a.product == product)
    recorded = []
    for n, author in enumerate(("770011", "880022")):
        id = f"{author}_49{n}" if product == "telegram" else f"49{n}"
        one = deliver(apps, SimulatedMessage(product, QUESTION, author, "Ann", id=id, at=NOW))
        recorded.append(Recorded(NOW, "POST", one.path, {}, one.headers, one.body))
    replay(recorded, apps, playbook(), timedelta(hours=2), StringIO(), table)
    before, stored_before = table.facts(), list(table.stored())
    assert len(before) == len(stored_before) == 2, platforms.title(product)
    who = DERIVER.customer(product, account.id, "770011")
    assert who in {f.customer for f in before}
    eraser_of(table).erase(Customer(product, account.id, "770011"), "code", NOW + DAY)
    after = table.facts()
    assert {f.customer for f in after} == {None, *(f.customer for f in before if f.customer != who)}
    for name, facts, stored in (("stored first", after, stored_before), ("after", after, list(table.stored()))):
        folder = tmp_path / name
        lake.write(folder, facts, "a")
        span = Asked(Lake(folder), NOW - DAY, NOW + DAY, NOW + DAY, ZoneInfo("UTC"))
        found = ledger(span, stored)
        assert found.reconciled.exact and found.adds_up, (name, found.reconciled)
        assert found.total.asked == 2 and found.reconciled.erased == 2 - len(stored)
