"""What the small things are called that are remembered beside interactions and conversations: marks, counters and
documents. One function a name, so that none is made twice and no two meet; all of them have an expiry."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

# --- marks: what has been done, or stands so ---


def breaker(product: str, account: str) -> str:
    """Which credentials the platform refuses."""
    return f"breaker#{product}:{account}"


def alerted(product: str, account: str) -> str:
    """What the account's owner was told last of its breaker."""
    return f"alerted#{product}:{account}"


def replanned(shard: int) -> str:
    """By which clocks of the playbook the conversations of a shard are planned."""
    return f"clocks#{shard}"


def gathering(name: str) -> str:
    """Until when the e-mail called `name` is put together: its message is on the queue."""
    return f"gathering#{name}"


def channel_told(tag: str, channel: str) -> str:
    return f"channel#{tag}#{channel}"


def undeliverable(tag: str, to: str | None) -> str:
    return f"undeliverable#{tag}#{to}"


def sender_told(digest: str) -> str:
    return f"told#{digest}"


# --- counters, each of a window of its own ---


def author_under_post(pseudonym: str, now: datetime) -> str:
    return f"author#{pseudonym}#{_hour(now)[:8]}"


def under_post(owner: str, post: str, now: datetime) -> str:
    return f"post#{owner}#{_digest(post)}#{_hour(now)}"


def of_account(owner: str, now: datetime) -> str:
    return f"account#{owner}#{_hour(now)}"


def mailbox(address: str, now: datetime) -> str:
    return f"mailbox#{address}#{_hour(now)}"


def fell_due(product: str, account: str, post: str, team: str, now: datetime, within: timedelta) -> str:
    return f"due#{product}:{account}#{_digest(post)}#{team}#{int(now.timestamp() // within.total_seconds())}"


def _hour(now: datetime) -> str:
    """Its window's name, in a fifth of the time that `strftime` takes."""
    return f"{now.year:04}{now.month:02}{now.day:02}T{now.hour:02}"


@lru_cache(maxsize=256)  # a post's questions come one after the other
def _digest(post: str) -> str:
    """A post on a customer's own page begins with the customer's id, and no erasure looks into counters."""
    return sha256(post.encode()).hexdigest()[:16]


def campaign_person(campaign: str, first: date, pseudonym: str) -> str:
    """How often one person was told a campaign's line, as long as it runs; `first` is its first day."""
    return f"campaign#{campaign}#{first:%Y%m%d}#person#{pseudonym}"


def campaign_day(campaign: str, day: date) -> str:
    return f"campaign#{campaign}#{day:%Y%m%d}"


# --- collections of documents ---


def notice(tag: str) -> str:
    """The notices that stand in the e-mail called `tag`."""
    return f"notice#{tag}"


def digest(address: str, quarter: int) -> str:
    """What a mailbox gets with the end of this quarter of an hour: the name of a gathering."""
    return f"digest#{address}#{quarter}"


def group(post: str, window: int) -> str:
    """What fell due under `post` (of `fell_due`): the name of a gathering."""
    return f"{post}#{window}"


def gathered(name: str) -> str:
    """The notices that are gathered under `name`."""
    return f"gathered#{name}"


def reply_address(id: str) -> str:
    return f"reply#{id}"


def email_named(collection: str) -> str | None:
    """How the e-mail is called whose `notice` or `reply_address` made the name `collection`; None for others."""
    kind, _, tag = collection.partition("#")
    return tag if kind in ("notice", "reply") else None


def said_privately(account: str, words: str) -> str:
    """The answers that went, or may have gone, by private message to public questions with these words."""
    return f"private#{account}#{words}"


def erasure_under_way(code: str) -> str:
    """The customers whom a request is about, as long as they are not erased."""
    return f"erasure-work#{code}"


def person(product: str, account: str, id: str) -> str:
    """Which of a customer's ids stands for `id`."""
    return f"person#{product}:{account}#{id}"


def person_named(collection: str) -> str | None:
    """The id that `person` made the name `collection` of; None where another function made it."""
    kind, _, rest = collection.partition("#")
    return rest.partition("#")[2] if kind == "person" else None


def object_named(collection: str) -> str | None:
    """The id that `object_home` made the name `collection` of; None where another function made it."""
    kind, _, rest = collection.partition("#")
    return rest.partition("#")[2] if kind == "object" else None


def object_home(product: str, id: str) -> str:
    """At which account an object that several were told of is at home."""
    return f"object#{product}#{id}"


def body(name: str) -> str:
    return f"body#{name}"


def erasure(code: str) -> str:
    return f"erasure#{code}"


def label(product: str, account: str, id: str) -> str:
    """A corrected text's own name among all of them."""
    return f"{product}:{account}:{id}"


def labelled(name: str) -> tuple[str, str, str] | None:
    """The interaction that `label` made `name` of."""
    product, _, rest = name.partition(":")
    account, _, id = rest.partition(":")
    return (product, account, id) if id else None
