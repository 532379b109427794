"""The circuit breaker of an account whose token the platform refuses: no replies until the token is another one."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apps import Account
from chalicelib.aws.queues import Queue
from chalicelib.storage.store import Store


@dataclass(frozen=True, slots=True)
class Breaker:
    """Kept in the store, so that every invocation sees it; its owner is told once, through the escalations queue."""

    store: Store
    escalations: Queue

    def is_open(self, account: Account) -> bool:
        """Whether this account's present token was refused before."""
        return self.store.marked(_name(account)) == _fingerprint(account)

    def open(self, account: Account, code: str, now: datetime) -> None:
        """Stops replies for the account; a new token in the apps file closes the breaker by itself."""
        if self.is_open(account):
            return
        alert = {"v": 1, "alert": "token", "product": account.product, "account": account.id, "code": code}
        self.escalations.send(alert | {"token": _fingerprint(account)})
        self.store.mark(_name(account), _fingerprint(account), now)


def _name(account: Account) -> str:
    return f"breaker#{account.product}:{account.id}"


def _fingerprint(account: Account) -> str:
    return hashlib.sha256(account.token.encode()).hexdigest()[:16]
