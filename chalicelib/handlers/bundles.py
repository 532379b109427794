"""Which notices stand in one e-mail: many questions under one post in a group, what overflows a mailbox in a digest.

Urgent ones, handed-over ones and those that go to a fallback address never wait. Where an e-mail is put together its
members are only noted; the truth is each conversation's own notice, which is claimed and recorded like any other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.codec import to_time
from chalicelib.conversations.conversation import Bundle, Conversation, Notice
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import names
from chalicelib.storage.store import Store

SIBLINGS = timedelta(seconds=3)  # until a question's notice is looked at: so long its neighbours take to be counted
LISTED = 100  # conversations that one e-mail shows; more are counted in it
QUARTER = timedelta(minutes=15)
_CLOSES = timedelta(seconds=1)  # before it is sent nobody joins an e-mail any more
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Gathering:
    """An e-mail that is being put together, under `name`, until `at`; `new` when nobody has queued it yet."""

    kind: Bundle
    name: str
    at: datetime
    new: bool


@dataclass(frozen=True, slots=True)
class Bundles:
    """Decides by counts in the store."""

    store: Store
    playbook: Playbook

    def fell_due(self, c: Conversation, team: str, now: datetime) -> None:
        """Counts one more question under its post for this team and quarter of an hour."""
        if is_shared(c):
            self.store.count(self._post(c, team, now), _MANY, 2 * self.playbook.bundling.within, now)

    def gathering(self, c: Conversation, notice: Notice, team: str, mailbox: str, now: datetime) -> Gathering | None:
        """Where `notice` waits for others; None when its e-mail goes out on its own."""
        if notice.fallback or notice.team or notice.urgent:
            return None
        if is_shared(c):
            post = self._post(c, team, now)
            if self._counted_lately(c, team, now, post) > self.playbook.bundling.questions:
                return self._group(post, mailbox, now)
        return None if self.has_room(mailbox, now) else self.digest(mailbox, now)

    def has_room(self, mailbox: str, now: datetime) -> bool:
        """Takes one of the e-mails that a mailbox gets in an hour; whether there was one left."""
        most = self.playbook.bundling.emails_per_hour
        return self.store.count(names.mailbox(mailbox, now), most, timedelta(hours=2), now)

    def digest(self, mailbox: str, now: datetime) -> Gathering:
        """The digest of this quarter of an hour."""
        quarter = int(now.timestamp() // QUARTER.total_seconds())
        ends = datetime.fromtimestamp((quarter + 1) * QUARTER.total_seconds(), now.tzinfo)
        name = names.digest(mailbox, quarter)
        return Gathering(Bundle.DIGEST, name, ends, new=self.store.marked(names.gathering(name)) is None)

    def _group(self, post: str, mailbox: str, now: datetime) -> Gathering:
        """The group that the post's questions join: the one that is open, else a new one, if the mailbox has room."""
        wait = self.playbook.bundling.wait
        slot = int(now.timestamp() // wait.total_seconds())
        name = names.group(post, slot)
        for n in (slot - 1, slot, slot + 1):
            name = names.group(post, n)
            at = self.store.marked(names.gathering(name))
            if at and to_time(at) > now + _CLOSES:
                return Gathering(Bundle.GROUP, name, to_time(at), new=False)
            if at is None and n >= slot:
                break
        return (
            Gathering(Bundle.GROUP, name, now + wait, new=True)
            if self.has_room(mailbox, now)
            else self.digest(mailbox, now)
        )

    def _counted_lately(self, c: Conversation, team: str, now: datetime, post: str) -> int:
        """Counts are kept by the quarter of an hour on the clock; with the one before that of `post`, no quarter that
        begins at another minute parts what belongs together. What was counted SIBLINGS ago is in them."""
        before = self._post(c, team, now - self.playbook.bundling.within)
        return sum(self.store.counted(quarter, lately=True) for quarter in (post, before))

    def _post(self, c: Conversation, team: str, now: datetime) -> str:
        return names.fell_due(c.product, c.account, c.post or "", team, now, self.playbook.bundling.within)


def is_shared(c: Conversation) -> bool:
    """Whether it stands under a post, where others ask as well."""
    return bool(c.post) and not c.private
