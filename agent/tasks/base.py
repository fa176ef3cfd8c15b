"""Interface of a task: a plain-English question with an exact oracle."""

import hashlib
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from selfcritic.agent.schemas import Comment


@dataclass(frozen=True)
class Flaw:
    """One error in an answer, according to the oracle."""

    kind: str
    """The task type's name for this kind of error, such as "misplaced"."""
    comment: Comment
    """The gold comment: it quotes the answer and states the fix."""


@dataclass(frozen=True)
class Injected:
    """A correct answer after one flaw was injected."""

    answer: str
    description: str
    """One sentence that describes the injected flaw."""


class Task(ABC):
    """One task, parsed from its question; equal questions give equal tasks and ids."""

    name: ClassVar[str]
    """The name of the task type, such as "addition"."""
    example: ClassVar[str]
    """A sample question."""
    sizes: ClassVar[range]
    """Sizes that `generate` accepts; larger tasks are harder."""

    question: str

    @property
    def id(self) -> str:
        """Return a stable id: the task type's name and a hash of the question."""
        digest = hashlib.sha256(self.question.encode()).hexdigest()
        return f"{self.name}-{digest[:12]}"

    @classmethod
    @abstractmethod
    def parse(cls, question: str) -> Self | None:
        """Parse a task; None if the text is another kind of question."""

    @classmethod
    @abstractmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Generate a random task of the given size."""

    @abstractmethod
    def solution(self) -> str:
        """Return a correct answer."""

    @abstractmethod
    def is_correct(self, answer: str) -> bool:
        """Check whether the answer is correct; any text is a valid input."""

    @abstractmethod
    def flaws(self, answer: str) -> list[Flaw]:
        """List all flaws of the answer; empty exactly when it is correct."""

    @abstractmethod
    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Check whether the comment quotes the answer and describes a real flaw."""

    @abstractmethod
    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Inject one realistic flaw into a correct answer."""

    @abstractmethod
    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Edit the answer as the comment asks, even if the comment is wrong.

        Returns the answer unchanged if the comment cannot be applied.
        """

    @abstractmethod
    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Create a comment that quotes the answer but describes no real flaw."""
