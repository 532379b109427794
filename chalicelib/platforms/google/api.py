"""Calls to Google's APIs with an access token that is fetched anew when it has expired, after an hour.

Source: https://developers.google.com/identity/protocols/oauth2/web-server#offline
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from chalicelib.apps import Account
from chalicelib.platforms import read
from chalicelib.platforms.base import NotSent, OutcomeUnknown, TokenInvalid
from chalicelib.platforms.http import Http
from chalicelib.platforms.rest import Verdicts, call

REVIEWS = "https://mybusiness.googleapis.com/v4"
NOTIFICATIONS = "https://mybusinessnotifications.googleapis.com/v1"
TOKENS = "https://oauth2.googleapis.com/token"

_access: dict[tuple[str, str], str] = {}  # (client id, refresh token) → access token


def ask(
    http: Http, account: Account, method: str, url: str, *, query: Mapping[str, str] | None = None, data: Any = None
) -> dict[str, Any]:
    """One call; after a 401, which is a definite no, once more with a fresh access token. Raises ReplyError."""
    try:
        headers = {"Authorization": f"Bearer {_access_token(http, account)}"}
        return call(http, method, url, headers=headers, query=query, data=data).data
    except TokenInvalid as error:
        if error.code != "401" or not account.options.get("refresh_token"):
            raise
    headers = {"Authorization": f"Bearer {_access_token(http, account, renew=True)}"}
    return call(http, method, url, headers=headers, query=query, data=data).data


def _access_token(http: Http, account: Account, *, renew: bool = False) -> str:
    names = ("client_id", "client_secret", "refresh_token")
    grant = {name: read.text(account.options.get(name)) for name in names}
    if not grant["refresh_token"]:
        return account.token
    key = (grant["client_id"], grant["refresh_token"])
    if renew or key not in _access:
        form = urlencode({**grant, "grant_type": "refresh_token"}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = call(http, "POST", TOKENS, headers=headers, body=form, verdicts=Verdicts({400: TokenInvalid}))
        except OutcomeUnknown as error:
            raise NotSent(error.code) from None  # no reply was posted by asking for a token
        _access[key] = read.text(answer.data.get("access_token"))
    return _access[key]
