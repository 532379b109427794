"""The playbook's section about machines that speak in the brand's name: greetings, away messages, other bots."""

from collections.abc import Callable
from datetime import timedelta

from chalicelib.playbook.parts import Automatic
from chalicelib.playbook.yaml_parts import Part


def read_automatic(part: Part) -> Automatic:
    """The section `automatic`: whose words are no answer."""
    block, usual = part.block("apps", "phrases", "people", "within"), Automatic()
    return Automatic(
        frozenset(block.get("apps", _each(_app), list[str]())),
        tuple(block.get("phrases", _each(_phrase), list[str]())),
        frozenset(block.get("people", _each(_app), list[str]())),
        block.get("within", lambda p: p.duration(timedelta(), timedelta(minutes=1)), usual.within),
    )


def _each(read: Callable[[Part], str]) -> Callable[[Part], list[str]]:
    return lambda part: part.each(read)


def _app(part: Part) -> str:
    app = part.word("write the id of an app")
    if any(c.isspace() for c in app):
        raise part.wrong(f'"{app}" is not the id of an app', "write the number that the platform gave the app")
    return app


def _phrase(part: Part) -> str:
    phrase = part.text('write some words of the message, such as "Thanks for your message"')
    if len(phrase) < 8:
        raise part.wrong(f'"{phrase}" is so short that people say it as well', "write at least 8 characters")
    return phrase
