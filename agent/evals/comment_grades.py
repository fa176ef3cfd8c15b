"""Grade comments on an answer by the flaws that its task knows."""

from typing import NamedTuple

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Task


class CommentGrade(NamedTuple):
    """What a task knows about a comment."""

    is_valid: bool
    named: frozenset[int] = frozenset()
    """Indices of the flaws that it describes or fixes."""
    subject: frozenset[int] = frozenset()
    """Indices of the flaws that it describes; those that it fixes if it is worded in another way."""


class CommentGrader:
    """Grades comments on one answer; equal comments are checked once."""

    def __init__(self, task: Task, answer: str) -> None:
        self.flaws = [flaw.comment for flaw in task.flaws(answer)]
        """One comment on each flaw of the answer."""
        self._task = task
        self._answer = answer
        self._grades: dict[tuple[int | None, int | None, str], CommentGrade] = {}

    def grade(self, comment: Comment) -> CommentGrade:
        """Return whether a comment is valid, and which flaws it names."""
        key = (comment.start, comment.end, comment.text)
        if key not in self._grades:
            is_valid = self._task.is_valid(self._answer, comment)
            self._grades[key] = self._grade_valid(comment) if is_valid else CommentGrade(False)
        return self._grades[key]

    def _grade_valid(self, comment: Comment) -> CommentGrade:
        edited = self._task.apply_comment(self._answer, comment)
        remaining = {flaw.comment.text for flaw in self._task.flaws(edited)}
        described: set[int] = set()
        fixed: set[int] = set()
        for index, flaw in enumerate(self.flaws):
            if flaw.text == comment.text:
                described.add(index)
            if flaw.text not in remaining:
                fixed.add(index)
        return CommentGrade(True, frozenset(described | fixed), frozenset(described or fixed))
