"""One call to a platform's REST API, made once, its failures classed by HTTP status as most platforms mean them.

A platform with error codes of its own (Meta) classes by those instead.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Unpack

from chalicelib.apps import Account
from chalicelib.platforms import read
from chalicelib.platforms.base import Carried, NotSent, OutcomeUnknown, Refused, ReplyError, TokenInvalid, call_once
from chalicelib.platforms.http import Answer, Http

_STATUSES: Mapping[int, type[ReplyError]] = {401: TokenInvalid, 403: TokenInvalid, 408: OutcomeUnknown, 429: NotSent}


def nowhere_else(answer: Answer) -> Any:
    """How long to wait stands in the header Retry-After or nowhere."""
    return None


class Verdicts(NamedTuple):
    """What a platform means by its failures, where that is not what most mean: `statuses` by HTTP status. `seconds` is
    where it says how long to wait besides the header Retry-After, `usual_s` how long where it says nothing, `longest_s`
    what nobody waits longer than."""

    statuses: Mapping[int, type[ReplyError]] = MappingProxyType({})
    seconds: Callable[[Answer], Any] = nowhere_else
    usual_s: int = 60
    longest_s: int = 3600

    def of(self, answer: Answer) -> ReplyError:
        """The error that an answer which is no success stands for."""
        fallback = OutcomeUnknown if answer.status >= 500 else Refused
        verdict = self.statuses.get(answer.status) or _STATUSES.get(answer.status, fallback)
        return NotSent(str(answer.status), self._wait(answer)) if verdict is NotSent else verdict(str(answer.status))

    def _wait(self, answer: Answer) -> timedelta:
        told = map(str, (header(answer, "retry-after"), self.seconds(answer)))
        seconds = next((int(s) for s in told if s.isdecimal() and len(s) < 9), self.usual_s)
        return timedelta(seconds=min(max(seconds, 1), self.longest_s))


_USUAL = Verdicts()


def call(http: Http, method: str, url: str, *, verdicts: Verdicts = _USUAL, **carried: Unpack[Carried]) -> Answer:
    """The 2xx answer to one request; raises ReplyError.

    Every other 4xx and every redirect is a definite no, a 5xx may hide a reply that went out; `verdicts` says what
    this platform means otherwise by a status.
    """
    answer = call_once(http, method, url, **carried)
    if 200 <= answer.status < 300:
        return answer
    raise verdicts.of(answer)


def pages[Page](turn: Callable[[str], tuple[Page, str]], most: int) -> Iterator[Page]:
    """The pages of a list, `most` of them at the most: `turn` takes what leads to a page ("": the first) and gives the
    page and what leads to the next one ("" where there is none). Raises ReplyError."""
    mark = ""
    for _ in range(most):
        page, mark = turn(mark)
        yield page
        if not mark:
            return


def header(answer: Answer, name: str) -> str:
    """The answer's header `name` (lower case), "" when it is missing."""
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")


def seconds_to(answer: Answer, name: str) -> int | None:
    """Until the time in the answer's header `name`, by the platform's own clock (its Date); None where untold."""
    told = header(answer, name)
    try:
        until = datetime.fromtimestamp(int(told), UTC) if told.isdecimal() else datetime.fromisoformat(told)
        return max(int((until - parsedate_to_datetime(header(answer, "date"))).total_seconds()), 0)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def server(account: Account) -> str:
    """The address of the account's own server, its option `base_url`: https, or on this machine. Raises Refused."""
    address = read.text(account.options.get("base_url")).rstrip("/")
    if not address.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise Refused("base_url")
    return address


def utf16(words: str) -> int:
    """How long `words` is where a platform counts UTF-16 code units: most emoji are two."""
    return len(words.encode("utf-16-le", "surrogatepass")) // 2


def utf8(words: str) -> int:
    """How long `words` is in bytes."""
    return len(words.encode("utf-8", "surrogatepass"))
