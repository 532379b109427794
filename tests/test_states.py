"""P1–P7 after every step of arbitrary stories: questions, edits, deletions, replies, echoes, greetings, staff on the
page and by e-mail, "stop", bounces, releases, erasures, time, and processes that end anywhere. What is owed is known
from a plain model beside the shop (tests/story).

EARSHOT_STORIES=2000 makes the stories so many, others each time, and shortens one that fails (`make stories`).
"""

import os
import subprocess

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS

from infra.stack.package import ROOT
from tests.story.meetings import Meetings

# Hypothesis makes most of its examples by changing those before, and two thirds of the stories would be much the same.
# Of a backend under any other name it asks every example anew.
AVAILABLE_PROVIDERS["anew"] = AVAILABLE_PROVIDERS["hypothesis"]
MORE = int(os.environ.get("EARSHOT_STORIES") or 0)


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


@pytest.mark.parametrize("stories", ["abc", "0", "-1", "1e3", "2 000", "3.5"])
def test_what_is_no_number_of_stories_is_said_in_one_line(stories: str) -> None:
    command = ["make", "--no-print-directory", "--assume-old=setup", "stories", f"STORIES={stories}", "PYTHON=false"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # as no make's child
    told = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False)
    said = told.stderr.splitlines()
    assert said[0] == "stories: STORIES says how many, a whole number from 1 on, such as STORIES=2000"
    assert len(said) == 2 and said[1].startswith("make:")
