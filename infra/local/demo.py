"""`make demo`: a minute in the life of an invented shop, told as it happens, with a table of what came of it.

Real signed deliveries go over HTTP to app.py's own functions on the embedded AWS; Step Functions' timers really wait.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from chalicelib.conversations.conversation import Deed, Outcome, PersonalAnswer, State
from infra.local.demo_story import STORY, Shop
from infra.local.local_run import local_run
from infra.local.stand_in import Fault
from infra.local.telling import Teller

FOLDER = Path("build/demo")
EMAIL, DESK, REPORT = FOLDER / "escalation.html", FOLDER / "desk.html", FOLDER / "report.html"
_MOMENT_S = 1.5  # in which nothing more may come

_DEAD_LETTERS = tuple(f"{queue}DeadLetters" for queue in ("Inbox", "Due", "Escalations", "MailEvents", "IncomingMail"))

WENT_IN = (("deliveries accepted (200), copies of its own replies apart", 18), ("forged deliveries refused (401)", 1))
CAME_OUT = (
    ("customers' messages stored, each once", 23),
    ("automatic replies posted", 20),
    ("  of these a second one to the same message", 0),
    ("  refused by a rate limit first", 1),
    ("  with an unknown outcome, never posted again", 1),
    ("conversations answered by people on the platform", 2),
    ("conversations answered on the page behind an e-mail's link, once", 1),
    ("conversations answered by replying to an e-mail, posted once", 1),
    ("conversations that needed no more than the automatic reply", 1),
    ("conversations that their customer deleted", 1),
    ("conversations still open, every one of them escalated", 16),
    ("  of these taken on by somebody, so that nobody else is called", 1),
    ("e-mails of the first step", 14),
    ("  of these urgent, sent at once", 2),
    ("  of these one for six questions under one post", 1),
    ("e-mails of the second step: Fay's and Pia's", 2),
    ("e-mails sent twice", 0),
    ("messages that could not be worked on", 0),
)


def counted(shop: Shop) -> dict[str, int]:
    """The actual counts, read from the table, the stand-in platforms, SES and the queues."""
    local_run, conversations = shop.local_run, shop.conversations()
    answers = [a for c in conversations for a in c.answers.values() if a.state is Outcome.SENT]
    automatic = Counter(
        (p.product, p.target) for p in local_run.stand_in.posted if p.text not in {a.text for a in answers}
    )
    emails = [e for e in local_run.aws.emails() if "tier" in e.tags]
    unknown = [a for c in conversations for a in c.acknowledgements.values() if a.state is Outcome.UNKNOWN]
    open_ones = [c for c in conversations if c.state is State.OPEN]
    by_people = [
        c for c in conversations if c.state is State.ANSWERED and any(q.answered_by for q in c.questions.values())
    ]
    steps = Counter(e.tags["tier"] for e in emails)
    actual = (
        len([i for i in shop.interactions() if not i.brand]),
        automatic.total(),
        sum(n - 1 for n in automatic.values()),
        len([r for r in local_run.stand_in.refused if r.fault is Fault.RATE]),
        len(unknown),
        len([c for c in by_people if not c.answers]),
        _posted_once(shop, [a for a in answers if not a.by_mail]),
        _posted_once(shop, [a for a in answers if a.by_mail]),
        len([c for c in conversations if any(q.resolved and not q.answered_by for q in c.questions.values())]),
        len([c for c in conversations if c.state is State.DELETED]),
        len([c for c in open_ones if c.tier > 0]),
        len([c for c in open_ones if any(a.deed is Deed.CLAIM for a in c.acts.values()) and "1.2" not in c.notices]),
        steps["1"],
        len([e for e in emails if e.tags["tier"] == "1" and "URGENT" in e.subject]),
        len([e for e in emails if e.tags["kind"] == "group" and e.subject.startswith("[Earshot] 6 questions")]),
        steps["2"],
        sum(n - 1 for n in Counter(e.tags["notice"] for e in emails).values()),
        sum(local_run.aws.counts(queue) for queue in _DEAD_LETTERS),
    )
    in_ = (shop.statuses[200], shop.statuses[401])
    return dict(zip([label for label, _ in (*WENT_IN, *CAME_OUT)], (*in_, *actual), strict=True))


def _posted_once(shop: Shop, answers: list[PersonalAnswer]) -> int:
    texts = Counter(p.text for p in shop.local_run.stand_in.posted)
    return len([a for a in answers if texts[a.text] == 1])


def finish(shop: Shop) -> bool:
    """Shows the table; whether every count is right."""
    sleep(_MOMENT_S)
    actual, teller = counted(shop), shop.teller
    teller.text("")
    for title, rows in (("What went in", WENT_IN), ("What came out", CAME_OUT)):
        teller.table((title, "expected", "actual"), [(label, n, actual[label]) for label, n in rows])
        teller.text("")
    return all(actual[label] == n for label, n in (*WENT_IN, *CAME_OUT))


def keep_pages(shop: Shop) -> None:
    """Writes Ana's escalation e-mail and the page behind its link to where a browser can open them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if (email := next(iter(shop.emails("still cancel")), None)) and shop.desk:
        EMAIL.write_text(email.html, "utf-8")
        DESK.write_text(shop.desk.html, "utf-8")
        shop.teller.text(f"The e-mail about Ana's question is in {EMAIL}, the page behind its link in {DESK}.")


def keep_report(shop: Shop) -> None:
    """Writes the report of this story, from the facts of what the table holds."""
    # the report's libraries take a second to load: not before the story is told
    from tempfile import TemporaryDirectory

    from chalicelib.reports import lake
    from chalicelib.reports.facts import Deriver
    from chalicelib.reports.span import policy_of, whole_days
    from chalicelib.reports.stream import FactsOfChanges
    from infra.reports.made import make

    services = shop.local_run.services
    facts = FactsOfChanges(services.store.table, Deriver(services.playbook, services.keys))
    found, stored, now = facts.everything(), list(facts.stored()), services.now()
    with TemporaryDirectory() as folder:
        lake.write(Path(folder), found, "demo")
        policy = policy_of(services.playbook, now, apps=shop.local_run.apps, years=[now.year])
        since, until = whole_days(min((f.asked_at for f in found), default=now), now, policy.zone)
        report = make(
            Path(folder),
            REPORT,
            policy,
            since=since,
            until=until,
            now=now,
            stored=stored,
            playbook=services.playbook,
            asked=list(facts.asked()),
        )
    exact = "every one of them stands in it" if report.ledger.reconciled.exact else "NOT all of them stand in it"
    shop.teller.text(f"What was asked, how it ended and who waited is in {REPORT}: {len(stored)} questions, {exact}.")


@contextmanager
def shop(teller: Teller) -> Iterator[Shop]:
    """The shop, open while inside."""
    with local_run(teller.on_event) as running:
        teller.start()
        yield Shop(running, teller)


def main() -> int:
    """Tells the story; 0 when every count is right."""
    teller, started = Teller(), monotonic()
    teller.text("Earshot works for Marigold & Finch, an invented shop. Starting the embedded AWS …")
    teller.text(
        "A line begins with the second in which it happened; an e-mail is told where its customer's story goes on."
    )
    with shop(teller) as marigold:
        for chapter in STORY:
            chapter(marigold)
        right = finish(marigold)
        keep_pages(marigold)
        keep_report(marigold)
    verdict = "Every count is right" if right else "A count is WRONG"
    teller.text(f"{verdict}; it took {monotonic() - started:.0f} s. Try it yourself: make run")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
