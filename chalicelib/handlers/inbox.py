"""The inbox: a verified delivery on its way from receive to respond, in one queue message whatever its size.

Kept apart from everything else so that receive imports little.
"""

import base64
import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.aws.queues import MAX_MESSAGE, Queue, encode
from chalicelib.codec import dump, from_time, load, to_time
from chalicelib.conversations.changed import replace
from chalicelib.conversations.interaction import Interaction

VERSION = 1
PLAIN_UP_TO = 48 * 1024  # bytes: SQS bills by 64 KiB, so a larger body is compressed; escaped it is 288 KiB at most
HEADROOM = 8 * 1024  # bytes for the envelope's other fields


class UnknownVersion(Exception):
    """A message of a release that this one cannot read: it goes back and then to the dead-letter queue."""


class AlreadyDone(Exception):
    """The message's body was worked on and dropped before."""


class Envelope(NamedTuple):
    """One delivery (`body`, raw), or one interaction of it (`interaction`). `id` follows it to the e-mail; `census`
    says which accounts the app had when it came (App.census)."""

    id: str
    platform: str
    app: str
    received_at: datetime
    body: bytes = b""
    interaction: Interaction | None = None
    census: str = ""

    def __repr__(self) -> str:
        return f"Envelope({self.id!r}, {self.platform!r}, {self.app!r})"  # the rest is a customer's


SaveBody = Callable[[str, bytes, datetime], None]  # of storage/bodies.py, which receive imports in need only
ReadBody = Callable[[str], bytes | None]


def enqueue(queue: Queue, envelope: Envelope, save_body: SaveBody, now: datetime, reasons: Sequence[str] = ()) -> None:
    """One queue message. A body that even compressed exceeds SQS's limit is put into the table first, in chunks.

    With `reasons` it goes to quarantine: the same message, so that a redrive after a fix works on the whole delivery
    again (what was understood the first time is known and changes nothing). Raises QueueUnavailable.
    """
    head = _head(envelope) | ({"reasons": sorted(set(reasons))} if reasons else {})
    message = dict(head)
    if len(envelope.body) <= PLAIN_UP_TO:
        message["body"] = envelope.body.decode("utf-8", "surrogateescape")
    else:
        message["zlib"] = base64.b64encode(zlib.compress(envelope.body)).decode()
    if len(envelope.body) > PLAIN_UP_TO and len(encode(message)) > MAX_MESSAGE - HEADROOM:
        name, packed = f"{envelope.id}-{os.urandom(8).hex()}" if reasons else envelope.id, zlib.compress(envelope.body)
        save_body(name, packed, now)
        message = head | {"chunks": name}
    queue.send(message)


def part(envelope: Envelope, interaction: Interaction) -> dict[str, Any]:
    """The message for one interaction of `envelope`; what the platform's own JSON says beside it is not carried on."""
    return _head(envelope) | {"interaction": dump(replace(interaction, raw=""))}


def decode(text: str, read_body: ReadBody) -> Envelope:
    """The envelope in a queue message's body; raises AlreadyDone, and UnknownVersion, ValueError or
    KeyError when it is none."""
    message: Mapping[str, Any] = json.loads(text)
    if message["v"] not in (VERSION - 1, VERSION):
        raise UnknownVersion(str(message["v"]))
    return Envelope(
        id=message["id"],
        platform=message["platform"],
        app=message["app"],
        received_at=to_time(message["received_at"]),
        body=_body(message, read_body),
        interaction=load(Interaction, message["interaction"]) if "interaction" in message else None,
        census=str(message.get("census", "")),
    )


def _head(envelope: Envelope) -> dict[str, Any]:
    return {
        "v": VERSION,
        "id": envelope.id,
        "platform": envelope.platform,
        "app": envelope.app,
        "received_at": from_time(envelope.received_at),
        **({"census": envelope.census} if envelope.census else {}),
    }


def _body(message: Mapping[str, Any], read_body: ReadBody) -> bytes:
    if "zlib" in message:
        return zlib.decompress(base64.b64decode(message["zlib"]))
    if "chunks" in message:
        packed = read_body(message["chunks"])
        if packed is None:
            raise AlreadyDone(message["chunks"])
        return zlib.decompress(packed)
    return str(message.get("body", "")).encode("utf-8", "surrogateescape")
