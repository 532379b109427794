"""Dead letters in memory, for stories that erase somebody in the middle of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.aws.queues import Letter


@dataclass(slots=True)
class MemoryDeadLetters:
    """`chalicelib.aws.queues.DeadLetters` over a list of message bodies."""

    bodies: list[str] = field(default_factory=list)
    _held: list[Letter] = field(default_factory=list)

    def take(self) -> list[Letter]:
        taken = [Letter(body, str(n)) for n, body in enumerate(self.bodies[:10], start=len(self._held))]
        del self.bodies[:10]
        self._held += taken
        return taken

    def put(self, body: str) -> None:
        self.bodies.append(body)

    def drop(self, letter: Letter) -> None:
        pass  # nobody else holds it

    def let_go(self, letters: Sequence[Letter]) -> None:
        self.bodies += [letter.body for letter in letters]
        self._held.clear()
