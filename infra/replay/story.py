"""The lines of a recording that are no deliveries, so that a whole story can be told in one file: what a platform's API
answers, what staff do on the page and by e-mail, and what becomes of an e-mail."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.parser import BytesParser
from email.utils import getaddresses, parseaddr
from html import unescape
from typing import Any
from urllib.parse import urlencode

from chalicelib.aws.mailer import Email
from chalicelib.codec import to_time
from chalicelib.conversations.conversation import Conversation, Deed
from chalicelib.emails import about, links
from chalicelib.emails.links import LinkError
from chalicelib.platforms.http import Answer, ApiCall, ConnectionRefused, NoAnswer
from chalicelib.services import Services
from chalicelib.staff.answers import draft_text, once_id
from infra.local.loopback import Answered, Call
from infra.local.post_office import notice
from infra.local.stand_in import endpoint_of

PUBLIC_URL = "https://earshot.example.com/api"  # where a replay's e-mails lead: nobody opens them but its own lines
REPLY_DOMAIN = "reply.example.com"
NO_ANSWERS: Mapping[str, type[Exception]] = {
    "timeout": NoAnswer,
    "reset": NoAnswer,
    "refused": ConnectionRefused,
}
ACTIONS = (*Deed, "undo")
_TOKEN = re.compile(r"/act/([\w.~=-]+)")
_HIDDEN = re.compile(r'<input type="hidden" name="(shown|once)" value="([^"]*)"')
_TOLD = re.compile(r'<p class="note (good|bad)" role="status">(.*?)</p>', re.S)
_PROBLEM = re.compile(r'<p class="said">(.*?)</p>', re.S)


@dataclass(frozen=True, slots=True)
class PlatformAnswers:
    """What the API of `product` says to the next `times` calls that match; `status` is a number or one of
    NO_ANSWERS."""

    at: datetime
    product: str
    method: str
    path: re.Pattern[str]
    status: int | str
    body: Any
    headers: Mapping[str, str]
    times: int

    def matches(self, call: ApiCall) -> bool:
        if self.method != call.method or not self.path.search(call.place):
            return False
        reply = endpoint_of(call.method, call.place, call.data)
        return not self.product or reply is None or reply[0] == self.product


@dataclass(frozen=True, slots=True)
class StaffAct:
    """Staff use the link of the conversation's newest e-mail, on the page as it stood at `shown_at`."""

    at: datetime
    conversation: str
    action: str
    fields: Mapping[str, str]
    shown_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """An answer by e-mail to the conversation's newest one."""

    at: datetime
    mime: bytes
    verdicts: Mapping[str, str]
    in_reply_to: str


@dataclass(frozen=True, slots=True)
class MailEvent:
    """SES tells what became of the conversation's e-mail of that tier."""

    at: datetime
    conversation: str
    tier: int
    event: str


StoryLine = PlatformAnswers | StaffAct | Mail | MailEvent


def read_line(row: Mapping[str, Any]) -> StoryLine:
    """The line in a JSON object with a `type`. Raises KeyError for what is missing, ValueError for what is wrong."""
    kind, at = row["type"], to_time(row["at"])
    if kind not in _READERS:
        raise ValueError(f"unknown type {kind!r}; write one of {', '.join(_READERS)}, or none for a delivery")
    return _READERS[kind](row, at)


def _platform_answers(row: Mapping[str, Any], at: datetime) -> PlatformAnswers:
    status = row["status"]
    if not (isinstance(status, int) or status in NO_ANSWERS):
        raise ValueError(f"status {status!r}; write a number or one of {', '.join(NO_ANSWERS)}")
    try:
        path = re.compile(row["path"])
    except re.error as error:
        raise ValueError(f"path is no regular expression: {error}") from None
    body = row.get("body", {})
    body = json.loads(body) if isinstance(body, str) and body else body
    times = int(row.get("times", 1))
    if times < 1:
        raise ValueError("times is at least 1")
    method = str(row.get("method", "POST")).upper()
    headers = {str(k): str(v) for k, v in (row.get("headers") or {}).items()}
    return PlatformAnswers(at, str(row.get("product", "")), method, path, status, body, headers, times)


def _act(row: Mapping[str, Any], at: datetime) -> StaffAct:
    if row["action"] not in ACTIONS:
        raise ValueError(f"unknown action {row['action']!r}; write one of {', '.join(ACTIONS)}")
    shown_at = to_time(row["shown_at"]) if row.get("shown_at") else None
    if shown_at and shown_at > at:
        raise ValueError("shown_at is after at: the page is opened before it is used")
    fields = {str(k): str(v) for k, v in (row.get("fields") or {}).items()}
    return StaffAct(at, str(row["conversation"]), str(row["action"]), fields, shown_at)


def _mail(row: Mapping[str, Any], at: datetime) -> Mail:
    try:
        mime = base64.b64decode(row["mime_base64"], validate=True)
    except (binascii.Error, TypeError):
        raise ValueError("mime_base64 is not base64") from None
    verdicts = {str(k).lower(): str(v).upper() for k, v in (row.get("verdicts") or {}).items()}
    return Mail(at, mime, verdicts, str(row.get("in_reply_to") or ""))


def _mail_event(row: Mapping[str, Any], at: datetime) -> MailEvent:
    return MailEvent(at, str(row["conversation"]), int(row.get("tier", 1)), str(row["event"]))


_READERS: Mapping[str, Callable[[Mapping[str, Any], datetime], StoryLine]] = {
    "platform_answers": _platform_answers,
    "act": _act,
    "mail": _mail,
    "mail_event": _mail_event,
}


@dataclass(slots=True)
class Script:
    """What platforms' APIs were told to answer, in order."""

    _rules: list[tuple[PlatformAnswers, int]] = field(default_factory=list)

    def add(self, answers: PlatformAnswers) -> None:
        self._rules.append((answers, answers.times))

    def answer(self, call: ApiCall) -> Answer | None:
        """The answer that was written for this call; None where none was. Raises ConnectionRefused, NoAnswer."""
        for n, (rule, left) in enumerate(self._rules):
            if rule.matches(call):
                self._rules[n : n + 1] = [(rule, left - 1)] if left > 1 else []
                if isinstance(rule.status, str):
                    raise NO_ANSWERS[rule.status](rule.status)
                return Answer.of(rule.status, rule.body, rule.headers)
        return None


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that staff have before them: its link and what its forms carry."""

    token: str
    hidden: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StaffRoom:
    """The staff of a replay: they have the e-mails that were sent, and a browser."""

    services: Services
    sent: Callable[[], list[Email]]
    browse: Callable[[Call], Answered]

    def open(self, conversation: str) -> Opened | None:
        """The page behind the newest e-mail about the conversation; None where no link opens."""
        for email in reversed(self.sent()):
            for token in dict.fromkeys(_TOKEN.findall(email.text)):
                if not self._leads_to(token, conversation):
                    continue
                html = self.browse(Call("GET", f"/act/{token}", "", (), b"")).body.decode()
                return Opened(token, {name: unescape(value) for name, value in _HIDDEN.findall(html)})
        return None

    def _leads_to(self, token: str, conversation: str) -> bool:
        try:
            link = links.read(self.services.keys, token, self.services.now())
        except LinkError:
            return False
        k = link.key
        return _base(conversation) == f"{k.product}:{k.account}:{k.thread}:{k.customer}"

    def act(self, act: StaffAct, page: Opened | None) -> tuple[str, str]:
        """(result, reason) of pressing the button; for an answer the result is sent, refused or unknown."""
        page = page or self.open(act.conversation)
        if page is None:
            return "refused", "no e-mail about this conversation has a link that opens"
        fields = dict(act.fields)
        if act.action == "undo" and "act" not in fields:
            fields["act"] = self._last_act(page)
        form = urlencode({**page.hidden, **fields, "action": act.action}).encode()
        kind = (("Content-Type", "application/x-www-form-urlencoded"),)
        answered = self.browse(Call("POST", f"/act/{page.token}", "", kind, form))
        html = answered.body.decode("utf-8", "replace")
        if answered.status != 200:
            said = _PROBLEM.search(html)
            return "refused", unescape(said[1]) if said else str(answered.status)
        told = _TOLD.search(html)
        result = "done" if told and told[1] == "good" else "refused"
        if act.action == Deed.ANSWER:
            result = self._answered(page, fields)
        return result, " ".join(unescape(told[2]).split()) if told else ""

    def _conversation(self, page: Opened) -> Conversation | None:
        return self.services.store.conversation(links.read(self.services.keys, page.token, self.services.now()).key)

    def _last_act(self, page: Opened) -> str:
        c = self._conversation(page)
        acts = sorted((a.at, id) for id, a in (c.acts if c else {}).items() if not a.undone_at)
        return acts[-1][1] if acts else ""

    def _answered(self, page: Opened, fields: Mapping[str, str]) -> str:
        c, once = self._conversation(page), page.hidden.get("once", "")
        id = once_id(once, "answer", draft_text(fields.get("text", "")), fields.get("place", ""))
        answer = c.answers.get(id) if c else None
        if answer is None:
            return "refused"
        return {"pending": "refused", "claimed": "unknown"}.get(answer.state.value, answer.state.value)

    def email_about(self, conversation: str, tier: int | None = None) -> Email | None:
        """The newest e-mail about the conversation, of that tier where one is named."""
        for email in reversed(self.sent()):
            if tier is not None and email.tags.get("tier") != str(tier):
                continue
            for k, *_ in about.notices(self.services.store, email.tags):
                if _base(conversation) == f"{k.product}:{k.account}:{k.thread}:{k.customer}":
                    return email
        return None

    def post(self, mail: Mail) -> tuple[bytes, dict[str, Any]]:
        """The e-mail as it arrives, and what SES tells of it."""
        email = self.email_about(mail.in_reply_to) if mail.in_reply_to else None
        mime = mail.mime
        if email:
            mime = mime.replace(b"{reply_to}", email.reply_to.encode())
            mime = mime.replace(b"{references}", email.headers.get("References", "").encode())
        message = BytesParser(policy=policy.compat32).parsebytes(mime, headersonly=True)
        to = [a for _, a in getaddresses([str(message.get("To", "")), str(message.get("Cc", ""))]) if a]
        path = str(message.get("Return-Path", "")).strip()
        sender = "<>" if path == "<>" else parseaddr(str(message.get("From", "")))[1]
        verdicts = {v: mail.verdicts.get(v, "PASS") for v in ("spam", "virus", "spf", "dkim", "dmarc")}
        told = notice("", "", sender, verdicts, mail.at)
        told["receipt"]["recipients"] = to  # type: ignore[index]
        return mime, told


def _base(conversation: str) -> str:
    """A conversation's id without the number of its ladder."""
    return re.sub(r"~\d+$", "", conversation)
