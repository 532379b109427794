"""What an id of a platform may be: where it goes (keys, addresses, links) nothing else is let in.

DynamoDB takes 2,048 bytes of a partition key and 1,024 of a sort key. The longest that Earshot makes are
`t#{product}:{account}#{thread}`, `c#unknown-{id}` and `{product}:{account}#{customer}`, each of at most two ids.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import quote

STANDS_IN: Final = "unknown-"  # how the id begins that stands in for an author whom the platform did not name
MAX_BYTES = 900  # in UTF-8; the longest documented, Instagram's message ids, have 200


class IdError(ValueError):
    """This cannot be an id. The message says why and never quotes it."""


def checked(id: str) -> str:
    """`id` itself; raises IdError unless it is printable, without white space, no path, and short enough for a key."""
    if not id.isprintable() or " " in id:
        raise IdError("an id holds white space or characters that cannot be printed")
    if id in ("", ".", ".."):
        raise IdError("an id is missing" if not id else "an id is a path")
    if len(id.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise IdError("an id is longer than a key can be")
    return id


def all_checked(every: Collection[str]) -> None:
    """Raises IdError unless each of them can be an id: all at one look where together they are short and plain."""
    together = "".join(every)
    plain = together.isascii() and together.isprintable() and " " not in together and len(together) <= MAX_BYTES
    if not plain or "" in every or "." in every or ".." in every:
        for id in every:
            checked(id)


def segment(id: str) -> str:
    """`id` as one segment of an address's path, whatever is in it; raises IdError."""
    return quote(checked(id), safe="")
