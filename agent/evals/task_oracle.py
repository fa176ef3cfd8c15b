"""Grade answers and rate critiques with the oracle of a built-in task."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample, Rating
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.measures.reviews import match_comments
from selfcritic.agent.evals.rating import build_rating, fill_form, locate_bugs
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Task, parse_task


@dataclass(frozen=True)
class TaskOracle:
    """Knows all flaws of an answer, and which comments describe one.

    - `bug_inclusion`: 7 if a valid comment fixes the bug, or quotes its passage; else 1.
    - `hallucinated_problem`: 7 if a comment is invalid or a quote is not in the answer, else 1.
    - `nitpick`: 1, since each valid comment names an error.
    - `is_helpful`: whether there is a comment, all comments are valid, and all quotes are in the answer (paper 1).
    """

    task: Task
    name = "oracle"

    @classmethod
    def for_record(cls, record: AnswerRecord) -> "TaskOracle":
        """Return the oracle of a record's task.

        Raises:
            InputError: The question is not one of the record's task type.
        """
        task = parse_task(record.question)
        if task is None or task.name != record.task_type:
            found = "no task type" if task is None else f"the task type {task.name!r}"
            raise InputError(
                f"Record {record.id!r} has task_type {record.task_type!r}, but its question is of {found}. "
                "Correct task_type, or remove it to use another oracle."
            )
        return cls(task)

    async def grade(self, _record: AnswerRecord, answer: str, /) -> bool | None:
        """Return whether the answer is correct."""
        return await asyncio.to_thread(self.task.is_correct, answer)

    async def find_bugs(self, record: AnswerRecord, /) -> list[Bug] | None:
        """Return the bugs that the record names, else all flaws of its answer."""
        if record.bugs is not None:
            return record.bugs
        flaws = await asyncio.to_thread(self.task.flaws, record.answer)
        bugs = []
        for number, flaw in enumerate(flaws, 1):
            comment = flaw.comment
            bug = Bug(
                id=f"{flaw.kind}-{number}",
                description=comment.text,
                quote=comment.quote,
                start=comment.start,
                end=comment.end,
            )
            bugs.append(bug)
        return bugs

    async def rate(self, record: AnswerRecord, critique: CritiqueSample, /) -> list[Rating]:
        """Rate a critique of the record's answer."""
        bugs = locate_bugs(record.answer, await self.find_bugs(record) or [])
        rating = await asyncio.to_thread(self._rate, record, critique, bugs)
        return [rating]

    def _rate(self, record: AnswerRecord, critique: CritiqueSample, bugs: Sequence[Bug]) -> Rating:
        answer = record.answer
        valid = [comment for comment in critique.comments if self.task.is_valid(answer, comment)]
        num_invented = len(critique.comments) - len(valid) + len(critique.ungrounded)
        included = self._included(answer, valid, bugs)
        form = fill_form(included, is_invented=num_invented > 0, is_nitpick=False)
        is_helpful = bool(valid) and num_invented == 0
        return build_rating(record, critique, self.name, "oracle", is_helpful=is_helpful, form=form)

    def _included(
        self, answer: str, valid: Sequence[Comment], bugs: Sequence[Bug]
    ) -> dict[str, bool]:
        """Return by bug id whether a valid comment points it out.

        A comment is matched by the flaws that it fixes, since it may quote another passage than the bug. If it fixes
        no listed flaw, it is matched by its quote.
        """
        if len(bugs) == 1 and len(self.task.flaws(answer)) == 1:
            return {bugs[0].id: bool(valid)}
        included = {bug.id: False for bug in bugs}
        unmatched: list[Comment] = []
        for comment in valid:
            fixed = self._fixed_flaws(answer, comment)
            if not fixed:
                unmatched.append(comment)
            for bug in bugs:
                if any(_is_same(bug, flaw) for flaw in fixed):
                    included[bug.id] = True
        rest = [bug for bug in bugs if not included[bug.id]]
        for bug, match in zip(rest, match_comments(unmatched, rest), strict=True):
            included[bug.id] = match is not None
        return included

    def _fixed_flaws(self, answer: str, comment: Comment) -> list[Comment]:
        """Return the comments on the flaws that disappear if a comment is applied."""
        edited = self.task.apply_comment(answer, comment)
        if edited == answer:
            return []
        after = {flaw.comment.text for flaw in self.task.flaws(edited)}
        before = [flaw.comment for flaw in self.task.flaws(answer)]
        return [flaw for flaw in before if flaw.text not in after]


def _is_same(bug: Bug, flaw: Comment) -> bool:
    """Whether a bug is the flaw that a comment describes."""
    if bug.description == flaw.text:
        return True
    if bug.quote is None:
        return False
    passage = Comment(quote=bug.quote, text="", start=bug.start, end=bug.end)
    return passage.overlaps(flaw)
