"""The one POST behind a reply, automatic or a person's, and what became of it."""

from datetime import timedelta
from typing import NamedTuple

from chalicelib import platforms
from chalicelib.apps import Owner
from chalicelib.conversations.conversation import Outcome
from chalicelib.conversations.why import Why
from chalicelib.handlers.breaker import Breaker
from chalicelib.platforms.base import Blocked, NotSent, OutcomeUnknown, Refused, Reply, TokenInvalid, WindowClosed
from chalicelib.platforms.http import Http


class PostedOnce(NamedTuple):
    """What became of it: pending, where it is a definite no for now, with how long to `wait`. `id` is the platform's id
    of the reply, `code` its error code."""

    state: Outcome
    id: str | None = None
    wait: timedelta | None = None
    code: str = ""


def post_once(http: Http, breaker: Breaker, owner: Owner | None, reply: Reply) -> PostedOnce:
    """Posts `reply` as the account of `owner` (None: nobody has it any more), and opens its breaker where the platform
    stops it. Never again after what may have been posted."""
    if owner is None:
        return PostedOnce(Outcome.REFUSED, code=Why.NO_ACCOUNT)
    product = platforms.product(reply.interaction.product)
    try:
        return PostedOnce(Outcome.SENT, product.reply(http, owner.app, owner.account, reply))
    except NotSent as error:
        return PostedOnce(Outcome.PENDING, wait=error.wait, code=error.code)
    except Blocked as error:
        breaker.open(owner, error, reply.at)
        return PostedOnce(Outcome.PENDING, wait=error.wait, code=error.code)
    except TokenInvalid as error:
        breaker.open(owner, error, reply.at)
        return PostedOnce(Outcome.REFUSED, code=error.code)
    except OutcomeUnknown as error:
        return PostedOnce(Outcome.UNKNOWN, code=error.code)
    except WindowClosed as error:
        return PostedOnce(Outcome.REFUSED, code=error.code or "window")
    except Refused as error:
        return PostedOnce(Outcome.REFUSED, code=error.code)
