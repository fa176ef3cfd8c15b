"""What a task family is: real tasks in plain words, with an oracle that knows every flaw of any answer."""

import hashlib
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from selfcritic.agent.schemas import Comment


@dataclass(frozen=True)
class Flaw:
    """Something wrong with an answer, by the oracle."""

    kind: str
    """The family's word for it, such as "misplaced"."""
    comment: Comment
    """The gold comment: it quotes the answer and says what would mend it."""


@dataclass(frozen=True)
class Injected:
    """A right answer made wrong."""

    answer: str
    description: str
    """What was done, in a sentence: the reference description of the planted flaw."""


class Task(ABC):
    """One task of a family, read from its question. Same question, same task, same id."""

    family: ClassVar[str]
    example: ClassVar[str]
    """A question of the family, to show what a person may type."""
    sizes: ClassVar[range]
    """The sizes `generate` takes: the family's dial of difficulty."""

    question: str

    @property
    def id(self) -> str:
        """A name that stays: the family and a hash of the question."""
        return f"{self.family}-{hashlib.sha256(self.question.encode()).hexdigest()[:12]}"

    @classmethod
    @abstractmethod
    def parse(cls, question: str) -> Self | None:
        """Read a task out of any text; None when the text is not of this family."""

    @classmethod
    @abstractmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw a fresh task of a size."""

    @abstractmethod
    def solution(self) -> str:
        """A right answer."""

    @abstractmethod
    def is_correct(self, answer: str) -> bool:
        """Whether the answer is right. Any text may be an answer."""

    @abstractmethod
    def flaws(self, answer: str) -> list[Flaw]:
        """All flaws of the answer; none exactly when it is right."""

    @abstractmethod
    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Whether the comment quotes the answer and names one of its true flaws."""

    @abstractmethod
    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Put one realistic flaw into an answer that is right."""

    @abstractmethod
    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Do what the comment says, right or wrong; the answer unchanged when it cannot be followed."""

    @abstractmethod
    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """A comment in the family's words that quotes the answer and objects to nothing that is wrong."""
