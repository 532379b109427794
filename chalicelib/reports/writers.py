"""Who wrote, for words that are shown because several people used them: one person at many accounts is not several.

A pseudonym is of one account, so whoever sends the same to all accounts of a shop would pass for many, and their name
and street for common words. Two at different accounts count as one where they are called the same, or, where the
platform tells no name, where what they wrote first is the same. That may take several people for one, which costs a
word; it never takes one for several, unless they write differently under different names.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from chalicelib.conversations.interaction import Interaction

LONG_ENOUGH: Final = 3  # characters of a part of a name that is looked for: "de", "la" and initials are everybody's
UNNAMED: Final = "@name"  # in place of a writer's own name: no phrase holds it (questions.py), a proposal masks it
_PARTS: Final = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class Writers:
    """Tells people apart, customer by customer as they come."""

    _known: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _alike: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))

    def of(self, i: Interaction) -> str:
        """Who wrote `i`: the same for the n-th of one account and the n-th of another who are alike. Only tells people
        apart; never to be shown."""
        customer = (i.product, i.account, i.customer)
        if customer not in self._known:
            mark = " ".join((i.author_name or i.text).casefold().split())
            at = (i.product, i.account, mark)
            self._alike[at] += 1
            self._known[customer] = f"{mark}\n{self._alike[at]}"
        return self._known[customer]


def unsigned(i: Interaction) -> str:
    """What `i` says, without the parts of its writer's own name."""
    parts = [p for p in _PARTS.findall(i.author_name or "") if len(p) >= LONG_ENOUGH]
    if not parts:
        return i.text
    return re.sub(rf"(?<!\w)@?(?:{'|'.join(map(re.escape, parts))})(?!\w)", UNNAMED, i.text, flags=re.IGNORECASE)
