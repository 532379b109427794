"""Meta's data-deletion callback: who asks to be erased, proven by the app's secret.

Source: https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback
"""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs

from chalicelib.apps import App
from chalicelib.platforms import read
from chalicelib.platforms.base import SignatureError

MAX_REQUEST = 16 * 1024  # bytes


def signed_user(app: App, body: bytes) -> str:
    """The user id in the form body's `signed_request` (signature.payload, base64url each).

    Raises SignatureError, read.PayloadError.
    """
    if len(body) > MAX_REQUEST:
        raise read.PayloadError("the request is too large")
    values = parse_qs(body.decode("utf-8", "replace")).get("signed_request", [])
    signature, dot, payload = (values[0] if len(values) == 1 else "").partition(".")
    if not dot:
        raise read.PayloadError("expected one signed_request: signature.payload")
    if not _proven(app, _decoded(signature), payload.encode()):
        raise SignatureError("the signed_request is not signed with this app's secret")
    try:
        data = json.loads(_decoded(payload))
    except (ValueError, RecursionError):
        raise read.PayloadError("the payload is not JSON") from None
    if not isinstance(data, dict) or str(data.get("algorithm", "")).upper() != "HMAC-SHA256":
        raise read.PayloadError("expected an object with the algorithm HMAC-SHA256")
    user = read.ident(data.get("user_id"))
    if not user:
        raise read.PayloadError("user_id is missing")
    return user


def _proven(app: App, signature: bytes, payload: bytes) -> bool:
    found = False
    for secret in app.secrets:  # all of them, so that the time does not tell which one fits
        found |= hmac.compare_digest(hmac.digest(secret.encode(), payload, hashlib.sha256), signature)
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise read.PayloadError("not base64url") from None
