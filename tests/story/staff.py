"""What staff and operators do in the story: on the page, by e-mail, and to the shop itself."""

import re
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import rule

from chalicelib.conversations.conversation import Outcome
from chalicelib.conversations.customer import Customer
from chalicelib.playbook.parts import Team
from chalicelib.storage.store import ConversationKey
from infra.local.post_office import PASS
from tests.staff.desk_browser import FORM, Page, open_page
from tests.story.customers import ANN, BOB, KINDS, Customers
from tests.story.owed import Asked, Duty, Held, Said, Where
from tests.story.shop import DOMAIN, Sent, marks
from tests.story.telling import HOUR, MINUTE, OTHER, SECOND
from tests.world import PAGE, comment, delivery

UNTIL = {"30min": 30 * MINUTE, "90min": 90 * MINUTE, "5h": 5 * HOUR}
UNDO_WITHIN = 10 * MINUTE


@dataclass(repr=False)
class Opened:
    """A page that somebody has before them, and the versions that it shows."""

    page: Page
    where: Where
    marks: frozenset[str]

    def __repr__(self) -> str:
        return f"the page of {self.where} with {sorted(self.marks)}"


@dataclass
class Done:
    """An act that may be undone."""

    deed: str
    where: Where
    at: object
    asked: tuple[tuple[str, str | None], ...] = ()  # (mark, intent before)
    held: Held | None = None


class Staff(Customers):
    """Pages, answers, mails, releases, erasures."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[Opened] = []
        self.done: dict[str, Done] = {}
        self.seen: set[str] = set()
        self.sent_forms: set[tuple[str, ...]] = set()
        self.mailed_in: list[tuple[Sent, str, str]] = []

    # --- pages ---

    def opened(self, data: st.DataObject) -> Opened | None:
        """One that was opened before (it may be out of date), or one behind an e-mail's link."""
        stale: bool = data.draw(st.booleans())
        if self.pages and stale:
            return data.draw(st.sampled_from(self.pages[-4:]))
        paths = [path for m in self.world.mail_room.sent[-8:] for path in m.links]
        if not paths:
            return None
        path = data.draw(st.sampled_from(paths))
        before = dict(self.world.items())
        page = open_page(self.world, path)
        assert dict(self.world.items()) == before, "a page that was only looked at"
        if page.status != 200:
            return None
        found = Opened(page, self.where(path), marks(page.words))
        foreign = [m for m in found.marks if self.where_of(m) not in (found.where, None)]
        others = {m for m in foreign if self.where_of(m)[3] != found.where[3]}  # type: ignore[index]
        assert not others, f"P6: {others} on the page of {found.where}"
        self.pages.append(found)
        return found

    def where_of(self, mark: str) -> Where | None:
        a = self.owed.asked.get(mark.partition("v")[0])
        return a.where if a else None

    def here(self, shown: frozenset[str], where: Where) -> frozenset[str]:
        """Of what is shown: what was asked there, and not elsewhere by the same customer."""
        return frozenset(m for m in shown if self.where_of(m) == where)

    def press(self, opened: Opened, action: str, **fields: str) -> tuple[Page, str]:
        """The page after a button, and the id of the act, where one was done that can be taken back."""
        page = opened.page.press(action, who="Kim", **fields)
        if page.status == 404:  # erased since the page was opened
            assert self.conversation(opened.where) is None
            return page, ""
        assert page.status == 200
        self.world.run(SECOND)
        self.after_run()
        self.pages.append(Opened(page, opened.where, marks(page.words)))
        ids = [i for i in re.findall(r'name="act" value="([^"]+)"', page.html) if i not in self.seen]
        self.seen.update(ids)
        return page, ids[-1] if ids else ""

    def is_new(self, opened: Opened | None, action: str, *fields: str) -> bool:
        """Whether the page has such a button, whose form was not sent like that before."""
        once = re.search(r'name="once" value="([^"]+)"', opened.page.html) if opened else None
        if opened is None or once is None or f'value="{action}"' not in opened.page.html:
            return False
        form = (once[1], action, *fields)
        return form not in self.sent_forms and not self.sent_forms.add(form)  # type: ignore[func-returns-value]

    def shown(self, opened: Opened) -> list[Asked]:
        return [a for a in self.owed.seen(opened.marks) if a.open and a.where == opened.where]

    @rule(data=st.data())
    def opens_a_page(self, data: st.DataObject) -> None:
        self.opened(data)

    @rule(data=st.data(), action=st.sampled_from(("close", "answered")), meanwhile=st.sampled_from(("", "", *KINDS)))
    def closes(self, data: st.DataObject, action: str, meanwhile: str) -> None:
        """What the page shows needs no answer; something else may be on the inbox meanwhile."""
        opened = self.opened(data)
        if not self.is_new(opened, action):
            return
        assert opened
        asked, now = self.shown(opened), self.now()
        if meanwhile and asked and not asked[0].where[2].startswith("8900"):
            product, account, _, customer = opened.where
            under = None if product == "messenger" else asked[0]
            self.ask(customer, (product, account), meanwhile, under=under, process=False)
        before = tuple((a.mark, a.intent) for a in asked)
        self.owed.closing([a.mark for a in asked], now)
        _, id = self.press(opened, action)
        if id:
            self.done[id] = Done("close", opened.where, now, before)

    @rule(data=st.data(), action=st.sampled_from(("claim", "snooze")), until=st.sampled_from(sorted(UNTIL)))
    def holds(self, data: st.DataObject, action: str, until: str) -> None:
        opened = self.opened(data)
        if not self.is_new(opened, action, until):
            return
        assert opened
        asked, now = self.shown(opened), self.now()
        held = Held(frozenset(a.mark for a in asked), now + UNTIL[until])
        self.owed.held.append(held)
        _, id = self.press(opened, action, until=until)
        if id:
            self.done[id] = Done("hold", opened.where, now, held=held)

    @rule(data=st.data(), minutes=st.sampled_from((35, 100, 400)))
    def holds_and_time_passes(self, data: st.DataObject, minutes: int) -> None:
        """What somebody is on goes on when they are not back by then."""
        self.holds(data, "claim", "30min")
        self.tick(minutes * MINUTE)

    @rule(data=st.data(), urgent=st.booleans())
    def something_comes_while_it_is_put_off(self, data: st.DataObject, urgent: bool) -> None:
        self.holds(data, "snooze", "5h")
        asked = [a for h in self.owed.held[-1:] for a in self.owed.seen(h.marks) if a.open]
        if not asked or asked[0].where[3].startswith("8900"):
            return
        product, account, _, customer = asked[0].where
        under = None if product == "messenger" else asked[0]
        self.ask(customer, (product, account), "urgent" if urgent else "odd", under=under)
        self.tick(4 * MINUTE if urgent else 13 * MINUTE)

    @rule(data=st.data(), team=st.sampled_from(("web_shop", "stores", "pr")))
    def hands_over(self, data: st.DataObject, team: str) -> None:
        opened = self.opened(data)
        if not self.is_new(opened, "hand_over", team):
            return
        assert opened
        asked, now = self.shown(opened), self.now()
        if not asked:
            return
        self.owed.duties.append(Duty(boxes(self.owed.policy.teams[team]), tuple(asked), now, now))
        _, id = self.press(opened, "hand_over", team=team, note="please")
        if id:
            self.done[id] = Done("hand_over", opened.where, now)
        self.tick(2 * MINUTE)

    @rule(data=st.data(), intent=st.sampled_from(("refund", "stock", "legal_safety")))
    def corrects(self, data: st.DataObject, intent: str) -> None:
        opened = self.opened(data)
        if not self.is_new(opened, "correct", intent):
            return
        assert opened
        asked, now = self.shown(opened), self.now()
        if not asked:
            return
        before = tuple((a.mark, a.intent) for a in asked)
        for a in asked:
            a.intent, a.read_at = intent, now
            if intent == "legal_safety" and not a.urgent:
                a.urgent, a.urgent_at, a.opened_at = True, now, now
        since = now if intent == "legal_safety" else min(a.opened_at for a in asked)
        team = boxes(self.owed.team(asked[0]))
        own = any(opened.page.path in m.links and m.to in team for m in self.world.mail_room.sent)
        if intent != "legal_safety" and not own:  # which is owed as what is urgent; and who says so knows
            self.owed.duties.append(Duty(team, tuple(asked), since, now))
        _, id = self.press(opened, "correct", intent=intent)
        if id:
            self.done[id] = Done("correct", opened.where, now, before)
        self.tick(4 * MINUTE)

    @rule(data=st.data())
    def reopens(self, data: st.DataObject) -> None:
        opened = self.opened(data)
        if not self.is_new(opened, "reopen"):
            return
        assert opened
        now = self.now()
        asked = [a for a in self.owed.seen(opened.marks) if a.where == opened.where and not (a.open or a.gone)]
        if not asked:
            return
        before = tuple((a.mark, a.intent) for a in asked)
        for a in asked:
            a.closed = a.answered = False
            a.reopened_at = now
            if a.open:
                self.owed.opened(a, now, now)
        _, id = self.press(opened, "reopen")
        if id:
            self.done[id] = Done("reopen", opened.where, now, before)

    @rule(data=st.data())
    def takes_back(self, data: st.DataObject) -> None:
        """One of the acts that the page lets undo."""
        opened = self.opened(data)
        if opened is None:
            return
        ids = re.findall(r'name="act" value="([^"]+)"', opened.page.html)
        ids = [i for i in ids if i in self.done]
        if not ids:
            return
        id = data.draw(st.sampled_from(ids))
        done, now = self.done[id], self.now()
        if now - done.at <= UNDO_WITHIN:  # type: ignore[operator]
            self.undone(done)
            del self.done[id]
        body = f"action=undo&act={id}".encode()
        self.world.request("POST", opened.page.path, body, FORM)
        self.world.run(SECOND)
        self.after_run()

    def undone(self, done: Done) -> None:
        now, before = self.now(), dict(done.asked)
        if done.held:
            done.held.undone = True
        for a in self.owed.seen(before):
            if done.deed == "close" and a.closed:
                a.closed = False
                if a.open:
                    a.opened_at, a.urgent_at, a.ended_at = now, now, None
                    a.urgent = self.owed.policy.is_urgent(a.intent)
            elif done.deed == "correct":
                a.intent, a.read_at = before[a.mark], now
            elif done.deed == "reopen":
                a.closed, a.ended_at = True, now

    # --- answers ---

    def may_post(self, where: Where, asked: list[Asked]) -> bool:
        """Whether nothing speaks against posting an answer to them."""
        c = self.world.store.conversation(ConversationKey(*where))
        unsure = c and any(a.state in (Outcome.UNKNOWN, Outcome.CLAIMED) for a in c.answers.values())
        window = max((a.at for a in self.owed.of(where)), default=self.start) + 24 * HOUR
        closed = where[0] == "messenger" and window <= self.now()
        fails = self.world.wire.faults or self.world.wire.refused
        return bool(asked) and not unsure and not closed and self.is_steady() and not fails

    def posted(self, id: str) -> int:
        return sum(p.text.endswith(id) for p in self.world.wire.stand_in.posted)

    def settle_answer(self, where: Where, id: str, asked: list[Asked], must: bool) -> None:
        """What became of a person's answer: posted for certain, perhaps, or not at all."""
        c = self.world.store.conversation(ConversationKey(*where))
        answer = next((a for a in c.answers.values() if a.text.endswith(id)), None) if c else None
        sent = answer is not None and answer.state is Outcome.SENT
        assert not must or (sent and self.posted(id) == 1), f"an answer to {asked} was not posted"
        assert not sent or self.posted(id) == 1
        if self.posted(id):
            said = self.owed.said[id]
            said.known = sent
            self.owed.settle(self.now())
        else:
            del self.owed.said[id]

    @rule(data=st.data(), meanwhile=st.sampled_from(("", "odd")))
    def answers_by_the_form(self, data: st.DataObject, meanwhile: str) -> None:
        """What the page shows; something else may have been asked since it was opened."""
        opened, id = self.opened(data), self.name("a")
        if not self.is_new(opened, "answer", id):
            return
        assert opened
        asked = self.shown(opened)
        if meanwhile and asked and not asked[0].where[2].startswith("8900"):
            product, account, _, customer = opened.where
            self.ask(customer, (product, account), meanwhile, under=None if product == "messenger" else asked[0])
            asked = self.shown(opened)
        must = self.may_post(opened.where, asked)
        self.owed.said[id] = Said(id, self.now(), marks=self.here(opened.marks, opened.where), known=False)
        self.press(opened, "answer", text=f"Kim says: it is green. {id}")
        self.settle_answer(opened.where, id, asked, must)
        if not must and not asked:
            assert not self.posted(id), "an answer to what nobody waits for"

    @rule(data=st.data(), how=st.sampled_from(("good", "good", "good", "stranger", "fail", "forged", "again")))
    def answers_by_mail(self, data: st.DataObject, how: str) -> None:
        mails = [m for m in self.world.mail_room.sent[-8:] if m.reply_to.endswith(f"@{DOMAIN}")]
        if not mails:
            return
        mail = data.draw(st.sampled_from(mails))
        where, id, to, sender, verdicts = self.where(mail.links[0]), self.name("a"), mail.reply_to, mail.to, PASS
        asked = [a for a in self.owed.seen(mail.marks) if a.open and a.where == where]
        good = how == "good"
        message_id, text = "", f"Kim says: by mail. {id}"
        if how == "stranger":
            sender = "eve@other.example.com"
        elif how == "fail":
            verdicts = {**PASS, "dmarc": "FAIL", "dkim": "FAIL"}
        elif how == "forged":
            other = next((m for m in mails if m.reply_to != to), None)
            local = (other.reply_to if other else f"reply+{'a' * 24}.{'b' * 24}@{DOMAIN}").partition(".")[2]
            to = f"{to.partition('.')[0]}.{local}"
        elif how == "again" and self.mailed_in:
            _, message_id, text = self.mailed_in[-1]
            mail = self.mailed_in[-1][0]
            self.world.mail_in(mail.to, mail.reply_to, text, id=message_id)
            self.world.run(SECOND)
            return
        elif how == "again":
            return
        must = good and self.may_post(where, asked)
        if not good:
            before = self.done_there(where)
        self.owed.said[id] = Said(id, self.now(), marks=self.here(mail.marks, where), known=False)
        message_id = self.world.mail_in(sender, to, text, verdicts=verdicts)
        self.world.run(SECOND)
        self.after_run()
        if self.world.wire.faults == [] and not must and good:
            self.tick(MINUTE)
        if good:
            self.mailed_in.append((mail, message_id, text))
        else:
            assert not self.posted(id), f"P6: posted by {how}"
            assert self.done_there(where) == before
        self.settle_answer(where, id, asked, must)

    def conversation(self, where: Where) -> object:
        return self.world.store.conversation(ConversationKey(*where))

    def done_there(self, where: Where) -> object:
        """What was asked there and what people did; SES may tell of an e-mail meanwhile."""
        c = self.world.store.conversation(ConversationKey(*where))
        return (c.questions, c.acts, c.answers) if c else None

    # --- somebody who is not let in ---

    @rule(data=st.data(), what=st.sampled_from(("payload", "act", "shown", "app")))
    def somebody_tries_anothers(self, data: st.DataObject, what: str) -> None:
        """A link, a token or a secret of one conversation or account, tried on another."""
        if what == "app":
            body = delivery(comment("x1", "let me in", author="66", at=self.now(), post=f"{OTHER}_77"), page=OTHER)
            assert self.world.post(body) == 403
            assert self.world.post(body, secret="current", path="/webhooks/meta/other") == 401
            return
        paths = [path for m in self.world.mail_room.sent for path in m.links]
        pairs = [(p, q) for p in paths[-6:] for q in paths[-6:] if self.where(p) != self.where(q)]
        if not pairs:
            return
        mine, theirs = data.draw(st.sampled_from(pairs))
        before = self.conversation(self.where(theirs))
        if what == "payload":
            mixed = f"{theirs.partition('.')[0]}.{mine.partition('.')[2]}"
            assert self.world.request("GET", mixed).status == 404
            assert self.world.request("POST", mixed, b"action=close", FORM).status == 404
        else:
            page = open_page(self.world, theirs)
            if page.status != 200:
                return
            hidden = dict(re.findall(r'name="(shown|once|act)" value="([^"]*)"', page.html))
            act = f"undo&act={hidden.get('act', 'x')}" if what == "act" else "close"
            own = self.conversation(self.where(mine))
            form = f"action={act}&shown={hidden.get('shown', '')}&once=n{self.name('n')}"
            self.world.request("POST", mine, form.replace(" ", "+").encode(), FORM)
            assert self.conversation(self.where(mine)) == own
        assert self.conversation(self.where(theirs)) == before

    # --- the shop ---

    @rule(customer=st.sampled_from((ANN, BOB)), place=st.sampled_from((PAGE, OTHER)))
    def is_erased(self, customer: str, place: str) -> None:
        """A customer asks to be forgotten."""
        self.world.breaks.left, now = 0, self.now()
        products = ("facebook", "messenger") if place == PAGE else ("facebook",)
        who = [Customer(product, place, customer) for product in products]
        self.world.services.eraser.request(who, self.name("code"), now)
        self.forgotten[place, customer] = now
        self.erasures.append((place, customer, now))
        for c in who:
            self.words.pop((c.product, c.account, c.id), None)
            self.linked = {pair for pair in self.linked if (c.product, c.account, c.id) not in pair}
            gone = self.owed.erase(c.product, c.account, c.id)
            self.ids -= {a.id for a in gone}
            self.ids -= {s.id for s in self.owed.said.values() if s.parent in {a.id for a in gone}}
            if gone:
                versions = frozenset(f"{a.id}v{n}" for a in gone for n in range(1, a.version + 1))
                self.erased.append((now, versions))
        self.tick(3 * SECOND)
        for account, body in [b for b in self.bodies if b[0] == place and customer.encode() in b[1]][-3:]:
            self.deliver(body, account, keep=False)  # what waited somewhere comes after it
        if self.erased and self.erased[-1][0] == now:
            waited = self.ask(customer, ("facebook", place), "odd", lag=HOUR)  # and comes for the first time
            self.erased.append((now, frozenset({waited.mark})))
            self.tick(18 * MINUTE)


def boxes(team: Team) -> frozenset[str]:
    return frozenset((team.email, team.fallback_email))
