"""The desk: the page behind an e-mail's link, and what its forms do. The link shows; only a form's POST acts, because
scanners open links. Every act names the version that its page had shown."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.apps import Apps
from chalicelib.aws.queues import Queue, QueueUnavailable
from chalicelib.aws.timer import Timer, wake_for
from chalicelib.codec import from_time
from chalicelib.conversations import staff_rules
from chalicelib.conversations.conversation import Conversation, Deed, Outcome
from chalicelib.conversations.interaction import Interaction
from chalicelib.conversations.staff_rules import Wish
from chalicelib.emails import links
from chalicelib.emails.content import Content
from chalicelib.emails.links import Link, LinkError
from chalicelib.emails.phrases import Phrases, phrases
from chalicelib.emails.safe_text import name
from chalicelib.handlers.messages import EscalationDue, SendNotice, encode
from chalicelib.keys import Keys
from chalicelib.playbook.parts import Team
from chalicelib.playbook.policy import Playbook
from chalicelib.staff import choices, page
from chalicelib.staff.answers import Answerer, Draft, Problem, Result, draft_text, once_id
from chalicelib.staff.choices import BadAction
from chalicelib.staff.page import Said
from chalicelib.storage import names
from chalicelib.storage.optouts import OptOut, OptOuts
from chalicelib.storage.store import Change, ConversationKey, Store

LABELS = "labels"  # the collection of stored labelled rows
KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A form that was sent: by whose link, about which conversation as it stood then, what its page had shown, `who`
    says to have done it, in which words they are answered, and when."""

    link: Link
    conversation: Conversation
    form: Mapping[str, str]
    shown: tuple[str, ...]
    who: str
    say: Phrases
    now: Callable[[], datetime]

    @property
    def id(self) -> str:
        """What makes it happen once; "" where the form names none."""
        return self.form.get("once", "")

    def field(self, name: str, otherwise: str = "") -> str:
        return self.form.get(name, otherwise)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the desk works with."""

    store: Store
    playbook: Playbook
    apps: Apps
    keys: Keys
    answerer: Answerer
    escalations: Queue
    due: Queue
    timer: Timer
    new_token: Callable[[], str]

    def show(self, token: str, query: Mapping[str, str], now: datetime) -> str:
        """The page behind a link; `suggest` in the query puts the suggested text into the field. Raises LinkError."""
        link, c = self._open(token, now)
        view = self._view(link, c, now)
        draft = view.suggestion if "suggest" in query else ""
        return page.render(view, Said(draft=draft, name=name(query.get("who", ""))), self.new_token())

    def act(self, token: str, form: Mapping[str, str], now: Callable[[], datetime]) -> str:
        """Does what the page's form asks for and returns the page again. Raises LinkError, BadAction."""
        link, before = self._open(token, now())
        asked = Submitted(
            link=link,
            conversation=before,
            form=form,
            shown=tuple(form.get("shown", "").split()),  # a form that names no version has shown nothing
            who=name(form.get("who") or form.get("name") or ""),
            say=self._say(link, before),
            now=now,
        )
        said = self._done(asked, form.get("action", ""))
        return page.render(self._view(link, self._conversation(link), now(), asked.shown), said, self.new_token())

    def _done(self, asked: Submitted, action: str) -> Said:
        if action == "answer":
            return self._answer(asked)
        if action == "undo":
            return self._undo(asked)
        if action in _AUTOMATIC:
            return self._automatic(asked, _AUTOMATIC[action])
        if action in _DEEDS:
            return self._deed(asked, Deed(action))
        raise BadAction(asked.say("choose_button"))

    def problem(self, words: str) -> str:
        """A readable page for a form that asks for what there is not."""
        return page.problem(words, self._shops_words)

    def unopened(self, error: LinkError) -> str:
        """A readable page for a link that opens nothing, in the shop's language: whose link it was nobody can know."""
        return page.problem(self._shops_words(str(error)), self._shops_words)

    @property
    def _shops_words(self) -> Phrases:
        return phrases(self.playbook.languages[0], self.playbook.shop.timezone)

    # --- reading ---

    def _open(self, token: str, now: datetime) -> tuple[Link, Conversation]:
        link = links.read(self.keys, token, now)
        return link, self._conversation(link)

    def _conversation(self, link: Link) -> Conversation:
        found = self.store.conversation(link.key)
        if found is None:
            raise LinkError("link_kept")
        return found

    def _team(self, link: Link, c: Conversation) -> Team:
        """Whose e-mail the link stands in."""
        notice = c.notices.get(link.via)
        handed = self.playbook.teams.get(notice.team) if notice else None
        if handed or notice is None:
            return handed or self.playbook.team(c.intent, 1)
        return self.playbook.team(notice.intent or c.intent, notice.tier, urgent=notice.urgent)

    @property
    def _content(self) -> Content:
        return Content(self.store, self.playbook, self.apps)

    def _say(self, link: Link, c: Conversation) -> Phrases:
        return self._content.say(self._team(link, c))

    def _view(self, link: Link, c: Conversation, now: datetime, shown: tuple[str, ...] | None = None) -> page.View:
        content, say = self._content, self._say(link, c)
        to = self.answerer.target(c, staff_rules.shown(c))
        return page.View(
            conversation=c,
            email=content.email(c, page.any_notice(c, link.via, now), now, team=self._team(link, c)),
            everything=content.said(c, page.SAID, open_too=True),
            say=say,
            now=now,
            via=link.via,
            to=to,
            teams=tuple((key, content.team_name(key, say)) for key in self.playbook.teams),
            history=self._history(c),
            suggestion=self._suggestion(c, to),
            later=shown is not None and bool(staff_rules.came_later(c, shown)),
        )

    def _suggestion(self, c: Conversation, to: Interaction | None) -> str:
        """The playbook's own reply to this kind of question, in the customer's language."""
        language = to.reading.language if to and to.reading else None
        return self.playbook.own_reply(c.intent, language, c.product, private=c.private)

    def _history(self, c: Conversation) -> tuple[page.Earlier, ...]:
        """The customer's other conversations with this account, the newest first."""
        found: list[page.Earlier] = []
        newest = sorted(self.store.conversations_of(c.product, c.account, c.customer), key=_asked_at, reverse=True)
        for other in newest[: page.HISTORY + 1]:
            if other.thread == c.thread:
                continue
            asked = sorted(other.questions.items(), key=lambda row: row[1].at)
            first = self.store.interaction(other.product, other.account, asked[0][0]) if asked else None
            if asked:
                found.append(page.Earlier(asked[0][1].at, other.state.value, other.intent, first.text if first else ""))
        return tuple(found)

    # --- doing ---

    def _answer(self, asked: Submitted) -> Said:
        text, place = draft_text(asked.field("text")), asked.field("place")
        draft = Draft(
            id=once_id(asked.id or self.new_token(), "answer", text, place),
            who=asked.who,
            text=text,
            shown=asked.shown,
            private=place == "private",
            again=asked.field("again") == "yes",
        )
        result = self.answerer.answer(asked.link.key, draft, asked.now)
        words, bad = result_words(result, asked.say, asked.say.place(asked.link.key.product))
        look = result.problem in (Problem.UNSURE, Problem.ANSWERED)
        return Said(words, bad, draft.text if bad else "", look_first=look, name=asked.who)

    def _deed(self, asked: Submitted, deed: Deed) -> Said:
        key, now, wish = asked.link.key, asked.now(), self._wish(asked, deed)
        done = self.store.update_conversation(key, lambda old: staff_rules.act(old, wish, self.playbook, now), now)
        if done is None or wish.id not in done.after.acts:
            return Said(asked.say("nothing_changed"), bad=True, name=asked.who)
        if deed is Deed.CORRECT:
            self._learn(asked.conversation, wish, now)
        self._tell(key, done, now)
        called = self._content.team_name(wish.team, asked.say) if wish.team else ""
        return Said(_after(wish, asked.say, called), name=asked.who)

    def _wish(self, asked: Submitted, deed: Deed) -> Wish:
        """What the form asks for, read strictly. Raises BadAction."""
        own, say = self._team(asked.link, asked.conversation), asked.say
        held = deed in (Deed.CLAIM, Deed.SNOOZE)
        intent = choices.intent(asked.field("intent"), say) if deed is Deed.CORRECT else ""
        team = choices.team(asked.field("team"), self.playbook, say) if deed is Deed.HAND_OVER else ""
        if deed is Deed.CORRECT:
            right = self.playbook.team(intent, 1).name
            team = right if right != own.name else ""
        return Wish(
            id=once_id(asked.id or self.new_token(), deed, *map(asked.field, _ASKED_FOR)),
            deed=deed,
            who=asked.who,
            shown=asked.shown,
            until=self._until(asked, own) if held else None,
            team=team,
            intent=intent,
            note=draft_text(asked.field("note"))[:1000],
            link=asked.link.via,
        )

    def _until(self, asked: Submitted, own: Team) -> datetime:
        """Until when nobody else is called: never so long that the platform takes no answer any more. Raises
        BadAction."""
        now, closes_at = asked.now(), asked.conversation.window_closes_at
        until = choices.until(asked.field("until", "2h"), own.hours, now, asked.say)
        if closes_at is None or closes_at <= now:
            return until
        last = closes_at - self.playbook.before_window_closes
        return min(until, last if now < last else now + (closes_at - now) / 2)

    def _undo(self, asked: Submitted) -> Said:
        key, id, now = asked.link.key, asked.field("act"), asked.now()
        done = self.store.update_conversation(key, lambda old: staff_rules.undo(old, id, self.playbook, now), now)
        if done is None or done.before == done.after:
            return Said(asked.say("nothing_changed"), bad=True)
        self._tell(key, done, now)
        return Said(asked.say("undone_now"), name=name(done.after.acts[id].who))

    def _automatic(self, asked: Submitted, stopped: bool) -> Said:
        """Whether the customer gets automatic replies, as they told a person."""
        key = asked.link.key
        word = OptOut(stopped, asked.now(), asked.who or asked.say("somebody"))
        OptOuts(self.store).note(key.product, key.account, key.customer, word)
        return Said(asked.say("automatic_off_now" if stopped else "automatic_on_now"), name=asked.who)

    def _tell(self, key: ConversationKey, done: Change[Conversation], now: datetime) -> None:
        """Sends the notices that an act made, and wakes for what falls due by it. What a queue does not take now the
        next sweep finds by the stored times: the act itself is done."""
        before = done.before.notices if done.before else {}
        with suppress(QueueUnavailable):
            for id, notice in done.after.notices.items():
                if id not in before and notice.state is Outcome.PENDING:
                    self.escalations.send(encode(SendNotice.of(done.after, id)))
            if done.after.due_at and done.after.due_at <= now:
                self.due.send(encode(EscalationDue(key)))
        wake_for(self.timer, done.after.due_at, now)

    def _learn(self, c: Conversation, wish: Wish, now: datetime) -> None:
        """A labelled row for each text that the correction was about."""
        for id, _ in staff_rules.open_questions(c, wish.shown):
            i = self.store.interaction(c.product, c.account, id)
            if i is None or not i.text or i.deleted:
                continue
            row = {
                "text": i.text,
                "intent": wish.intent,
                "corrected_from": i.reading.intent if i.reading else None,
                "source": "staff",
                "lang": i.reading.language if i.reading else None,
                "model": i.reading.model if i.reading else None,
                "at": from_time(now),
            }
            row_name = names.label(i.product, i.account, i.id)
            self.store.set_document(LABELS, row_name, {k: v for k, v in row.items() if v}, now + KEPT, customer=i)


def _asked_at(c: Conversation) -> datetime:
    return max((q.at for q in c.questions.values()), default=datetime.min.replace(tzinfo=UTC))


_AUTOMATIC = {"automatic_off": True, "automatic_on": False}
_ASKED_FOR = ("until", "team", "intent", "note")
_DEEDS = frozenset(Deed) - {Deed.ANSWER}


def result_words(result: Result, say: Phrases, place: str) -> tuple[str, bool]:
    """What became of an answer in words, and whether that is bad news."""
    if result.problem:
        return say(result.problem.value, where=place, fits=result.fits), True
    answer = result.answer
    assert answer is not None
    values: dict[str, Any] = {
        "where": place,
        "code": name(answer.code) or "?",
        "duration": say.duration(result.wait or timedelta()),
    }
    key = {
        Outcome.SENT: "posted",
        Outcome.PENDING: "kept_back",
        Outcome.REFUSED: "was_refused",
    }.get(answer.state, "unsure")
    return say(key, **values), answer.state is not Outcome.SENT


def _after(wish: Wish, say: Phrases, team: str) -> str:
    """What the page says after an act that was done; `team` is what people call the one that is told of it."""
    told = say("told", team=name(team)) if team else ""
    if wish.deed is Deed.CORRECT:
        return f"{say('noted', what=say.label(wish.intent))} {told}".rstrip()
    if wish.deed is Deed.HAND_OVER:
        return told
    if wish.until:
        return say("held", until=say.time(wish.until))
    return say("opened_now" if wish.deed is Deed.REOPEN else "closed_now")
