"""The story that `make demo` tells, chapter by chapter: what customers write, what Earshot does, and what the shop's
people make of its e-mails."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from chalicelib.conversations.conversation import Conversation, Outcome, State
from chalicelib.conversations.interaction import Interaction
from chalicelib.platforms import PRODUCTS
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local import post_office
from infra.local.deliveries import Delivery, author_id, deliver
from infra.local.embedded import SentEmail
from infra.local.local_run import LocalRun
from infra.local.staff_browser import DeskPage, links, open_desk
from infra.local.stand_in import Fault
from infra.local.telling import Teller

PATIENCE_S = 15.0  # for one step; what is missing then is shown by the counts
LONGEST_S = 45.0  # for an e-mail
COMMENTS, MESSAGES, PHOTOS, CHAT, POSTS, FORUM, *_ = PRODUCTS  # the registry's first, in its order
CROWD = ("Pau", "Rui", "Sol", "Tea", "Uma", "Vic")


@dataclass(slots=True)
class Shop:
    """The shop's side of the story: who says what, and what became of it. `desk` is the page as it was first seen."""

    local_run: LocalRun
    teller: Teller
    statuses: Counter[int] = field(default_factory=Counter)
    said: dict[str, SimulatedMessage] = field(default_factory=dict)
    desk: DeskPage | None = None

    # --- customers ---

    def customer(self, product: str, name: str, text: str) -> SimulatedMessage:
        """What `name` asks, not yet delivered."""
        self.teller.names[author_id(name)] = name
        self.said.setdefault(name, SimulatedMessage(product, text, author_id(name), name))
        return (
            SimulatedMessage(product, text, author_id(name), name) if self.said[name].text != text else self.said[name]
        )

    def tell(self, *said: SimulatedMessage, how: str = "writes", secret: str = "") -> None:
        """Delivers what was said."""
        for s in said:
            self.teller.line("in", s.product, f"{s.name or 'The shop'} {how}", s.text)
        self.send(deliver(self.local_run.apps, *said, secret=secret))

    def send(self, delivery: Delivery) -> None:
        self.statuses[delivery.send(self.local_run.url)[0]] += 1

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Waits until `condition`, at most `seconds`."""
        ends = monotonic() + seconds
        while not condition() and monotonic() < ends:
            sleep(0.05)

    def replied(self, *said: SimulatedMessage) -> None:
        """Waits until the automatic reply to each was told."""
        ids = [s.id for s in said]
        self.until(lambda: all(any(id in told for told in self.teller.replied) for id in ids))

    # --- what became of it ---

    def conversations(self) -> list[Conversation]:
        return list(self.local_run.services.store.conversations())

    def interactions(self) -> list[Interaction]:
        return list(self.local_run.services.store.interactions())

    def of(self, said: SimulatedMessage) -> Conversation:
        """The conversation of who said that, once it is stored."""
        return next((c for c in self.conversations() if c.customer == said.author), Conversation("", "", "", ""))

    def emails(self, words: str) -> list[SentEmail]:
        """The e-mails in which these words stand."""
        return [e for e in self.local_run.aws.emails() if words in e.text]

    def email(self, words: str, *, tier: int = 1, subject: str = "") -> SentEmail | None:
        """The e-mail of that tier in which these words stand, as soon as it was told; None when it does not come."""

        def told() -> str | None:
            events = (e for e in self.teller.notified if e.result == "sent" and e.tier == tier and subject in e.subject)
            return next((e.text for e in events if words in e.text), None)

        self.until(told, LONGEST_S)
        return next((e for e in self.emails(words) if e.text == told()), None)

    def about(self, *names: str) -> None:
        """Until the next such call only e-mails about these customers are told."""
        self.teller.about(frozenset(map(author_id, names)))


# --- customers ask --------------------------------------------------------------------------------------------------


def comments(shop: Shop) -> None:
    """A batch, the same again, a forgery, an answer, an edit and a deletion."""
    head = shop.teller.heading
    head("Facebook sends four comments and a reaction in one delivery.")
    ana = shop.customer(COMMENTS, "Ana", "Can I cancel my order please?")
    ben = shop.customer(COMMENTS, "Ben", "What are your opening hours on Sunday?")
    dora = shop.customer(COMMENTS, "Dora", "How do I return a pair of shoes?")
    zoe = shop.customer(COMMENTS, "Zoé", "Can I exchange the café cups for a bigger size? ☕")
    like = SimulatedMessage(COMMENTS, author=author_id("Carla"), name="Carla", verb="react")
    batch = deliver(shop.local_run.apps, ana, like, ben, dora, zoe)
    for said in (ana, ben, dora, zoe):
        shop.teller.line("in", COMMENTS, f"{said.name} writes", said.text)
    shop.teller.line("in", COMMENTS, "Carla reacts", "with a heart: nothing to answer")
    shop.send(batch)
    shop.replied(ana, ben, dora, zoe)

    head("It sends the same delivery once more, as platforms do when an answer is late.")
    shop.send(batch)
    shop.until(lambda: shop.teller.repeats >= 4)
    shop.teller.line("dim", COMMENTS, "Earshot", "knows all of it already: nothing to do")

    head("Somebody who does not know the app's secret forges a delivery.")
    forged = SimulatedMessage(COMMENTS, "Everything is free today!", author_id("Mallory"), "Mallory")
    shop.tell(forged, how="forges", secret="a wrong secret")

    head("A person at the shop answers Dora on Facebook: nobody will be called about her.")
    answer = SimulatedMessage(COMMENTS, "Hello Dora, just bring them to any of our stores.", to=dora.id)
    shop.tell(answer, how="answers")
    shop.until(lambda: shop.of(dora).state is State.ANSWERED)

    head("Ana changes her comment: the words are new, the automatic reply stays the only one.")
    edited = SimulatedMessage(COMMENTS, "Can I still cancel my order please?", ana.author, "Ana", ana.id, verb="edited")
    shop.tell(edited, how="edits")
    shop.until(lambda: any("still" in i.text for i in shop.interactions()))

    head("Emil asks, then deletes his comment: nobody is called about that either.")
    emil = shop.customer(COMMENTS, "Emil", "Can I swap the size?")
    shop.tell(emil)
    shop.replied(emil)
    shop.tell(SimulatedMessage(COMMENTS, "", emil.author, "Emil", emil.id, verb="remove"), how="deletes it")
    shop.until(lambda: shop.of(emil).state is State.DELETED)


def urgent(shop: Shop) -> None:
    shop.teller.heading("Fay's comment is urgent: no automatic reply, an e-mail to the press office at once.")
    words = "The lamp you sold me caught fire last night. My lawyer will contact you."
    shop.tell(shop.customer(COMMENTS, "Fay", words))
    shop.until(lambda: shop.emails("caught fire"))


def ladder(shop: Shop) -> None:
    head = shop.teller.heading
    head("The less is certain, the less is said: Nia asks two things, Otto jokes, Pia denies the wish that she names.")
    nia = shop.customer(COMMENTS, "Nia", "Can I return it in store? And how do I get a return label?")
    otto = shop.customer(COMMENTS, "Otto", "How do I check the balance of my gift card, this is a joke")
    pia = shop.customer(COMMENTS, "Pia", "Please do not cancel my order, I still want it.")
    shop.tell(nia, otto, pia)
    shop.replied(nia, otto)
    shop.until(lambda: any(q.silence for q in shop.of(pia).questions.values()))


def crowd(shop: Shop) -> None:
    """Six under one post at once."""
    shop.teller.heading("A van has broken down: six customers ask under the same post.")
    asked = [shop.customer(COMMENTS, name, "Where is my parcel? It was to be here yesterday.") for name in CROWD]
    shop.teller.line("in", COMMENTS, "Six people write", asked[0].text)
    shop.teller.crowd = frozenset(s.author for s in asked)
    shop.send(deliver(shop.local_run.apps, *asked))
    shop.replied(*asked)
    posted = [p for p in shop.local_run.stand_in.posted if p.target in {s.id for s in asked}]
    shop.teller.line(
        "out", COMMENTS, "Earshot replies", f"to each of the {len(posted)}: {posted[0].text if posted else ''}"
    )


def elsewhere(shop: Shop) -> None:
    """Messenger, Instagram, WhatsApp, X."""
    head = shop.teller.heading
    head("Messenger, Instagram, WhatsApp and X: other shapes and signatures. Messenger tells no names of Gus and Hana.")
    gus = shop.customer(MESSAGES, "Gus", "How do I check the balance of my gift card? 🎁")
    hana = shop.customer(MESSAGES, "Hana", "Which size should I take, I am usually a 38?")
    iris = shop.customer(PHOTOS, "Iris", "When will the blue vase be back in stock?")
    jo = shop.customer(CHAT, "Jo", "I can't log in to my account")
    kim = shop.customer(POSTS, "Kim", "@MarigoldFinch my discount code does not work")
    shop.tell(gus, hana)
    for said in (iris, jo, kim):
        shop.tell(said)
    shop.replied(hana, iris, jo, kim)
    answer = SimulatedMessage(MESSAGES, "Hello Hana, that one runs small: take a 39.", to=hana.author)
    shop.tell(answer, how="answers Hana")
    shop.until(lambda: shop.of(hana).state is State.ANSWERED)


def failures(shop: Shop) -> None:
    """A rate limit, and a reply of which nobody knows whether it is out."""
    head = shop.teller.heading
    head("The website takes no more replies for a moment: a definite no, so Earshot may try again.")
    lea = shop.customer(FORUM, "Lea", "How can I check the balance of my gift card?")
    shop.local_run.stand_in.fail_next(lea.id, Fault.RATE)
    shop.tell(lea)
    shop.replied(lea)

    head("Facebook takes the reply to Max, but its answer gets lost; and then it delivers his comment once more.")
    max_ = shop.customer(COMMENTS, "Max", "Where can I find my invoice?")
    shop.local_run.stand_in.fail_next(max_.id, Fault.LOST)
    shop.tell(max_)
    shop.until(lambda: any(a.state is Outcome.UNKNOWN for a in shop.of(max_).acknowledgements.values()))
    shop.tell(max_, how="(delivered again)")


# --- people are called, and act -------------------------------------------------------------------------------------


def claimed(shop: Shop) -> None:
    shop.teller.heading(
        "Ten seconds after her question nobody has answered Ana: her team is told before the answer is due.\n"
        "(Here that is 20 s for a cancellation, 10 min for all else; customers are told the next five minutes.)"
    )
    shop.about("Ana")
    if email := shop.email("still cancel my order"):
        shop.desk = open_desk(links(email.text)[0])
        shop.teller.line("in", "", "Noor opens the link", "and presses: I'm on it")
        shop.teller.line("out", "", "The page says", shop.desk.press("claim", who="Noor", until="30min").says)


def answered_by_form(shop: Shop) -> None:
    shop.teller.heading("The page behind the link takes answers too: Noor answers Zoé as the shop.")
    shop.about("Zoé")
    if email := shop.email("café cups"):
        page = open_desk(links(email.text)[0]).press(
            "answer", who="Noor", text="Of course, Zoé! Bring them in any day. ☕"
        )
        shop.teller.line("out", "", "The page says", page.says)


def answered_by_mail(shop: Shop) -> None:
    shop.teller.heading(
        "Jo still waits, and now it is urgent: the press office is told at once, and answers by e-mail."
    )
    shop.about("Jo")
    shop.email("log in to my account")
    shop.tell(shop.customer(CHAT, "Jo", "Somebody has hacked my account and is ordering things!"))
    if email := shop.email("hacked my account", subject="URGENT"):
        words, sender = "Jo, we have locked your account. Nothing will be charged.", f"Rosa <{email.to}>"
        shop.teller.line("in", "", "Rosa replies by e-mail", words)
        mime = post_office.answer(words, sender, email.reply_to)
        post_office.receive(shop.local_run.aws, mime, email.reply_to, email.to)
        jo = author_id("Jo")
        shop.until(lambda: all(c.state is State.ANSWERED for c in shop.conversations() if c.customer == jo))


def grouped(shop: Shop) -> None:
    shop.teller.heading("The six who asked under one post stand in one e-mail, each with buttons of their own.")
    shop.about(*CROWD)
    shop.email("Where is my parcel?")


def second_step(shop: Shop) -> None:
    shop.teller.heading(
        "Nobody takes care of Pia or of Fay: when their time is over the lead is called, once for each."
    )
    shop.about("Pia", "Fay")
    shop.email("do not cancel my order", tier=2)
    shop.email("caught fire", tier=2)
    shop.teller.heading("Meanwhile the other teams were told as well, ten seconds after each question.")
    for words in ("Otto", "Nia", "gift card? 🎁", "blue vase", "discount code", "balance of my gift card?", "invoice"):
        shop.email(words)
    shop.teller.about(None)


STORY = (
    *(comments, urgent, ladder, crowd, elsewhere, failures),
    *(claimed, answered_by_form, answered_by_mail, grouped, second_step),
)
