"""Who wrote an e-mail: the one address that it is from, and whether a program did."""

import re
from email.errors import InvalidHeaderDefect
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from typing import Final

# How mail programs begin the subject of what they send while somebody is away, where no header says that they do.
_AWAY: Final = re.compile(
    r"\s*(?:auto(?:matic|matische|matisch)?[\s-]?(?:reply|response|antwort)|auto\s*:|out of (?:the )?office|"
    r"abwesenheits|(?:nicht im (?:haus|büro)|abwesend|ausser haus|außer haus)\s*:|réponse automatique|"
    r"absence du bureau|absent(?:e)?(?: du bureau)?\s*:|respuesta automática|fuera de (?:la )?oficina|ausente\s*:|"
    r"risposta automatica|resposta automática|automatisch antwoord|undeliverable\s*:|unzustellbar\s*:)",
    re.I,
)
_OF_PROGRAMS: Final = (
    *("List-Id", "List-Unsubscribe", "X-Autoreply", "X-Autorespond", "X-Autoresponder"),
    "X-MS-Exchange-Generated-Message-Source",
)
_BULK: Final = frozenset({"bulk", "junk", "list", "auto_reply"})


def header(message: EmailMessage, name: str) -> str:
    """A header's text; "" when it is missing or cannot be read."""
    try:
        return str(message.get(name, ""))
    except (ValueError, LookupError, AttributeError, IndexError):
        return ""


def sender(message: EmailMessage) -> str:
    """The one address that it is from, in small letters; "" where it names none or several, or is written so that two
    readers would not find the same one: SES judged one of them, and nobody knows which."""
    try:
        (said,) = message.get_all("From", [])
        (address,) = said.addresses
    except (ValueError, LookupError, AttributeError, IndexError):
        return ""
    found = str(address.addr_spec)
    broken = any(isinstance(defect, InvalidHeaderDefect) for defect in said.defects)
    return "" if broken or parseaddr(str(said))[1] != found else found.lower()


def sender_name(message: EmailMessage) -> str:
    """What the sender calls themselves, as they wrote it."""
    return parseaddr(header(message, "From"))[0]


def named(message: EmailMessage) -> tuple[str, ...]:
    """Whom its headers say that it is for."""
    return tuple(address for _, address in getaddresses([header(message, "To"), header(message, "Cc")]) if address)


def is_from_a_program(message: EmailMessage, envelope_from: str = "") -> bool:
    """Whether a program wrote it: an automatic reply, a bounce, a mailing list, or one of our own e-mails."""
    submitted = header(message, "Auto-Submitted").lower().split(";")[0].strip()
    null_sender = "<>" in (envelope_from.strip(), header(message, "Return-Path").strip())
    bulk = any(header(message, name).strip().lower() in _BULK for name in ("Precedence", "X-Precedence"))
    suppress = re.split(r"[,;\s]+", header(message, "X-Auto-Response-Suppress").lower())
    return (
        submitted not in ("", "no")
        or null_sender
        or bulk
        or "all" in suppress  # Exchange's and our own: nobody's mail program writes it for a person
        or any(header(message, name) for name in (*_OF_PROGRAMS, "X-Earshot-Delivery"))
        or message.get_content_type() == "multipart/report"
        or bool(_AWAY.match(header(message, "Subject")))
    )


def is_aligned(message: EmailMessage, address: str) -> bool:
    """Whether the domain that signed it (DKIM's d=) is the sender's own or one above it. White space may stand around a
    tag's name (RFC 6376, section 3.2); two of one name are none."""
    own = address.rpartition("@")[2]
    tags = [part.partition("=") for h in message.get_all("DKIM-Signature", []) for part in str(h).split(";")]
    signed = ["".join(value.split()).lower() for name, _, value in tags if name.strip().lower() == "d"]
    return len(signed) == 1 and "." in signed[0] and (own == signed[0] or own.endswith(f".{signed[0]}"))
