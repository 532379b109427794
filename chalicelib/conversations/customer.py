"""A customer as an erasure or an export names them, and what gives them away once it has begun."""

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.ids import STANDS_IN


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom an erasure or export is for, as the platform names them."""

    product: str
    account: str
    id: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What a later look needs, because an earlier one has taken it away: what the customer was called, under which ids
    the platform knew them, in which private threads they wrote (`talks`: in which of any kind), and how the e-mails
    about them are called (`tags`)."""

    names: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    talks: tuple[str, ...] = ()

    def and_of(
        self,
        *,
        names: Iterable[str | None] = (),
        known_as: Iterable[str | None] = (),
        threads: Iterable[str | None] = (),
        tags: Iterable[str | None] = (),
        talks: Iterable[str | None] = (),
    ) -> "Traces":
        """These and more, each once."""
        return Traces(
            _distinct(self.names, names),
            _distinct(self.known_as, known_as),
            _distinct(self.threads, threads),
            _distinct(self.tags, tags),
            _distinct(self.talks, talks),
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The customer's ids as a payload holds them: without what stands in for an author who was not named."""
        return tuple(id.removeprefix(STANDS_IN) for id in self.known_as)


def _distinct(known: tuple[str, ...], more: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v for v in (*known, *more) if v))
