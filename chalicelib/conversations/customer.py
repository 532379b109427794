"""A customer as an erasure or an export names them, and what is known of them once it has begun."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom an erasure or export is for, as the platform names them."""

    product: str
    account: str
    id: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What a second look needs, because the first has taken it away: what the customer was called, under which ids the
    platform knew them, where and what they wrote."""

    names: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
