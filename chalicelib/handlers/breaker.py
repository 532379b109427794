"""The circuit breaker of an account whose replies the platform refuses.

A refused token stops them until one of the account's credentials is another one; a temporary block until its time is
over. Both end by themselves.
"""

import hashlib
import json
from datetime import datetime
from typing import NamedTuple

from chalicelib.apps import Owner
from chalicelib.aws.queues import Queue
from chalicelib.codec import from_time, to_time
from chalicelib.handlers.messages import AccountAlert, Stopped, encode
from chalicelib.platforms.base import Blocked, TokenInvalid
from chalicelib.storage import names
from chalicelib.storage.store import Store

_UNTIL = " until "


class Breaker(NamedTuple):
    """Kept in the store, so that every invocation sees it; its owner is told once, through the escalations queue."""

    store: Store
    escalations: Queue

    def is_open(self, owner: Owner, now: datetime) -> bool:
        """Whether the platform refused what the account is registered with now, and no block's end has come."""
        print_, _, until = (self.store.marked(_name(owner), lately=True) or "").partition(_UNTIL)
        return print_ == _fingerprint(owner) and (not until or to_time(until) > now)

    def open(self, owner: Owner, error: TokenInvalid | Blocked, now: datetime) -> None:
        """Stops replies for the account, and has its owner told: once a credential, once a day of blocks."""
        if self.is_open(owner, now):
            return
        print_ = _fingerprint(owner)
        until = now + error.wait if isinstance(error, Blocked) else None
        alert = AccountAlert(
            stopped=Stopped.BLOCK if until else Stopped.TOKEN,
            product=owner.account.product,
            account=owner.account.id,
            code=error.code,
            token=f"{print_} blocked {now:%Y-%m-%d}" if until else print_,
            until=until,
        )
        self.escalations.send(encode(alert))
        self.store.mark(_name(owner), f"{print_}{_UNTIL}{from_time(until)}" if until else print_, now)


def _name(owner: Owner) -> str:
    return names.breaker(owner.account.product, owner.account.id)


def _fingerprint(owner: Owner) -> str:
    """Of everything that a reply is authorised with: the token, the account's options, the app's secrets."""
    credentials = [owner.account.token, dict(owner.account.options), owner.app.secrets]
    return hashlib.sha256(json.dumps(credentials, sort_keys=True, default=str).encode()).hexdigest()[:16]
