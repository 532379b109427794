"""Whom TLS believes: everybody whom the system does, and of AWS's own addresses Amazon first.

Reading all of the system's certificates takes longer than the rest of receive's start together, and ten times as long
as finding Amazon's few among them. Source: https://www.amazontrust.com/repository/
"""

import ssl
from base64 import b64decode
from functools import cache
from pathlib import Path

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
_AMAZON = (b"Amazon Root CA", b"Starfield Services Root Certificate Authority")
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


@cache
def tls() -> ssl.SSLContext:
    """The context for everybody. Make it before work comes, where work speaks to a platform."""
    return ssl.create_default_context()


@cache
def amazon_tls() -> ssl.SSLContext:
    """The one for AWS, with Amazon's certificates among the system's; `tls()` where there are none. What it does not
    prove may still be right (another issuer in a region, a proxy of the company's): ask `tls()` then."""
    known = ssl.get_default_verify_paths().cafile
    found = _amazons(Path(known)) if known else b""
    return ssl.create_default_context(cadata=found) if found else tls()


def _amazons(path: Path) -> bytes:
    """Amazon's certificates in the PEM file at `path`, in DER, one behind the other."""
    try:
        parts = path.read_bytes().split(_END)
        every = [b64decode(encoded) for _, begin, encoded in (part.partition(_BEGIN) for part in parts) if begin]
    except (OSError, ValueError):  # then the whole is OpenSSL's to read
        return b""
    return b"".join(der for der in every if any(name in der for name in _AMAZON))
