"""Receive: verify a delivery, drop what carries nothing to do, put the rest on the inbox. One AWS call, no more."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from chalicelib import platforms
from chalicelib.apps import App, Apps
from chalicelib.aws.queues import Queue
from chalicelib.conversations.interaction import Interaction
from chalicelib.handlers import inbox
from chalicelib.handlers.inbox import Envelope, SaveBody
from chalicelib.platforms.base import FOREIGN, Poison, Request, Response, Skipped, TooLarge
from chalicelib.platforms.contract import Webhook
from chalicelib.platforms.http import Http


class UnknownApp(Exception):
    """No registration of this platform has this key."""


class ForeignAccount(Exception):
    """Every part of the delivery is for accounts that the app which signed it does not have."""


class Encoded(Exception):
    """The body is compressed: no platform does that, and unpacking is what an attacker would like."""


class Receiver(NamedTuple):
    """What receive works with. `new_id` makes the id that follows a delivery to its e-mail."""

    apps: Apps
    inbox: Queue
    http: Http
    save_body: SaveBody
    new_id: Callable[[], str]

    def challenge(self, platform: str, key: str, query: Mapping[str, str]) -> Response:
        """The answer to the platform's handshake. Raises UnknownApp."""
        app, webhook = self._find(platform, key)
        return webhook.challenge(app, query)

    def receive(self, platform: str, key: str, request: Request) -> bool:
        """Whether the delivery was put on the inbox (False: nothing to do in it).

        Raises UnknownApp, TooLarge, Encoded, SignatureError, PayloadError, ForeignAccount, QueueUnavailable.
        """
        app, webhook = self._find(platform, key)
        if len(request.body) > webhook.max_body:
            raise TooLarge("the body is too large")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Encoded("send the body without Content-Encoding")
        webhook.prepare(self.http, app, request)
        webhook.verify(app, request)
        body = webhook.content(request)
        if not self._has_work(app, webhook, body, request.received_at):
            return False
        envelope = Envelope(self.new_id(), platform, key, request.received_at, body, census=app.census)
        inbox.enqueue(self.inbox, envelope, self.save_body, request.received_at)
        return True

    def _find(self, platform: str, key: str) -> tuple[App, Webhook]:
        app, webhook = self.apps.get(platform, key), platforms.webhook(platform)
        if app is None or webhook is None:
            raise UnknownApp("there is no such app")
        return app, webhook

    def _has_work(self, app: App, webhook: Webhook, body: bytes, received_at: datetime) -> bool:
        foreign = other = False
        for parsed in webhook.read(app, body, received_at):
            if isinstance(parsed, (Interaction, Poison)):  # a union would be made anew for every part
                return True
            is_foreign = isinstance(parsed, Skipped) and parsed.reason == FOREIGN
            foreign, other = foreign or is_foreign, other or not is_foreign
        if foreign and not other:
            raise ForeignAccount("no account of this app is named in the delivery")
        return False
