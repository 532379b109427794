"""Notify: the escalation e-mail, sent at most once for each (conversation, tier), after one more look whether anybody
answered in between."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apps import Apps
from chalicelib.aws.mailer import Email, Mailer, MailRefused, MailUnknown
from chalicelib.codec import dump
from chalicelib.conversations import rules
from chalicelib.conversations.conversation import Conversation, Outcome
from chalicelib.emails import links
from chalicelib.emails.escalation_email import EscalationEmail, Line, render
from chalicelib.keys import Keys
from chalicelib.outcomes.types import Notified, Outcomes
from chalicelib.playbook.policy import Playbook, Team
from chalicelib.storage.store import ConversationKey, Store

REFUSED_RETRY = timedelta(minutes=2)
SHOWN = 15  # interactions in an e-mail


@dataclass(frozen=True, slots=True)
class Notifier:
    """The rooms that notify works with. `public_url` is where the links lead under which staff act on a conversation;
    without it the e-mail has none."""

    store: Store
    playbook: Playbook
    apps: Apps
    mailer: Mailer
    new_token: Callable[[], str]
    keys: Keys
    outcomes: Outcomes
    public_url: str = ""

    def notify(self, message: Mapping[str, Any], now: datetime) -> None:
        """Works on one message of the escalations queue. Raises MailRefused for the queue to bring it again."""
        if "alert" in message:
            self._alert(message, now)
            return
        key = ConversationKey.named(message)
        name, token = message["notice"], self.new_token()
        conversation = self._claim(key, name, token, now)
        notice = conversation.notices.get(name) if conversation else None
        if conversation is None or notice is None or notice.state is Outcome.SENT:
            return
        if notice.state is Outcome.WITHDRAWN:
            self.outcomes.notified(Notified(conversation, notice.tier, "", "", "withdrawn"))
            return
        if notice.token != token:  # another invocation holds it
            return
        team = self.playbook.team(conversation.intent, notice.tier)
        email = self._email(conversation, name, team.email, now)
        self._send(conversation, key, name, team, email, now)

    def _claim(self, key: ConversationKey, name: str, token: str, now: datetime) -> Conversation | None:
        """The conversation, read consistently, with the notice claimed by `token` if it still has to be sent."""
        thread = self.store.thread(key.product, key.account, key.thread)

        def change(old: Conversation) -> Conversation:
            return rules.claim_notice(rules.apply_replies(old, thread, self.playbook.due), name, token, now)

        done = self.store.update_conversation(key, change, now)
        return done.after if done else None

    def _send(
        self, conversation: Conversation, key: ConversationKey, name: str, team: Team, email: Email, now: datetime
    ) -> None:
        tier = conversation.notices[name].tier
        try:
            try:
                id = self.mailer.send(email)
            except MailRefused as error:
                if error.again or team.fallback_email in ("", email.to):
                    raise
                email = self._email(conversation, name, team.fallback_email, now)
                id = self.mailer.send(email)
        except MailRefused as error:
            self._record(key, name, Outcome.PENDING, now, again_at=now + REFUSED_RETRY)
            self.outcomes.notified(Notified(conversation, tier, email.to, email.subject, "refused", str(error)))
            raise
        except MailUnknown as error:  # SES's event says whether it went out; if none comes, the sweep sends it again
            self.outcomes.notified(Notified(conversation, tier, email.to, email.subject, "unknown", str(error)))
            return
        self._record(key, name, Outcome.SENT, now, id=id)
        self.outcomes.notified(Notified(conversation, tier, email.to, email.subject, "sent"))

    def _record(
        self,
        key: ConversationKey,
        name: str,
        state: Outcome,
        now: datetime,
        *,
        id: str | None = None,
        again_at: datetime | None = None,
    ) -> None:
        self.store.update_conversation(
            key, lambda old: rules.record_notice(old, name, state, id=id, again_at=again_at, at=now), now
        )

    def mail_event(self, event: Mapping[str, Any], now: datetime) -> None:
        """SES's own word on an e-mail: Send settles a claim whose answer was lost; Bounce and Reject send it to the
        team's fallback address instead. Other events change nothing."""
        mail = event["mail"]
        tags = {name: values[0] for name, values in mail.get("tags", {}).items() if values}
        stored = self.store.documents(f"notice#{tags.get('notice', '')}")
        if not stored:
            return
        where = stored[0]
        key = ConversationKey.named(where)
        conversation, name = self.store.conversation(key), str(where["notice"])
        if conversation is None or name not in conversation.notices:
            return
        kind = event.get("eventType") or event.get("notificationType")
        if kind == "Send":
            self._record(key, name, Outcome.SENT, now, id=mail.get("messageId"))
        elif kind in ("Bounce", "Reject") and tags.get("to") == "team":
            team = self.playbook.team(conversation.intent, conversation.notices[name].tier)
            if team.fallback_email and self.store.mark(f"fallback#{tags['notice']}", "sent", now):
                email = self._email(conversation, name, team.fallback_email, now)
                id = self.mailer.send(email)
                self.outcomes.notified(
                    Notified(conversation, conversation.notices[name].tier, email.to, email.subject, "sent", id)
                )

    # --- the e-mail ---

    def _email(self, conversation: Conversation, name: str, to: str, now: datetime) -> Email:
        notice = conversation.notices[name]
        team = self.playbook.team(conversation.intent, notice.tier)
        letter = self._letter(conversation, name, now)
        subject, text, html = render(letter, language=team.language)
        tag = hashlib.sha256(f"{conversation.id}|{name}".encode()).hexdigest()[:32]
        where = {**dump(ConversationKey.of(conversation)), "notice": name}
        self.store.put_document(f"notice#{tag}", "where", where, now + timedelta(days=14))
        return Email(
            to=to,
            subject=subject,
            text=text,
            html=html,
            tags={"notice": tag, "to": "team" if to == team.email else "fallback"},
            headers={"X-Earshot-Delivery": conversation.delivery or "-", "Auto-Submitted": "auto-generated"},
        )

    def _letter(self, conversation: Conversation, name: str, now: datetime) -> EscalationEmail:
        c, notice = conversation, conversation.notices[name]
        owner = self.apps.owner(c.product, c.account)
        lines = self._lines(c)
        asked = [line for line in lines if line.open] or lines
        return EscalationEmail(
            conversation=c.id,
            product=c.product,
            account=owner[1].name if owner and owner[1].name else c.account,
            shop=self.playbook.shop.name,
            timezone=self.playbook.shop.timezone,
            intent=c.intent,
            tier=notice.tier,
            tiers=len(self.playbook.tiers),
            asked=tuple(asked),
            lines=tuple(lines),
            since=min((line.received_at for line in asked), default=now),
            due_at=notice.due_at,
            now=now,
            link=next((line.link for line in reversed(asked) if line.link), None),
            window_closes_at=c.window_closes_at,
            private=c.private,
            act=f"{self.public_url}/act/{links.make(self.keys, c, now)}" if self.public_url and owner else None,
        )

    def _lines(self, c: Conversation) -> list[Line]:
        """The conversation so far: what the customer, the brand and the responder said, in the platform's order."""
        thread = self.store.thread(c.product, c.account, c.thread)
        ids = sorted([(q.at, i) for i, q in c.questions.items()] + [(r.at, i) for i, r in thread.replies.items()])
        lines = []
        for _, id in ids[-SHOWN:]:
            found = self.store.interaction(c.product, c.account, id)
            if found is None or found.deleted:
                continue
            question = c.questions.get(id)
            lines.append(
                Line(
                    who="brand" if found.brand else "customer",
                    name=found.author_name or "",
                    text=found.text,
                    at=found.at,
                    received_at=found.received_at,
                    attachments=found.attachments,
                    link=found.link,
                    open=bool(question and question.pending),
                )
            )
            for ack in (c.acknowledgements.get(id), c.acknowledgements.get(f"{id}/private")):
                if ack and ack.state not in (Outcome.PENDING, Outcome.REFUSED):
                    lines.append(Line("earshot", "", ack.text, ack.at, ack.at, unsure=ack.state is not Outcome.SENT))
        return lines

    def _alert(self, message: Mapping[str, Any], now: datetime) -> None:
        """Tells the shop that an account's token was refused; the mark in the store makes that once a token."""
        told = f"alerted#{message['product']}:{message['account']}"
        if self.store.marked(told) == message["token"]:
            return
        team = self.playbook.team(None, 1)
        product, account = str(message["product"]), str(message["account"])
        owner = self.apps.owner(product, account)
        name = owner[1].name if owner and owner[1].name else account
        subject = f"[Earshot] {product} no longer accepts the token of {name}: automatic replies have stopped"
        text = (
            f"{subject}.\n\nThe platform's code was {message.get('code')}. Questions are still stored and escalated.\n"
            "Renew the token and put it into the apps file (see README): replies start again by themselves.\n"
        )
        self.mailer.send(Email(team.email, subject, text, f"<p>{text}</p>", tags={"alert": "token"}))
        self.store.mark(told, str(message["token"]), now)
        self.outcomes.notified(Notified(None, 0, team.email, subject, "sent"))
