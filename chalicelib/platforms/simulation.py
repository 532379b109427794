"""How the local run speaks on a platform, and what the platform's API answers where there is none.

Each platform's own file says it for itself, with invented ids; nothing here is used when deployed.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from time import time_ns
from typing import Any, NamedTuple

from chalicelib.apps import Account, App

SHOP = "Marigold & Finch"  # who speaks in the local run
POST = "9000000001"  # the brand's post, photo or video under which customers comment

_numbers = count(time_ns() // 1_000_000)


def number() -> str:
    """The next of the numbers that ids are made of."""
    return str(next(_numbers))


@dataclass(frozen=True, slots=True)
class SimulatedMessage:
    """What somebody says or does on a platform. `author` "" is the brand itself; `to` is what its public reply
    answers, or the customer to whom its message goes; `token` is what an echo of our own message carries. `verb` is
    add, edited, remove or react."""

    product: str
    text: str = ""
    author: str = ""
    name: str = ""
    id: str = field(default_factory=number)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    verb: str = "add"
    to: str = ""
    token: str = ""

    @property
    def brand(self) -> bool:
        return not self.author


class Posted(NamedTuple):
    """A reply that a platform took. `target` is the comment, post, thread or customer that it goes to."""

    product: str
    id: str
    target: str
    text: str
    token: str = ""


Said = Sequence[tuple[Account, SimulatedMessage]]
Sender = Callable[[App, Said, str], tuple[Mapping[str, str], bytes]]
"""(app, what was said to which account, secret) → headers and body of one delivery."""


class Endpoint(NamedTuple):
    """One way of replying: `path` (after https://) is where, `read(path's match, JSON body)` what the call says
    (target, text, token), `answer(id)` what the platform answers to a reply of that id. `id` is the form of its ids,
    `having` a key of the body that tells it from another product's call to the same path."""

    path: re.Pattern[str]
    read: Callable[[re.Match[str], Mapping[str, Any]], tuple[str, str, str]]
    answer: Callable[[str], Any]
    id: str = "{}"
    having: str = ""


def no_echo(posted: Posted) -> SimulatedMessage | None:
    """The platform does not tell an app of its own replies."""
    return None


def not_found(path: str) -> Any:
    """Nothing is kept to be asked for."""
    return None


class Simulation(NamedTuple):
    """`endpoints` are the ways of replying; `echo(posted)` is what the platform then tells of our own reply, if it
    does; `look(path)` the JSON that a GET of the path brings, None for none; `direct`: it speaks of direct messages,
    whose answer goes to the customer and not under the message; `tells_brand`: it can be made to tell of what people of
    the brand say there."""

    endpoints: tuple[Endpoint, ...]
    echo: Callable[[Posted], SimulatedMessage | None] = no_echo
    look: Callable[[str], Any] = not_found
    direct: bool = False
    tells_brand: bool = True


def wire(payload: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(payload, separators=(",", ":")).encode()


def iso(at: datetime) -> str:
    """E.g. 2026-11-21T10:00:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
