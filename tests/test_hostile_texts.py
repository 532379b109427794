"""What strangers write is read in a time that grows with its length, so that nobody can keep an escalation's e-mail or
the desk from being made. A search that looks at all that follows each character would take minutes for one of these."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

from chalicelib.conversations.answers import same_words
from chalicelib.emails import safe_text
from chalicelib.intents import IntentModel
from chalicelib.platforms import read
from chalicelib.reading.guards import guards
from chalicelib.reports.questions import phrases
from chalicelib.staff.mail_text import new_text
from infra.stack.package import ROOT

LENGTH: Final = 100_000
AGAIN: Final = (
    *(
        "a-",
        "a.",
        "-.",
        "-..",
        "a_.",
        "a@",
        "a+",
        "@",
        "@a,",
        "a@b.",
        "a://",
        "www.",
        "https://a ",
        "1-",
        "-",
        "_",
        ".",
    ),
    *(
        "<",
        "<a ",
        "</",
        "<br",
        "[",
        "[](",
        "&",
        "&#1",
        "&amp;",
        "“",
        "„",
        "«",
        '"',
        "'",
        "*",
        "`",
        "#",
        "#a",
        "?",
        "a?",
    ),
    *("\U000e0067", "\U0001f3f4\U000e0067", "\u200d", "\u200b", "\ufe0f", "\u0301", "\ufdfa", "\u202e", "\ud800", "😀"),
    *(" ", "\n", "\r\n", "\t", "\u00a0", "\u2028", "a ", "A ", "hi, ", "not ", "thanks ", "please "),
)
"""What is written again and again, up to LENGTH characters."""
IN_MAILS: Final = (
    *(
        "\n>",
        "\n> ",
        "\n>\n",
        "> a\n",
        "On 1\n",
        "On 1 wrote\n",
        "Le 1\n",
        "De: a\n",
        "From: a\nTo: b\n",
        "-- \n",
        "--",
        "__\n",
    ),
    *("Saludos\n", "Un saludo\n\n", "Sent from my\n", "\nVon meinem a", "\n \n", "- a\n", "Best\n"),
)


def mailed(text: str) -> str:
    """What is new in a mail of `text`."""
    message = EmailMessage(policy=default)
    message.set_content("See below.\n\n" + text.encode("utf-8", "replace").decode())
    return new_text(message)


def readers() -> Sequence[Callable[[str], Any]]:
    """Everything that looks at a stranger's words."""
    return (
        lambda text: safe_text.quoted(text, LENGTH),
        safe_text.name,
        safe_text.first_words,
        lambda text: same_words(text, text),
        read.name,
        read.html_text,
        read.is_friendly,
        lambda text: guards(text, None),
        IntentModel.load().classify,
        phrases,
    )


def read_all() -> None:
    every = readers()
    for written in (*AGAIN, *IN_MAILS):
        text = written * (LENGTH // len(written)) + "x"
        for reader in every:
            reader(text)
    for written in ("\n", "\r\n", "\n \n", *IN_MAILS):
        mailed(written * (LENGTH // len(written)) + "x")


def test_no_text_takes_more_time_than_its_length() -> None:
    command = [sys.executable, "-c", f"from {__name__} import read_all; read_all()"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=200)  # seconds; a slow one takes hours for all
