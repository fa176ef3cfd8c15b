"""Grade answers and rate critiques with the oracle of a built-in task."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample, Rating, RatingForm
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.comment_grades import CommentGrader
from selfcritic.agent.evals.measures.reviews import match_comments
from selfcritic.agent.evals.rating import NO, build_rating, fill_form, locate_bugs
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Task, parse_task


@dataclass(frozen=True)
class TaskOracle:
    """Knows all flaws of an answer, and which comments describe one.

    - `bug_inclusion`: 7 if a valid comment names or fixes the bug, else 1. A bug that is described in other words than
      the task's is found by its quote, and an only bug is the only flaw.
    - `hallucinated_problem`: 7 if a comment is invalid or a quote is not in the answer, else 1.
    - `nitpick`: 7 if a valid comment names no flaw, or only flaws that earlier comments are about; else 1.
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
        return await asyncio.to_thread(self._find_bugs, record)

    async def rate(self, record: AnswerRecord, critique: CritiqueSample, /) -> list[Rating]:
        """Rate a critique of the record's answer."""
        return await asyncio.to_thread(self.rate_all, record, [critique])

    def rate_all(
        self, record: AnswerRecord, critiques: Sequence[CritiqueSample], /
    ) -> list[Rating]:
        """Rate several critiques of the record's answer."""
        bugs = locate_bugs(record.answer, self._find_bugs(record))
        grader = CommentGrader(self.task, record.answer)
        ratings = []
        for critique in critiques:
            form = _fill_form(grader, critique, bugs)
            is_helpful = bool(critique.comments) and form.hallucinated_problem == NO
            rating = build_rating(
                record, critique, self.name, "oracle", is_helpful=is_helpful, form=form
            )
            ratings.append(rating)
        return ratings

    def _find_bugs(self, record: AnswerRecord) -> list[Bug]:
        if record.bugs is not None:
            return record.bugs
        bugs = []
        for number, flaw in enumerate(self.task.flaws(record.answer), 1):
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


def _fill_form(grader: CommentGrader, critique: CritiqueSample, bugs: Sequence[Bug]) -> RatingForm:
    """Fill the form by the flaws that comments name, and by quotes for bugs that the task does not describe."""
    named: set[int] = set()
    subjects: set[int] = set()
    unmatched: list[Comment] = []
    is_invented = bool(critique.ungrounded)
    is_nitpick = False
    for comment in critique.comments:
        grade = grader.grade(comment)
        if not grade.is_valid:
            is_invented = True
        elif not grade.named:
            unmatched.append(comment)
        elif grade.subject <= subjects:
            is_nitpick = True
        named |= grade.named
        subjects |= grade.subject
    flaws_of = {bug.id: _find_flaws(bug, grader.flaws) for bug in bugs}
    if len(bugs) == len(grader.flaws) == 1:
        flaws_of[bugs[0].id] = {0}
    included = {bug.id: bool(named & flaws_of[bug.id]) for bug in bugs}
    described = {flaw.text for flaw in grader.flaws}
    others = [bug for bug in bugs if not included[bug.id] and bug.description not in described]
    matches = match_comments(unmatched, others)
    for bug, match in zip(others, matches, strict=True):
        included[bug.id] = match is not None
    num_matched = sum(match is not None for match in matches)
    is_nitpick = is_nitpick or num_matched < len(unmatched)
    return fill_form(included, is_invented=is_invented, is_nitpick=is_nitpick)


def _find_flaws(bug: Bug, flaws: Sequence[Comment]) -> set[int]:
    """Return the indices of the flaws that a bug is: by its description, else by its quote."""
    described = {index for index, flaw in enumerate(flaws) if flaw.text == bug.description}
    if described:
        return described
    if bug.quote is None:
        return set()
    passage = Comment(quote=bug.quote, text="", start=bug.start, end=bug.end)
    return {index for index, flaw in enumerate(flaws) if passage.overlaps(flaw)}
