"""The playbook's sections about how people are told: when e-mails become one, and a team's other channels."""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from chalicelib.playbook.parts import Bundling
from chalicelib.playbook.yaml_parts import Block, Part

_URL: Final = re.compile(r"https://[^\s/@]+\.[^\s@]+")
CHANNELS: Final = ("slack", "teams", "webhook")


def read_emails(part: Part) -> Bundling:
    """The section `emails`: how many questions under one post stand in one e-mail, how many e-mails an hour."""
    block, usual = part.block("group_over", "group_within", "group_wait", "digest_over"), Bundling()
    return Bundling(
        block.get("group_over", lambda p: p.whole(1, 1000), usual.questions),
        block.get("group_within", lambda p: p.duration(timedelta(minutes=1), timedelta(hours=4)), usual.within),
        block.get("digest_over", lambda p: p.whole(1, 1000), usual.emails_per_hour),
        block.get("group_wait", lambda p: p.duration(timedelta(seconds=2), timedelta(seconds=60)), usual.wait),
    )


def read_reports(part: Part, teams: Collection[str]) -> tuple[str, str]:
    """The section `reports`: whose mailboxes the week's report and the news of a spike go to; "" for nobody's."""
    block = part.block("weekly", "spikes")
    return block.get("weekly", lambda p: _team(p, teams), ""), block.get("spikes", lambda p: _team(p, teams), "")


def _team(part: Part, teams: Collection[str]) -> str:
    return "" if part.word("write a team, or none") == "none" else part.choice(teams, "team")


def read_channels(block: Block) -> tuple[dict[str, str], str]:
    """A team's other channels by kind, and the secret that its webhook is signed with."""
    found = {kind: block.get(kind, _url, "") for kind in CHANNELS}
    secret = block.get("webhook_secret", _secret, "")
    if found["webhook"] and not secret:
        raise block.part.wrong("a webhook without a secret", "add webhook_secret: whsec_… (24 random bytes in base64)")
    return {kind: url for kind, url in found.items() if url}, secret


def _url(part: Part) -> str:
    url = part.word("write an address that begins with https://")
    if not _URL.fullmatch(url):
        raise part.wrong(f'"{url[:60]}" is not a web address', "write one that begins with https://")
    return url


def _secret(part: Part) -> str:
    secret = part.word("write whsec_ and 24 or more random bytes in base64")
    if not re.fullmatch(r"whsec_[A-Za-z0-9+/]{32,}={0,2}", secret):
        raise part.wrong("not a secret of Standard Webhooks", "write whsec_ and 24 or more random bytes in base64")
    return secret
