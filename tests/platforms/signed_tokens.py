"""OpenID Connect tokens as Google signs them, with keys made for this run by the library cryptography."""

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256


@cache
def private_key(kid: str) -> RSAPrivateKey:
    """The same key for the same name, for as long as the process lives."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def key_set(*kids: str) -> str:
    """The public keys of that name, as the JSON Web Key Set that an app has for a secret."""
    return json.dumps({"keys": [_jwk(kid) for kid in kids]})


def _jwk(kid: str) -> dict[str, str]:
    numbers = private_key(kid).public_key().public_numbers()
    n, e = (base64url(i.to_bytes((i.bit_length() + 7) // 8)) for i in (numbers.n, numbers.e))
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e}


def token(kid: str, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    """`claims` signed with the key of that name; `header` replaces the usual one."""
    parts = (header or {"alg": "RS256", "kid": kid, "typ": "JWT"}, claims)
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{signed}.{base64url(private_key(kid).sign(signed.encode(), PKCS1v15(), SHA256()))}"


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
