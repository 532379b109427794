"""The other side of the wire in tests: one double keeps every call and answers as it was told; one speaks with the
stand-in platforms, without the network between."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chalicelib.platforms.http import Answer, ApiCall, NoAnswer, json_value
from infra.local.loopback import Call
from infra.local.stand_in import Fault, StandIn

Told = Answer | Exception | Callable[[], Answer]
"""What a call gets: an answer, an error, or what a function does then."""


@dataclass
class PaperHttp:
    """Http that keeps every call. The next call gets the first of `answers`; once they are used up, every call gets
    `always`, and where that is None a call that nobody wrote an answer for fails the test."""

    answers: list[Told] = field(default_factory=list)
    always: Told | None = None
    sent: list[ApiCall] = field(default_factory=list)

    def request(self, call: ApiCall) -> Answer:
        self.sent.append(call)
        told = self.answers.pop(0) if self.answers else self.always
        if told is None:
            return self.untold(call)
        if isinstance(told, Exception):
            raise told
        return told if isinstance(told, Answer) else told()

    def untold(self, call: ApiCall) -> Answer:
        """The answer to a call that nobody wrote one for."""
        raise AssertionError(f"nobody wrote an answer for {call}")


@dataclass
class PostedOnPaper(PaperHttp):
    """Every post that nobody wrote an answer for succeeds, and is kept in `posted` as (address, body)."""

    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def untold(self, call: ApiCall) -> Answer:
        self.posted.append((call.url, call.data))
        id = f"posted-{len(self.posted)}"
        return Answer(data={"id": id, "message_id": id})

    def texts(self) -> list[str]:
        """The texts that stand in public or in messages now."""
        messages = (data["message"] for _, data in self.posted)
        return [m if isinstance(m, str) else str(m["text"]) for m in messages]


@dataclass
class StandInHttp(PaperHttp):
    """What nobody wrote an answer for goes to the stand-in platforms; a call that could post something meets the next
    of `faults` there."""

    stand_in: StandIn = field(default_factory=StandIn)
    faults: list[Fault] = field(default_factory=list)

    def untold(self, call: ApiCall) -> Answer:
        if call.method != "GET" and self.faults:
            return self._fail(call, self.faults.pop(0))
        received = Call(call.method, f"/{call.place}", urlencode(call.query), tuple(call.headers.items()), call.body)
        answered = self.stand_in.answer(received)
        if answered is None:
            raise NoAnswer("lost")
        return Answer.of(answered.status, json_value(answered.body), answered.headers)

    def _fail(self, call: ApiCall, fault: Fault) -> Answer:
        if fault is Fault.RATE:
            return Answer(429, {"error": {"code": 4}}, {"Retry-After": "60"})
        if fault is Fault.LOST:
            self.untold(call)
        raise NoAnswer("lost")

    @property
    def writes(self) -> list[str]:
        """The addresses of the calls that could have posted something."""
        return [call.url for call in self.sent if call.method != "GET"]

    def texts(self) -> list[str]:
        return [p.text for p in self.stand_in.posted]
