"""`python -m tests.breaks [NAME …]`: breaks the product on purpose, in one way at a time, and shows which of the
machine of stories and the crash matrix sees it within its usual budget. Exits 1 when one goes unseen."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chalicelib.conversations import answers, ladders, rules, staff_rules
from chalicelib.conversations.conversation import Conversation, Outcome
from chalicelib.handlers import acknowledge, notify, posting
from chalicelib.handlers.escalate import Escalator
from chalicelib.keys import Keys
from chalicelib.playbook import policy
from chalicelib.staff import incoming
from chalicelib.storage import item_keys, table
from chalicelib.storage.forgotten import Forgotten
from chalicelib.storage.optouts import OptOuts
from tests import test_crashes, test_states

Replacing = Callable[[Any], Any]
"""What stands in place of a function, made from it."""

FAR = timedelta(days=900)


def _keeps_intent(meet: Any) -> Any:
    def broken(known: Any, incoming: Any, *more: Any) -> Any:
        met = meet(known, incoming, *more)
        return replace(met, intent=known.intent) if known.pending else met

    return broken


def _acts_on_all(act: Any) -> Any:
    return lambda c, wish, *more: act(c, replace(wish, shown=staff_rules.shown(c)), *more)


def _bounces_always(bounce: Any) -> Any:
    def broken(c: Conversation, key: str, *more: Any) -> Any:
        notice = c.notices.get(key)
        fresh = replace(c, notices={**c.notices, key: replace(notice, fallback=False)}) if notice else c
        return bounce(fresh, key, *more)

    return broken


def _all_answered(record: Any) -> Any:
    def broken(c: Conversation, id: str, *more: Any, **named: Any) -> Any:
        known = c.answers.get(id)
        wide = replace(c, answers={**c.answers, id: replace(known, questions=staff_rules.shown(c))}) if known else c
        return record(wide, id, *more, **named)

    return broken


def _for_ever(held: Any) -> Any:
    def broken(c: Conversation, id: str) -> Any:
        until = held(c, id)
        return until + FAR if until else None

    return broken


def _holds_all(held: Any) -> Any:
    return lambda c, id: max((a.until for a in c.acts.values() if a.until and not a.undone_at), default=None)


def _claims_answered(claim: Any) -> Any:
    def broken(c: Conversation, key: str, token: str, now: Any) -> Any:
        notice = c.notices.get(key)
        if notice is None or notice.state is not Outcome.PENDING:
            return c
        taken = replace(notice, state=Outcome.CLAIMED, token=token, again_at=now + rules.NOTICE_LEASE)
        return replace(c, notices={**c.notices, key: taken})

    return broken


def _one_tier(call: Any) -> Any:
    return lambda self, intent, since, closes, ladder: (
        None if ladder.tier else call(self, intent, since, closes, ladder)
    )


def _drops_one(claim: Any) -> Any:
    count = [0]

    def broken(self: Any, key: Any, name: str, now: Any, *read: Any) -> Any:
        member = claim(self, key, name, now, *read)
        if sys._getframe(1).f_code.co_name == "send_gathered":
            count[0] += 1
            return None if count[0] % 3 == 0 else member
        return member

    return broken


def _again_at_once(guarded: Any) -> Any:
    return lambda self, key, now, outgoing, **more: self.escalate(key, now, outgoing=outgoing, **more)


def _urgent_waits(pace: Any) -> Any:
    return lambda c, clocks, now: now + timedelta(minutes=20)


def _any_conflict(put: Any) -> Any:
    """A lost condition: whoever writes last wins."""

    def broken(self: Any, item: Any) -> Any:
        old = self.get(item.key)
        return put(self, replace(item, rev=old.rev if old else 0))

    return broken


Part = tuple[Any, str, Replacing]
"""Where a function stands, its name, and what stands there instead."""

BOTH: Mapping[str, tuple[Part, ...]] = {
    "an automatic reply is claimed twice": (
        (rules, "claim", lambda f: _claim_again),
        (acknowledge.Acknowledger, "_decide", lambda f: _forgets_the_claim(f)),
    ),
    "our own words answer": (
        (answers, "our_reply", lambda f: lambda conversations, reply: None),
        (policy.Playbook, "is_ours", lambda f: lambda self, text: False),
    ),
}
"""What two rules prevent, each by itself: both are taken away."""

ONE: Mapping[str, Part] = {
    "urgent by edit is ignored": (rules, "_meet", _keeps_intent),
    "urgent waits for its turn": (ladders, "_pace", _urgent_waits),
    "what may have been posted is posted again": (posting.Poster, "post", lambda f: _tries_again(f)),
    "a sweep stops at a conversation that fails": (Escalator, "_guarded", _again_at_once),
    "a stale page acts on all": (staff_rules, "act", _acts_on_all),
    "an answer from the desk answers all": (staff_rules, "record_answer", _all_answered),
    "a greeting answers": (answers, "automatic", lambda f: lambda c, thread, clocks: frozenset()),
    "a reply to one answers others": (
        answers,
        "_answers",
        lambda f: lambda c, id, q, r: not r.deleted and r.at > q.asked,
    ),
    "a bounce is sent on each time": (staff_rules, "bounce", _bounces_always),
    "a claim never ends": (Conversation, "held_until", _for_ever),
    "snooze swallows what comes later": (Conversation, "held_until", _holds_all),
    "only the first tier is called": (policy.Playbook, "next_call", _one_tier),
    "a window's end hurries nobody": (policy, "before_window_closes", lambda f: lambda found, *more: found),
    "a group drops one": (notify.Notifier, "_claim", _drops_one),
    "who was answered is mailed all the same": (rules, "claim_notice", _claims_answered),
    "whoever writes last wins": (table.DynamoTable, "put", _any_conflict),
    "a new playbook is not applied": (Escalator, "_replan", lambda f: lambda self, now, until, outgoing: True),
    "what waits is not in the index": (item_keys, "conversation_index", lambda f: lambda c: {}),
    "a rewritten answer stays answered": (answers, "fingerprint", lambda f: lambda text: "same"),
    "links are not verified": (Keys, "verifies", lambda f: lambda self, purpose, *more, **named: True),
    "anybody answers by e-mail": (incoming.IncomingMail, "_refusal", lambda f: lambda self, *given: None),
    "a backlog revives the forgotten": (Forgotten, "concerns", lambda f: lambda self, i, *, lately=False: False),
    "opened again is not called again": (staff_rules, "_changed", lambda f: _no_time(f)),
    "a deletion changes nothing": (rules, "_without_words", lambda f: lambda q: replace(q, deleted=False)),
    "late questions count from now": (rules, "_question", lambda f: _from_arrival(f)),
    "stop is not heeded": (OptOuts, "any_stopped", lambda f: lambda self, people, *, lately=False: False),
}

BREAKS: Mapping[str, tuple[Part, ...]] = {**{name: (part,) for name, part in ONE.items()}, **BOTH}


def _claim_again(c: Conversation, id: str, acknowledgement: Any) -> Conversation:
    return replace(c, acknowledgements={**c.acknowledgements, id: acknowledgement})


def _forgets_the_claim(decide: Any) -> Any:
    def broken(self: Any, c: Conversation, thread: Any, i: Any, *more: Any) -> Any:
        others = {id: ack for id, ack in c.acknowledgements.items() if id != i.id}
        return decide(self, replace(c, acknowledgements=others), thread, i, *more)

    return broken


def _tries_again(try_: Any) -> Any:
    def broken(*given: Any, **named: Any) -> Any:
        done = try_(*given, **named)
        return done._replace(state=Outcome.PENDING, wait=timedelta(0)) if done.state is Outcome.UNKNOWN else done

    return broken


def _no_time(changed: Any) -> Any:
    return lambda question, wish, now: replace(changed(question, wish, now), answered_at=question.answered_at)


def _from_arrival(question: Any) -> Any:
    return lambda i, *more, **named: replace(question(i, *more, **named), waits_since=i.received_at)


@contextmanager
def broken(name: str) -> Iterator[None]:
    """The product with that break."""
    with ExitStack() as patches:
        for place, function, how in BREAKS[name]:
            whole = getattr(place, function)
            everywhere = [m for n, m in sys.modules.items() if n.startswith(("chalicelib", "app")) and m is not None]
            imported = [m for m in everywhere if getattr(m, function, None) is whole]
            for where in [place] if isinstance(place, type) else imported:
                patches.enter_context(patch.object(where, function, how(whole)))
        yield


def machine() -> str:
    """What the machine says within its usual budget; "" for nothing."""
    usual = settings(test_states.TestStory.settings, phases=(Phase.generate,), report_multiple_bugs=False)
    try:
        run_state_machine_as_test(test_states.Story, settings=usual)
    except Exception as error:
        return f"{type(error).__name__} {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:90]
    return ""


def matrix() -> str:
    """The same of the crash matrix."""
    for check in test_crashes.CHECKS:
        try:
            check()
        except Exception as error:
            return f"{type(error).__name__} {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:90]
    return ""


def main(names: list[str]) -> int:
    logging.disable(logging.CRITICAL)
    unseen = 0
    for name in names or BREAKS:
        began = time.process_time()
        with broken(name):
            by_machine = machine()
            by_matrix = "" if by_machine else matrix()
        seen = f"machine: {by_machine}" if by_machine else f"matrix: {by_matrix}" if by_matrix else "NOT SEEN"
        unseen += not (by_machine or by_matrix)
        print(f"{name:<45} {time.process_time() - began:5.1f} s  {seen}", flush=True)
    return int(bool(unseen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
