"""Which notices stand in one e-mail: many questions under one post in a group, what overflows a mailbox in a digest.

Urgent ones, handed-over ones and those that go to a fallback address never wait. Where an e-mail is put together its
members are only noted; the truth is each conversation's own notice, which is claimed and recorded like any other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.conversations.conversation import Bundle, Conversation, Notice
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.store import Store

GATHER = timedelta(seconds=45)  # for a group: short enough for the promise of two minutes
QUARTER = timedelta(minutes=15)
MOST_MEMBERS = 100  # conversations in one e-mail
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Gathering:
    """An e-mail that is being put together, under `name`, until `at`."""

    kind: Bundle
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Bundles:
    """Decides by counts in the store."""

    store: Store
    playbook: Playbook

    def fell_due(self, c: Conversation, team: str, now: datetime) -> None:
        """Counts one more question under its post for this team and quarter of an hour."""
        if c.post and not c.private:
            self.store.count(self._post(c, team, now), _MANY, 2 * self.playbook.bundling.within, now)

    def gathering(self, c: Conversation, notice: Notice, team: str, mailbox: str, now: datetime) -> Gathering | None:
        """Where `notice` waits for others; None when its e-mail goes out on its own."""
        if notice.fallback or notice.team or notice.urgent:
            return None
        if c.post and not c.private:
            post = self._post(c, team, now)
            if self.store.counted(post) > self.playbook.bundling.questions:
                name = f"{post}#{int(now.timestamp() // GATHER.total_seconds())}"
                return Gathering(Bundle.GROUP, name, now + GATHER)
        return None if self.has_room(mailbox, now) else self.digest(mailbox, now)

    def has_room(self, mailbox: str, now: datetime) -> bool:
        """Takes one of the e-mails that a mailbox gets in an hour; whether there was one left."""
        most = self.playbook.bundling.emails_per_hour
        return self.store.count(f"mailbox#{mailbox}#{now:%Y%m%dT%H}", most, timedelta(hours=2), now)

    def digest(self, mailbox: str, now: datetime) -> Gathering:
        """The digest of this quarter of an hour."""
        quarter = int(now.timestamp() // QUARTER.total_seconds())
        ends = datetime.fromtimestamp((quarter + 1) * QUARTER.total_seconds(), now.tzinfo)
        return Gathering(Bundle.DIGEST, f"digest#{mailbox}#{quarter}", ends)

    def _post(self, c: Conversation, team: str, now: datetime) -> str:
        within = self.playbook.bundling.within.total_seconds()
        return f"due#{c.product}:{c.account}#{c.post}#{team}#{int(now.timestamp() // within)}"
