"""Pub/Sub's push: who may deliver, proven by the OpenID Connect token that comes along.

Source: https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

from datetime import timedelta

from chalicelib.apps import App
from chalicelib.platforms import read
from chalicelib.platforms.base import Request, SignatureError, same
from chalicelib.platforms.google.oidc import known_keys, refresh, verified_claims
from chalicelib.platforms.http import Http

LEEWAY = timedelta(minutes=5)  # between Google's clock and ours

_ISSUERS = ("https://accounts.google.com", "accounts.google.com")


def prepare(http: Http, app: App, request: Request) -> None:
    """Fetches Google's keys, where needed: receive calls it before `verify`, which must not wait for the network.

    A failure leaves the keys as they are; then `verify` refuses, and Pub/Sub delivers again.
    """
    refresh(http, app.secrets, _token(request), request.received_at)


def verify(app: App, request: Request) -> None:
    """The bearer token is signed by Google, now valid, for our audience, and of the subscription's service account."""
    if not (app.verify_token and app.app_id):
        raise SignatureError("the app names no audience (verify_token) or no service account (app_id)")
    claims = verified_claims(_token(request), known_keys(app.secrets))
    expected = {"aud": (app.verify_token,), "email": (app.app_id,), "iss": _ISSUERS}
    for name, values in expected.items():
        if not any(same(read.text(claims.get(name)), value) for value in values):
            raise SignatureError(f"the token's {name} is not ours")
    if claims.get("email_verified") is not True:
        raise SignatureError("the token's email is not verified")
    now = request.received_at.timestamp()
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        raise SignatureError("the token has no times")
    if not issued - LEEWAY.total_seconds() <= now <= expires + LEEWAY.total_seconds():
        raise SignatureError("the token is expired or not valid yet")


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""
