"""The news of a spike: one e-mail to the team that the playbook names, with what brought it about and the questions'
own words. Each spike is told once, by the protocol of notices: claim, send, record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from chalicelib.apps import Apps
from chalicelib.aws.mailer import Email, Mailer, MailRefused, MailUnknown
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction
from chalicelib.emails.phrases import Phrases, phrases
from chalicelib.emails.rendering import environment
from chalicelib.emails.safe_text import clean, name, quoted
from chalicelib.handlers.messages import SpikeFound
from chalicelib.keys import Keys
from chalicelib.outcomes.types import Notified, Outcomes
from chalicelib.playbook.parts import Team
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.once import Once
from chalicelib.storage.store import SHARDS, Store

KIND: Final = "spike"
RETRY: Final = timedelta(minutes=2)
LOOKED_AT: Final = 2_000  # open conversations, for those that the spike is made of
SHOWN: Final = 8  # questions in the e-mail
WORDS: Final = 300  # characters of one


@dataclass(frozen=True, slots=True)
class SpikeNews:
    """What telling of a spike works with."""

    store: Store
    playbook: Playbook
    apps: Apps
    mailer: Mailer
    keys: Keys
    outcomes: Outcomes

    def tell(self, spike: SpikeFound, now: datetime) -> None:
        """Sends the e-mail unless it went out, or somebody is at it. Raises MailRefused for the queue to bring it
        again."""
        team = self.playbook.teams.get(self.playbook.spikes_to)
        once, claim = Once(self.store.table), f"{KIND}-{spike.id}"
        if team is None or not once.claim(claim, now):
            return
        email = self._email(spike, team, list(islice(self._asked(spike), SHOWN)), claim)
        try:
            self.mailer.send(email)
        except MailRefused as error:
            once.let_go(claim, now + RETRY, now)
            self._note(email, "refused" if error.again else "undeliverable", str(error))
            raise
        except MailUnknown as error:  # taken over when the lease ends, unless SES says that it went out
            self._note(email, "unknown", str(error))
            return
        once.sent(claim, now)
        self._note(email, "sent")

    # --- the questions ---

    def _asked(self, spike: SpikeFound) -> Iterator[Interaction]:
        """Those of the spike that are still open, found by what they are called in the facts."""
        wanted = set(spike.questions)
        for c in self._open(spike.began_at) if wanted else ():
            for id in c.questions:
                if self.keys.named("question", c.product, c.account, id) in wanted:
                    found = self.store.interaction(c.product, c.account, id)
                    if found and found.text and not (found.deleted or found.private):
                        yield found

    def _open(self, since: datetime) -> Iterator[Conversation]:
        for shard in range(SHARDS):
            for _, key in islice(self.store.waiting(shard, since), LOOKED_AT // SHARDS):
                if found := self.store.conversation(key):
                    yield found

    # --- the e-mail ---

    def _email(self, spike: SpikeFound, team: Team, asked: list[Interaction], claim: str) -> Email:
        say = phrases(team.language, self.playbook.shop.timezone)
        text, html = render(spike, say, self.playbook.shop.name, asked, self.apps)
        subject = clean(f"[Earshot] {_head(spike, say)}", 150, one_line=True)
        return Email(team.email, subject, text, html, {"kind": KIND, "to": "team", "once": claim}, team.email)

    def _note(self, email: Email, result: str, code: str = "") -> None:
        self.outcomes.notified(
            Notified(None, 0, email.to, email.subject, result, code, kind=KIND, text=email.text, html=email.html)
        )


def render(spike: SpikeFound, say: Phrases, shop: str, asked: list[Interaction], apps: Apps) -> tuple[str, str]:
    """(text, HTML) of the e-mail."""
    view = {
        "say": say,
        "head": _head(spike, say),
        "facts": list(_facts(spike, say, asked, apps)),
        "link": next((i.link for i in asked if i.link), "") if spike.from_post else "",
        "asked": [(i, say.place(i.product)) for i in asked],
        "shop": shop,
        "quoted": quoted,
        "name": name,
        "words": WORDS,
    }
    text, html = (str(environment().get_template(f"spike.{kind}").render(view)) for kind in ("txt", "html"))
    return text, html


def _head(spike: SpikeFound, say: Phrases) -> str:
    return say(
        "spike_head",
        count=spike.count,
        time=say.time(spike.began_at),
        usual=round(spike.usual) if spike.usual >= 0.5 else "< 1",
    )


def _facts(spike: SpikeFound, say: Phrases, asked: list[Interaction], apps: Apps) -> Iterator[str]:
    if spike.intents:
        yield say("spike_about", kinds=", ".join(say.label(intent) for intent in spike.intents))
    if spike.from_post and asked:
        i = asked[0]
        where, account = say.place(i.product), name(apps.account_name(i.product, i.account))
        post = quoted(i.post or i.thread, 80)
        yield say("spike_post", count=spike.from_post, where=where, account=account, post=post)
    elif spike.from_post:
        yield say("spike_one_post", count=spike.from_post)
    else:
        yield say("spike_no_post")
    if spike.campaign:
        yield say("spike_campaign", campaign=spike.campaign.replace("_", " "))
