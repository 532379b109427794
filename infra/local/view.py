"""What the local page shows: every conversation with what was said in it, and every e-mail, as plain data."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from chalicelib import platforms
from chalicelib.codec import from_time
from chalicelib.conversations.conversation import Acknowledgement, Conversation, Outcome, PersonalAnswer
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.conversations.why import Why
from chalicelib.emails.phrases import phrases
from infra.local.local_run import LocalRun

MOST = 60  # conversations and e-mails shown, the newest first

_NOTES = {
    Outcome.CLAIMED: "being sent",
    Outcome.PENDING: "held back by the platform, will be tried again",
    Outcome.REFUSED: "refused by the platform",
    Outcome.UNKNOWN: "perhaps not delivered",
}

# Reasons whose labels need more words
_WHY: dict[str, str] = {
    Why.NOT_SURE: "the model is not sure enough of any reply",
    Why.INTENT: "the playbook leaves this to people",
    Why.TOO_OLD: "it is older than replies may be",
    Why.RECENT: "this customer has had one in this thread",
    Why.CAP: "a cap is reached (one a customer and post, so many an hour)",
    Why.BREAKER: "the platform refuses the account's token",
    Why.OPTED_OUT: "this customer wants no automatic replies",
    Why.ALREADY: "it has had its one reply",
}


def state(local_run: LocalRun) -> dict[str, Any]:
    """All of it, read from the table and from SES."""
    conversations: list[Conversation] = []
    said: dict[tuple[str, str, str], list[Interaction]] = defaultdict(list)
    for noun in local_run.services.store.everything():
        if isinstance(noun, Conversation):
            conversations.append(noun)
        else:
            said[noun.product, noun.account, noun.thread].append(noun)
    shown = [_conversation(c, said[c.product, c.account, c.thread]) for c in conversations]
    emails = [
        {"id": e.id, "at": from_time(e.at), "to": e.to, "subject": e.subject, "html": e.html, "text": e.text}
        for e in reversed(local_run.aws.emails()[-MOST:])
    ]
    newest = sorted(shown, key=lambda c: str(c["at"]), reverse=True)[:MOST]
    return {
        "conversations": newest,
        "emails": emails,
        "products": {name: platforms.title(name) for name in platforms.PRODUCTS},
        "spoken": {a.product: platforms.title(a.product) for app in local_run.apps.apps for a in app.accounts},
    }


def _conversation(c: Conversation, said: list[Interaction]) -> dict[str, Any]:
    ours = {ack.id for ack in c.acknowledgements.values()} | {answer.id for answer in c.answers.values()}
    lines = [line for i in said if i.id in c.questions for line in _asked(c, i)]
    lines += [
        _line("brand", "", i.text, i.at)
        for i in said
        if i.brand and i.kind is Kind.BRAND_REPLY and i.id not in ours and not i.ours
    ]
    lines += [_line("brand", a.who or "Somebody", a.text, a.at, _how(a)) for a in c.answers.values()]
    name = next((i.author_name for i in said if i.id in c.questions and i.author_name), None)
    return {
        "id": c.id,
        "product": c.product,
        "thread": c.thread,
        "customer": name or f"A customer ({platforms.title(c.product)} told no name)",
        "state": c.state.value,
        "intent": phrases("en", "UTC").label(c.intent),
        "tier": c.tier,
        "due_at": from_time(c.due_at) if c.due_at else None,
        "at": max((line["at"] for line in lines), default=""),
        "lines": sorted(lines, key=lambda line: str(line["at"])),
    }


def _asked(c: Conversation, i: Interaction) -> Iterator[dict[str, Any]]:
    """A customer's words and the automatic replies to them."""
    note = "deleted" if i.deleted else "hidden" if i.hidden else ""
    yield _line("customer", i.author_name or "", i.text, i.at, note) | {"read": _read(c, i)}
    for ack in (c.acknowledgements.get(i.id), c.acknowledgements.get(f"{i.id}/private")):
        if ack:
            yield _acknowledged(ack)


def _read(c: Conversation, i: Interaction) -> str:
    """What the model read, how sure it was of each rung, and why there was no automatic reply."""
    question, reading = c.questions[i.id], i.reading
    if reading is None:
        return ""
    sure = [f"{rung} {probability:.2f}" for rung, probability in reading.rungs.items()]
    read = f"read as {phrases('en', 'UTC').label(reading.intent).lower()} {reading.confidence:.2f}"
    allowed = f"sure enough for: {', '.join(reading.allowed) or 'no reply'}"
    why = f"no automatic reply: {_WHY.get(question.silence, question.silence.replace('_', ' '))}"
    return " · ".join([read, *sure, allowed, *([why] if question.silence else [])])


def _acknowledged(ack: Acknowledgement) -> dict[str, Any]:
    rung = f"{ack.rung} reply" if ack.rung else ""
    return _line("earshot", "", ack.text, ack.at, " · ".join(filter(None, (rung, _NOTES.get(ack.state, "")))))


def _how(a: PersonalAnswer) -> str:
    """By which way a person answered, and what became of it."""
    return " · ".join(filter(None, ("by e-mail" if a.by_mail else "from the desk", _NOTES.get(a.state, ""))))


def _line(who: str, name: str, text: str, at: datetime, note: str = "") -> dict[str, Any]:
    return {"who": who, "name": name, "text": text, "at": from_time(at), "note": note}
