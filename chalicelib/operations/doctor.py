"""Doctor: what is wrong with the registrations and with what is due, and how to fix each; mailed when it is news."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from chalicelib import platforms
from chalicelib.apps import Account, Apps
from chalicelib.aws.mailer import Email, Mailer
from chalicelib.codec import to_time
from chalicelib.operations.erasure import OPEN
from chalicelib.operations.leftovers import LeftBehind, Leftovers
from chalicelib.outcomes.place import place
from chalicelib.platforms.base import Finding, ReplyError
from chalicelib.platforms.http import Http
from chalicelib.playbook.accounts import unknown_accounts
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.store import Store

AT_ONCE = 20  # accounts asked about at a time: 250 with the slowest answers end within the function's time-out
LATE = timedelta(minutes=10)  # two scheduled sweeps
ERASED_WITHIN = timedelta(hours=6)  # the passes and their retries take less
MARK = "doctor"  # the findings that were mailed last


@dataclass(frozen=True, slots=True)
class Doctor:
    """What doctor works with."""

    store: Store
    apps: Apps
    playbook: Playbook
    http: Http
    mailer: Mailer
    leftovers: Leftovers | None = None

    def findings(self, now: datetime) -> list[Finding]:
        """Everything found, registrations first."""
        return [*self.registrations(), *self.overdue(now), *self.erasures(now)]

    def registrations(self) -> list[Finding]:
        """What each account's own platform says of its token, fields and webhook."""
        if not self.apps.apps:
            return [Finding("-", "the apps file is empty", "put your apps into it: DEPLOYING.md, The apps file")]
        wrong = unknown_accounts(self.playbook, self.apps)
        named = [Finding("playbook", what, "mend the line, then deploy") for what in wrong]
        return named + list(self._accounts())

    def _accounts(self) -> Iterator[Finding]:
        """Of every account, in the apps file's order, AT_ONCE asked at a time; what fails for one stops no other."""
        with ThreadPoolExecutor(AT_ONCE, "doctor") as pool:
            asked = [
                (account, pool.submit(platforms.product(account.product).check, self.http, app, account))
                for app in self.apps.apps
                for account in app.accounts
            ]
        for account, answer in asked:
            yield from _told(account, answer)

    def overdue(self, now: datetime) -> list[Finding]:
        """Whether anything fell due so long ago that a sweep must have missed it."""
        late = sum(1 for _ in self.store.overdue(now - LATE))
        if not late:
            return []
        fix = "see RUNBOOK.md, overdue: the sweep's log says why it stops"
        return [Finding("-", f"{late} conversations fell due over {int(LATE.total_seconds() // 60)} minutes ago", fix)]

    def erasures(self, now: datetime) -> list[Finding]:
        """Requests of people whom no account could be asked for, which stay open until somebody has looked, and those
        whose work has not ended."""
        found = []
        for code, doc in self.store.document_names(OPEN):
            if where := ", ".join(doc["accounts"]):
                what = f"an erasure request of {doc['at'][:10]} could not be matched to a customer: {where}"
                fix = f"make erase CUSTOMER=product:account:id REQUEST={code} (RUNBOOK.md, erase and export)"
                found.append(Finding(str(doc["app"]), what, fix))
            elif to_time(doc["at"]) < now - ERASED_WITHIN:
                what = f"an erasure request of {doc['at'][:10]} ({code}) is not done"
                found.append(Finding(str(doc["app"] or "-"), what, "see RUNBOOK.md, daily-check"))
        return found

    def visit(self, now: datetime) -> bool:
        """The scheduled run: mails the findings when they are others than the last time; whether it did. Then raises
        LeftBehind when something lies where nobody works on it, or an erasure is open."""
        left = self.leftovers.findings(now) if self.leftovers else []
        mailed = self._mail_news([*self.findings(now), *left], now)
        if left := [*left, *self.erasures(now)]:
            raise LeftBehind("; ".join(f.what for f in left))
        return mailed

    def _mail_news(self, found: list[Finding], now: datetime) -> bool:
        digest = hashlib.sha256(written(found).encode()).hexdigest() if found else ""
        if (self.store.marked(MARK) or "") == digest:
            return False
        if found:
            self.mailer.send(self._email(found))
        self.store.mark(MARK, digest, now)  # after the e-mail: one that fails is tried again tomorrow
        return bool(found)

    def _email(self, found: list[Finding]) -> Email:
        text = f"{written(found)}\n\nThis comes again only when something else is found.\n"
        subject = f"[Earshot] {len(found)} finding{'s' if len(found) > 1 else ''} on your accounts"
        team = self.playbook.team(None, 1)
        return Email(team.email, subject, text, f"<pre>{escape(text)}</pre>", tags={"alert": "doctor"})


def written(found: list[Finding]) -> str:
    """The findings as lines to read."""
    return "\n".join(f"{f.account}: {f.what}\n  fix: {f.fix}" for f in found)


def _told(account: Account, answer: Future[list[Finding]]) -> list[Finding]:
    error = answer.exception()
    if error is None:
        return answer.result()
    if isinstance(error, ReplyError):
        fix = "see whether the platform has an outage, and run the command again"
        return [Finding(account.id, f"{account.product} did not answer the check ({error.code})", fix)]
    # of whatever else, kind and place only: its words may quote what the platform said
    what = f"the check of {account.product} failed: {type(error).__name__} at {place(error.__traceback__)}"
    return [Finding(account.id, what, "the platform answered otherwise than documented: report this line as a bug")]
