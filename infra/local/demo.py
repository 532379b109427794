"""`make demo`: a few minutes in the life of an invented shop, told as they happen, with a table of what came of it.

Real signed deliveries go over HTTP to app.py's own functions on the embedded AWS; Step Functions' timers really wait.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from chalicelib.conversations.conversation import Conversation, Outcome, State
from chalicelib.conversations.interaction import Interaction
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import Delivery, author_id, deliver
from infra.local.local_run import LocalRun, local_run
from infra.local.stand_in import Fault
from infra.local.telling import Teller

PAGE = Path("build/demo/escalation.html")
REPORT = Path("build/demo/report.html")
_PATIENCE_S = 15.0  # for one step; what is missing then is shown by the counts
_LONGEST_S = 45.0  # for all escalations
_MOMENT_S = 1.5  # in which nothing more may come

_DEAD_LETTERS = ("InboxDeadLetters", "DueDeadLetters", "EscalationsDeadLetters", "MailEventsDeadLetters")


@dataclass(slots=True)
class Shop:
    """The shop's side of the story: who says what, and what became of it."""

    local_run: LocalRun
    teller: Teller
    statuses: Counter[int] = field(default_factory=Counter)

    def customer(self, product: str, name: str, text: str) -> SimulatedMessage:
        """What `name` asks, not yet delivered."""
        self.teller.names[author_id(name)] = name
        return SimulatedMessage(product, text, author_id(name), name)

    def tell(self, *said: SimulatedMessage, how: str = "writes", secret: str = "") -> None:
        """Delivers what was said."""
        for s in said:
            self.teller.line("in", s.product, f"{s.name or 'The shop'} {how}", s.text)
        self.send(deliver(self.local_run.apps, *said, secret=secret))

    def send(self, delivery: Delivery) -> None:
        self.statuses[delivery.send(self.local_run.url)[0]] += 1

    def until(self, condition: Callable[[], bool], seconds: float = _PATIENCE_S) -> None:
        """Waits until `condition`, at most `seconds`."""
        ends = monotonic() + seconds
        while not condition() and monotonic() < ends:
            sleep(0.05)

    def replied(self, *said: SimulatedMessage) -> None:
        """Waits for the automatic reply to each."""
        places = [{s.id, s.author} for s in said]
        self.until(lambda: all(any(p.target in place for p in self.local_run.stand_in.posted) for place in places))

    def conversations(self) -> list[Conversation]:
        return list(self.local_run.services.store.conversations())

    def interactions(self) -> list[Interaction]:
        return list(self.local_run.services.store.interactions())

    def of(self, said: SimulatedMessage) -> Conversation:
        """The conversation of who said that, once it is stored."""
        return next((c for c in self.conversations() if c.customer == said.author), Conversation("", "", "", ""))


# --- the story ----------------------------------------------------------------------------------------------


def facebook(shop: Shop) -> None:
    """A batch, the same again, a forgery, escapes, an answer, an edit and a deletion."""
    head = shop.teller.heading
    head("Facebook sends three comments and a reaction in one delivery.")
    ana = shop.customer("facebook", "Ana", "Can I cancel my order please?")
    ben = shop.customer("facebook", "Ben", "What are your opening hours on Sunday?")
    dora = shop.customer("facebook", "Dora", "How do I return a pair of shoes?")
    like = SimulatedMessage("facebook", author=author_id("Carla"), name="Carla", verb="react")
    batch = deliver(shop.local_run.apps, ana, like, ben, dora)
    for said in (ana, ben, dora):
        shop.teller.line("in", "facebook", f"{said.name} writes", said.text)
    shop.teller.line("in", "facebook", "Carla reacts", "with a heart: nothing to answer")
    shop.send(batch)
    shop.replied(ana, ben, dora)

    head("It sends the same delivery once more, as platforms do when an answer is late.")
    shop.send(batch)
    shop.until(lambda: shop.teller.repeats >= 3)

    head("Somebody who does not know the app's secret forges a delivery.")
    forged = SimulatedMessage("facebook", "Everything is free today!", author_id("Mallory"), "Mallory")
    shop.tell(forged, how="forges", secret="a wrong secret")

    head("A person at the shop answers Dora: nobody will be called about her.")
    shop.tell(
        SimulatedMessage("facebook", "Hello Dora, just bring them to any of our stores.", to=dora.id), how="answers"
    )
    shop.until(lambda: shop.of(dora).state is State.ANSWERED)

    head("Ana changes her comment: the words are new, the automatic reply stays the only one.")
    shop.tell(
        SimulatedMessage("facebook", "Can I still cancel my order please?", ana.author, "Ana", ana.id, verb="edited"),
        how="edits",
    )
    shop.until(lambda: any("still" in i.text for i in shop.interactions()))

    head("Emil asks, then deletes his comment: nobody is called about that either.")
    emil = shop.customer("facebook", "Emil", "Can I swap the size?")
    shop.tell(emil)
    shop.replied(emil)
    shop.tell(SimulatedMessage("facebook", "", emil.author, "Emil", emil.id, verb="remove"), how="deletes it")
    shop.until(lambda: shop.of(emil).state is State.DELETED)

    head("On the wire, Meta escapes everything beyond ASCII; the signature is over those very bytes.")
    zoe = shop.customer("facebook", "Zoé", "Can I exchange the café cups for a bigger size? ☕")
    raw = deliver(shop.local_run.apps, zoe).body.decode()
    shop.teller.line("dim", "facebook", "the wire", raw[raw.index('"message"') :])
    shop.tell(zoe)
    shop.replied(zoe)


def urgent(shop: Shop) -> None:
    head = shop.teller.heading
    head("Fay's comment is urgent: no automatic reply, an e-mail to the press office at once, to the lead soon after.")
    shop.tell(
        shop.customer("facebook", "Fay", "The lamp you sold me caught fire last night. My lawyer will contact you.")
    )
    shop.until(lambda: bool(shop.local_run.aws.emails()))


def ladder(shop: Shop) -> None:
    head = shop.teller.heading
    head("The less is certain, the less is said: Nia asks two things and gets her topic's reply, Otto the general one.")
    nia = shop.customer("facebook", "Nia", "Can I return it in store? And how do I get a return label?")
    otto = shop.customer("facebook", "Otto", "How do I check the balance of my gift card, this is a joke")
    shop.tell(nia, otto)
    shop.replied(nia, otto)

    head("Pia denies the wish that her words name: a guard leaves silence, and people look at it.")
    pia = shop.customer("facebook", "Pia", "Please do not cancel my order, I still want it.")
    shop.tell(pia)
    shop.until(lambda: any(q.silence for q in shop.of(pia).questions.values()))


def messenger(shop: Shop) -> None:
    head = shop.teller.heading
    head("Messenger tells of all that the Page sends: Earshot's reply is no answer to Gus, a person's is one to Hana.")
    gus = shop.customer("messenger", "Gus", "How do I check the balance of my gift card? 🎁")
    hana = shop.customer("messenger", "Hana", "Which size should I take, I am usually a 38?")
    shop.tell(gus, hana)
    shop.replied(gus, hana)
    shop.tell(
        SimulatedMessage("messenger", "Hello Hana, that one runs small: take a 39.", to=hana.author), how="answers"
    )
    shop.until(lambda: shop.of(hana).state is State.ANSWERED)


def elsewhere(shop: Shop) -> None:
    """Instagram, WhatsApp, X."""
    shop.teller.heading("Instagram, WhatsApp and X: other shapes, other signatures, other ways to reply.")
    iris = shop.customer("instagram", "Iris", "When will the blue vase be back in stock?")
    jo = shop.customer("whatsapp", "Jo", "I can't log in to my account")
    kim = shop.customer("x", "Kim", "@MarigoldFinch my discount code does not work")
    for said in (iris, jo, kim):
        shop.tell(said)
    shop.replied(iris, jo, kim)


def failures(shop: Shop) -> None:
    """A rate limit, and a reply of which nobody knows whether it is out."""
    head = shop.teller.heading
    head("The forum takes no more replies for a moment: a definite no, so Earshot may try again.")
    lea = shop.customer("standard", "Lea", "How can I check the balance of my gift card?")
    shop.local_run.stand_in.fail_next(lea.id, Fault.RATE)
    shop.tell(lea)
    shop.replied(lea)

    head("Facebook takes the reply to Max, but its answer gets lost; and then it delivers his comment once more.")
    max_ = shop.customer("facebook", "Max", "Where can I find my invoice?")
    shop.local_run.stand_in.fail_next(max_.id, Fault.LOST)
    shop.tell(max_)
    shop.until(lambda: any(a.state is Outcome.UNKNOWN for a in shop.of(max_).acknowledgements.values()))
    shop.tell(max_, how="(delivered again)")


# --- what came of it ----------------------------------------------------------------------------------------

WENT_IN = (("deliveries accepted (200), not counting echoes", 18), ("forged deliveries refused (401)", 1))
CAME_OUT = (
    ("customers' questions stored, each once", 16),
    ("automatic replies posted", 14),
    ("  of these a second one to the same question", 0),
    ("  refused by a rate limit first", 1),
    ("  with an unknown outcome, never posted again", 1),
    ("questions answered by the shop's people", 2),
    ("questions that the automatic reply answered", 1),
    ("questions withdrawn by the customer", 1),
    ("questions still open, all of them escalated", 12),
    ("escalation e-mails of tier 1", 12),
    ("escalation e-mails of tier 2 (the urgent one)", 1),
    ("e-mails sent twice", 0),
    ("messages that could not be worked on", 0),
)


def counted(shop: Shop) -> dict[str, int]:
    """The actual counts, read from the table, the stand-in platforms, SES and the queues."""
    local_run, conversations = shop.local_run, shop.conversations()
    targets = Counter((p.product, p.target) for p in local_run.stand_in.posted)
    emails = Counter(e.tags["notice"] for e in local_run.aws.emails())
    questions = [q for c in conversations for q in c.questions.values()]
    unknown = [a for c in conversations for a in c.acknowledgements.values() if a.state is Outcome.UNKNOWN]
    tiers = [e.tags["tier"] for e in local_run.aws.emails()]
    actual = (
        len([i for i in shop.interactions() if not i.brand]),
        len(local_run.stand_in.posted),
        sum(n - 1 for n in targets.values()),
        len([r for r in local_run.stand_in.refused if r.fault is Fault.RATE]),
        len(unknown),
        len([q for q in questions if q.answered_by]),
        len([q for q in questions if q.resolved and not q.answered_by]),
        len([q for q in questions if q.deleted]),
        len([c for c in conversations if c.state is State.OPEN and c.tier > 0]),
        len([t for t in tiers if t.startswith("1")]),
        len([t for t in tiers if t.startswith("2")]),
        sum(n - 1 for n in emails.values()),
        sum(local_run.aws.counts(queue) for queue in _DEAD_LETTERS),
    )
    in_ = (shop.statuses[200], shop.statuses[401])
    return dict(zip([label for label, _ in (*WENT_IN, *CAME_OUT)], (*in_, *actual), strict=True))


def finish(shop: Shop) -> bool:
    """Waits for the escalations, shows the table; whether every count is right."""
    teller = shop.teller
    teller.heading(
        "Now nobody answers. Twelve seconds after each question its time is up: Step Functions wakes Earshot."
    )
    emails = sum(count for label, count in CAME_OUT if label.startswith("escalation e-mails"))
    shop.until(lambda: len(shop.local_run.aws.emails()) >= emails, _LONGEST_S)
    sleep(_MOMENT_S)
    actual = counted(shop)
    teller.text("")
    for title, rows in (("What went in", WENT_IN), ("What came out", CAME_OUT)):
        teller.table((title, "expected", "actual"), [(label, n, actual[label]) for label, n in rows])
        teller.text("")
    return all(actual[label] == n for label, n in (*WENT_IN, *CAME_OUT))


def keep_email(shop: Shop) -> None:
    """Writes Ana's escalation e-mail to where a browser can open it."""
    found = next((e for e in shop.local_run.aws.emails() if "still cancel" in e.text), None)
    if found:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(found.html, "utf-8")
        shop.teller.text(f"The e-mail about Ana's question is in {PAGE}; open it in a browser.")


def keep_report(shop: Shop) -> None:
    """Writes the report of this story, from the facts of what the table holds."""
    from datetime import timedelta  # the report's libraries take a second to load: not before the story is told
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
            now=now + timedelta(hours=1),
            stored=stored,
            playbook=services.playbook,
            asked=list(facts.asked()),
        )
    exact = "every one of them stands in it" if report.ledger.reconciled.exact else "NOT all of them stand in it"
    shop.teller.text(f"What was asked, how it ended and who waited is in {REPORT}: {len(stored)} questions, {exact}.")


STORY = (facebook, urgent, ladder, messenger, elsewhere, failures)


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
    with shop(teller) as marigold:
        for chapter in STORY:
            chapter(marigold)
        right = finish(marigold)
        keep_email(marigold)
        keep_report(marigold)
    verdict = "Every count is right" if right else "A count is WRONG"
    teller.text(f"{verdict}; it took {monotonic() - started:.0f} s. Try it yourself: make run")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
