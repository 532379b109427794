"""What happened, as types, and who hears of it: telemetry in Lambda, the replay's record, the local run's page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from chalicelib.conversations.conversation import Conversation, Notice
from chalicelib.conversations.interaction import Interaction


class Stored(NamedTuple):
    """One interaction (merged) was stored and applied to `conversation`. `incoming` is what this delivery said of it,
    `news` whether anything in that was new; `why` is the label of why nothing was posted."""

    interaction: Interaction
    conversation: str
    intent: str = ""
    why: str = ""
    incoming: Interaction | None = None
    news: bool = True


class Replied(NamedTuple):
    """An acknowledgement was posted, or tried: `result` is sent, refused or unknown, `code` the platform's error.
    `late_s` is the time since the delivery was received, in seconds; `not_before`, when it may be tried again; `rung`,
    how much it says: own, topic or general; `person` who answered, where that was a person, from the e-mail's page or
    by mail, and nothing automatic."""

    interaction: Interaction
    conversation: str
    intent: str
    text: str
    result: str
    code: str
    late_s: float
    not_before: datetime | None = None
    rung: str = ""
    person: str | None = None


class Escalated(NamedTuple):
    """A conversation that reached the tier of `notice`; `late_s` is how long after it was due."""

    conversation: Conversation
    notice: Notice
    team: str
    late_s: float


@dataclass(frozen=True, slots=True)
class Notified:
    """What became of an e-mail: sent, withdrawn, refused, unknown, or undeliverable (nobody could be reached); or of a
    conversation that one counts without listing it: counted. `kind` is notice, group, digest, alarm or report; a group
    and a digest tell of `others` as well."""

    conversation: Conversation | None
    tier: int
    to: str
    subject: str
    result: str
    code: str = ""
    kind: str = "notice"
    others: tuple[Conversation, ...] = ()
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)


class Failed(NamedTuple):
    """Work on one conversation failed with the error of this name; the rest of the sweep went on. It is set `aside`
    for longer and longer, or the next sweep tries again."""

    product: str
    account: str
    error: str
    aside: bool = True


class Handled(NamedTuple):
    """What became of an answer by e-mail: `result` is sent, refused, unknown or dropped; `why` names the reason, `who`
    the sender's address."""

    result: str
    why: str = ""
    who: str = ""
    conversation: str = ""


class Outcomes(Protocol):
    """Hears of each outcome as it happens."""

    def delivery(self, id: str) -> None:
        """What follows belongs to the delivery `id`."""

    def skipped(self, parts: Sequence[str]) -> None:
        """A delivery with something to do had parts without: of what product, and why."""

    def stored(self, outcome: Stored) -> None: ...

    def replied(self, outcome: Replied) -> None: ...

    def escalated(self, outcome: Escalated) -> None: ...

    def notified(self, outcome: Notified) -> None: ...

    def channel_failed(self, kind: str, code: str) -> None:
        """Slack, Teams or a webhook did not take a notice."""

    def received(self, outcome: Handled) -> None:
        """An answer by e-mail was worked on."""

    def refused(self, status: int, platform: str, app: str) -> None:
        """Receive turned a delivery away."""

    def failed(self, outcome: Failed) -> None: ...

    def swept(self, complete: bool) -> None:
        """A sweep ended; not `complete`: the clock stopped it."""

    def flush(self) -> None:
        """The invocation ends."""
