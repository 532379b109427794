"""P1–P7 after every step of arbitrary stories: questions, edits, deletions, replies, echoes, greetings, staff on the
page and by e-mail, "stop", bounces, releases, erasures, time, and processes that end anywhere. What is owed is known
from a plain model beside the shop (tests/story).

EARSHOT_STORIES=2000 makes the stories so many, others each time, and shortens one that fails (`make stories`).
"""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS

from tests.story.meetings import Meetings

# Hypothesis makes most of its examples by changing those before, and two thirds of the stories would be much the same.
# Of a backend under any other name it asks every example anew.
AVAILABLE_PROVIDERS["anew"] = AVAILABLE_PROVIDERS["hypothesis"]
MORE = int(os.environ.get("EARSHOT_STORIES", "0"))


class Story(Meetings):
    """All of it."""


TestStory = Story.TestCase
TestStory.settings = settings(
    max_examples=MORE or 90,
    stateful_step_count=30,
    deadline=None,
    derandomize=not MORE,
    phases=(Phase.generate, Phase.shrink) if MORE else (Phase.generate,),
    database=None,
    backend="anew",
    print_blob=bool(MORE),
    suppress_health_check=list(HealthCheck),
)
