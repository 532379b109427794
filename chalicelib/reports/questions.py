"""Questions worth answering once: the most frequent ones with the playbook's answers, and clusters of the unknown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answered:
    """A kind of question with the answer that the playbook approves, as a customer reads it."""

    intent: str
    question: str
    answer: str
    asked: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Messages that the model did not know and that are alike; `name` are the words that set them apart."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Questions:
    answered: tuple[Answered, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    why_none: str = ""
