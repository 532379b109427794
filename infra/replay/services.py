"""The services of a replay: a virtual clock, everything in memory, and nothing that leaves this machine."""

from itertools import count
from typing import Unpack

from chalicelib.apps import Apps
from chalicelib.keys import new_keys
from chalicelib.platforms.http import Answer, ApiCall, ConnectionRefused
from chalicelib.playbook.policy import Playbook
from chalicelib.resources import Overrides
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.store import Store
from infra.local.stand_in import endpoint_of, look
from infra.replay.memory import (
    MemoryMailBucket,
    MemoryMailer,
    MemoryQueue,
    MemoryTable,
    MemoryTimer,
    MemoryVisibility,
    VirtualClock,
)
from infra.replay.outcomes import Outcomes
from infra.replay.story import (
    Script,
)

REPLAY_KEYS = new_keys()  # of this process: nothing that a replay makes leaves it
NO_SETTINGS = Settings("", "", "", "", "", "", "")


class RecordedHttp:
    """Http that sends nothing: a call gets what the `script` says, a reply its platform's answer, anything else is not
    reached."""

    def __init__(self) -> None:
        self.script = Script()
        self._ids = count(5_000_000_001)

    def request(self, call: ApiCall) -> Answer:
        if (scripted := self.script.answer(call)) is not None:
            return scripted
        if call.method == "GET":
            if found := look(call.place):
                return Answer.of(200, found, {})
            raise ConnectionRefused("replay")
        reply = endpoint_of(call.method, call.place, call.data)
        return Answer(data=reply[1].answer(reply[1].id.format(next(self._ids))) if reply else {})


class ReplayServices(Services):
    """The services of a replay: time is the virtual clock's, and what leaves is recorded in `outcomes`."""

    def __init__(
        self,
        apps: Apps,
        policy: Playbook,
        virtual_clock: VirtualClock,
        outcomes: Outcomes,
        settings: Settings = NO_SETTINGS,
        table: MemoryTable | None = None,
        **overrides: Unpack[Overrides],
    ) -> None:
        self.virtual_clock = virtual_clock
        ids = count(1)
        recorded: Overrides = {
            "playbook": policy,
            "store": Store(table or MemoryTable(), settings.retention_days),
            "inbox": MemoryQueue("inbox", virtual_clock),
            "due": MemoryQueue("due", virtual_clock),
            "escalations": MemoryQueue("escalations", virtual_clock),
            "quarantine": MemoryQueue("quarantine", virtual_clock),
            "dead_letters": (),
            "visibility": MemoryVisibility(),
            "timer": MemoryTimer(virtual_clock),
            "mailer": MemoryMailer(),
            "mail_bucket": MemoryMailBucket(),
            "http": RecordedHttp(),
            "telemetry": outcomes,
            "clock": lambda: virtual_clock.now,
            "new_token": lambda: f"{next(ids):032x}",
            "registrations": lambda: apps,
            "stack_keys": lambda: REPLAY_KEYS,
        }
        recorded.update(overrides)
        super().__init__(settings, **recorded)
