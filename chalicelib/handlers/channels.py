"""Where else a team hears of a notice: Slack, Teams or a webhook of its own. Each channel gets it at most once, after
the e-mail and never instead of it: what fails there is counted and holds nothing up."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.codec import from_time
from chalicelib.emails.escalation_email import EscalationEmail
from chalicelib.emails.phrases import Phrases, phrases
from chalicelib.emails.safe_text import name, quoted
from chalicelib.platforms.http import ApiCall, ConnectionRefused, Http, NoAnswer
from chalicelib.playbook.parts import Team
from chalicelib.storage import names
from chalicelib.storage.store import Store

LONGEST = 1500  # characters of one question
MOST = 10  # conversations of one notice that are listed; the e-mail has them all


@dataclass(frozen=True, slots=True)
class Channels:
    """`failed` hears of a channel that did not take a notice: its kind, and the status or what happened instead."""

    store: Store
    http: Http
    failed: Callable[[str, str], None]

    def tell(self, team: Team, tag: str, subject: str, told: Sequence[EscalationEmail], now: datetime) -> None:
        """Tells each of the team's channels of the e-mail called `tag`, once."""
        say = phrases(team.language, told[0].timezone)
        for kind, url in team.channels.items():
            if not self.store.mark(names.channel_told(tag, kind), "told", now):
                continue
            body = json.dumps(_BODIES[kind](subject, told[:MOST], say), ensure_ascii=False).encode()
            headers = _signed(team.webhook_secret, tag, now, body) if kind == "webhook" else {}
            try:
                answer = self.http.request(ApiCall("POST", url, headers, body=body))
            except (ConnectionRefused, NoAnswer) as error:
                self.failed(kind, type(error).__name__)
                continue
            if answer.status >= 300:
                self.failed(kind, str(answer.status))


def _signed(secret: str, id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    # start-up time: few teams have a channel that wants it
    from standardwebhooks.webhooks import Webhook

    signature: str = Webhook(secret).sign(id, now, body.decode())
    stamp = str(int(now.timestamp()))
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}


def _questions(email: EscalationEmail) -> list[tuple[str, str]]:
    return [(name(a.name), quoted(a.text, LONGEST)) for a in email.asked[:5]]


def _slack(subject: str, told: Sequence[EscalationEmail], say: Phrases) -> dict[str, Any]:
    lines = [f"*{_escaped(subject)}*"]
    for email in told:
        lines += [f"> {_escaped(f'{who}: ' if who else '')}{_escaped(text)}" for who, text in _questions(email)]
        lines += [" · ".join(f"<{url}|{_escaped(title)}>" for title, url in _links(email, say))]
    return {"text": "\n".join(filter(None, lines)), "unfurl_links": False}


def _escaped(text: str) -> str:
    """Slack's own three characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "\n> ")


def _teams(subject: str, told: Sequence[EscalationEmail], say: Phrases) -> dict[str, Any]:
    blocks = [{"type": "TextBlock", "text": _plain(subject), "weight": "Bolder", "wrap": True}]
    for email in told:
        texts = [f"{who}: {text}" if who else text for who, text in _questions(email)]
        blocks += [{"type": "TextBlock", "text": _plain(text), "wrap": True} for text in texts]
    links = [link for email in told[:2] for link in _links(email, say)][:6]
    card = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
        "actions": [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in links],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _plain(text: str) -> str:
    """Text without Markdown, which a card would render."""
    return "".join(f"\\{c}" if c in "\\`*_[]()#>" else c for c in text)


def _webhook(subject: str, told: Sequence[EscalationEmail], say: Phrases) -> dict[str, Any]:
    return {"type": "earshot.notice", "data": {"subject": subject, "conversations": [_row(email) for email in told]}}


def _row(email: EscalationEmail) -> dict[str, Any]:
    return {
        "id": email.conversation,
        "platform": email.product,
        "account": email.account,
        "intent": email.intent,
        "tier": email.tier,
        "urgent": email.urgent,
        "answer_by": from_time(email.answer_by),
        "questions": [{"name": a.name, "text": a.text, "at": from_time(a.at)} for a in email.asked],
        "page": email.page,
    }


def _links(email: EscalationEmail, say: Phrases) -> list[tuple[str, str]]:
    page = [("answer_now", ""), ("on_it", "#claim"), ("hand_over", "#hand_over"), ("snooze", "#snooze")]
    return [(say(key), f"{email.page}{anchor}") for key, anchor in page] if email.page else []


_BODIES: Mapping[str, Callable[[str, Sequence[EscalationEmail], Phrases], dict[str, Any]]] = {
    "slack": _slack,
    "teams": _teams,
    "webhook": _webhook,
}
