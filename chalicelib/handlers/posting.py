"""How an account of the brand speaks: its words as the platform shows them, and the one POST behind a reply, automatic
or a person's."""

from datetime import timedelta
from typing import NamedTuple

from chalicelib import platforms
from chalicelib.apps import Apps, Owner
from chalicelib.conversations.conversation import Outcome
from chalicelib.conversations.interaction import Interaction
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


class Poster(NamedTuple):
    """What speaking for the brand works with."""

    apps: Apps
    http: Http
    breaker: Breaker

    def owner(self, to: Interaction) -> Owner | None:
        """Who answers `to`; None where nobody has its account any more."""
        return self.apps.owner(to.product, to.account)

    def wording(self, to: Interaction, words: str, private: bool) -> str:
        """`words` as the platform would show them: cut, without links where it allows none. `private`: in a message of
        its own."""
        owner = self.owner(to)
        return platforms.product(to.product).wording(owner.account, to, words, private) if owner else words

    def post(self, reply: Reply) -> PostedOnce:
        """Posts `reply` once, and opens the account's breaker where the platform stops it. Never again after what may
        have been posted."""
        owner = self.owner(reply.interaction)
        if owner is None:
            return PostedOnce(Outcome.REFUSED, code=Why.NO_ACCOUNT)
        product = platforms.product(reply.interaction.product)
        try:
            return PostedOnce(Outcome.SENT, product.reply(self.http, owner.app, owner.account, reply))
        except NotSent as error:
            return PostedOnce(Outcome.PENDING, wait=error.wait, code=error.code)
        except Blocked as error:
            self.breaker.open(owner, error, reply.at)
            return PostedOnce(Outcome.PENDING, wait=error.wait, code=error.code)
        except TokenInvalid as error:
            self.breaker.open(owner, error, reply.at)
            return PostedOnce(Outcome.REFUSED, code=error.code)
        except OutcomeUnknown as error:
            return PostedOnce(Outcome.UNKNOWN, code=error.code)
        except WindowClosed as error:
            return PostedOnce(Outcome.REFUSED, code=error.code or "window")
        except Refused as error:
            return PostedOnce(Outcome.REFUSED, code=error.code)
