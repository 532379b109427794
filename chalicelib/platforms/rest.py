"""One call to a platform's REST API, made once, its failures classed by HTTP status as most platforms mean them.

Platforms with error codes of their own (Meta, X) class by those instead.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Unpack

from chalicelib.platforms import read
from chalicelib.platforms.base import Carried, NotSent, OutcomeUnknown, Refused, ReplyError, TokenInvalid, call_once
from chalicelib.platforms.http import Answer, Http

Verdicts = Mapping[int, type[ReplyError]]

_VERDICTS: Verdicts = {401: TokenInvalid, 403: TokenInvalid, 408: OutcomeUnknown, 429: NotSent}
_LONGEST_WAIT_S = 3600
_WAIT_S = 60  # where the platform does not say how long


def call(http: Http, method: str, url: str, *, verdicts: Verdicts | None = None, **carried: Unpack[Carried]) -> Answer:
    """The 2xx answer to one request; raises ReplyError.

    Every other 4xx and every redirect is a definite no, a 5xx may hide a reply that went out; `verdicts` says what
    this platform means otherwise by a status.
    """
    answer = call_once(http, method, url, **carried)
    if 200 <= answer.status < 300:
        return answer
    fallback = OutcomeUnknown if answer.status >= 500 else Refused
    verdict = {**_VERDICTS, **(verdicts or {})}.get(answer.status, fallback)
    raise NotSent(str(answer.status), _wait(answer)) if verdict is NotSent else verdict(str(answer.status))


def header(answer: Answer, name: str) -> str:
    """The answer's header `name` (lower case), "" when it is missing."""
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")


def _wait(answer: Answer) -> timedelta:
    """How long to wait, from the three places where it is told: the header, Telegram's body, Discourse's body."""
    told = (
        header(answer, "retry-after"),
        read.obj(answer.data.get("parameters")).get("retry_after"),
        read.obj(answer.data.get("extras")).get("wait_seconds"),
    )
    seconds = next((int(s) for s in map(str, told) if s.isdecimal() and len(s) < 9), _WAIT_S)
    return timedelta(seconds=min(max(seconds, 1), _LONGEST_WAIT_S))


def utf16(words: str) -> int:
    """How long `words` is where a platform counts UTF-16 code units: most emoji are two."""
    return len(words.encode("utf-16-le", "surrogatepass")) // 2


def utf8(words: str) -> int:
    """How long `words` is in bytes."""
    return len(words.encode("utf-8", "surrogatepass"))
