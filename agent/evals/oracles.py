"""Grade answers and rate critiques: by a task's oracle, hidden tests, known bugs or a judge model.

`choose_oracle` selects the most exact one that a record allows. The class of each documents how it fills CriticGPT's
form (paper 2, table 2). Values that an oracle cannot know are None, never a middle score.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from selfcritic.agent.checkers.unit_tests import unit_tests
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample, Rating, RatingForm
from selfcritic.agent.evals.code_answers import complete_module, is_code_problem
from selfcritic.agent.evals.measures.reviews import match_comments
from selfcritic.agent.evals.rating import NO, YES, build_rating, fill_form, locate_bugs
from selfcritic.agent.evals.task_oracle import TaskOracle


class Rater(Protocol):
    """Rates critiques."""

    async def rate(self, record: AnswerRecord, critique: CritiqueSample, /) -> list[Rating]:
        """Return one rating for each rater that can rate the critique.

        Raises:
            BudgetExhausted: A judge cannot be asked any more.
        """
        ...


class Oracle(Rater, Protocol):
    """Rates critiques, grades answers and knows their bugs."""

    async def grade(self, record: AnswerRecord, answer: str, /) -> bool | None:
        """Return whether an answer to the record's question is correct, None if that is unknown.

        Raises:
            CheckerError: The answer could not be graded.
        """
        ...

    async def find_bugs(self, record: AnswerRecord, /) -> list[Bug] | None:
        """Return the bugs of the record's answer, None if they are unknown."""
        ...


class NoOracle:
    """Knows only what the record states."""

    async def grade(self, record: AnswerRecord, answer: str, /) -> bool | None:
        """Return the record's own grade for its own answer, else None."""
        return record.is_correct if answer == record.answer else None

    async def find_bugs(self, record: AnswerRecord, /) -> list[Bug] | None:
        """Return the bugs that the record names."""
        return record.bugs

    async def rate(self, _record: AnswerRecord, _critique: CritiqueSample, /) -> list[Rating]:
        """Return no rating."""
        return []


class BugOracle(NoOracle):
    """Compares comments with known bugs by the overlap of their quotes.

    - `bug_inclusion`: 7 for a bug that a comment matches, else 1. A comment matches at most one bug, and must cover at
      least half of the bug's quote.
    - `hallucinated_problem`: 7 if a quote is not in the answer, or for any comment on an answer without bugs. 1 if all
      comments match bugs. Else None, since an unmatched comment may be right about something else.
    - `nitpick`: 1 if all comments match bugs, else None.
    - `is_helpful`: whether a comment matches a bug.

    A record whose bugs have no place in the answer gets no rating.
    """

    async def rate(self, record: AnswerRecord, critique: CritiqueSample, /) -> list[Rating]:
        """Rate a critique by the known bugs."""
        bugs = locate_bugs(record.answer, record.bugs or [])
        if record.bugs is None or any(bug.start is None for bug in bugs):
            return []
        matches = match_comments(critique.comments, bugs)
        included = {bug.id: match is not None for bug, match in zip(bugs, matches, strict=True)}
        num_unmatched = len(critique.comments) - sum(included.values())
        is_invented: bool | None = None
        if critique.ungrounded or (num_unmatched and not bugs):
            is_invented = True
        elif not num_unmatched:
            is_invented = False
        is_nitpick = None if num_unmatched else False
        form = fill_form(included, is_invented=is_invented, is_nitpick=is_nitpick)
        is_helpful = any(included.values())
        rating = build_rating(record, critique, "bugs", "oracle", is_helpful=is_helpful, form=form)
        return [rating]


@dataclass(frozen=True)
class HiddenTestsOracle(BugOracle):
    """Grades answers with hidden tests in the sandbox, and rates critiques by known bugs.

    A reply to a HumanEval problem is completed to a module first.

    If the bugs are unknown, a critique is rated only if the answer passes the tests: then, a comment is not helpful.
    """

    tests: str
    """A Python file with assertions, test functions or HumanEval's `check(candidate)`."""
    entry_point: str = ""
    """Name of the function that `check(candidate)` gets."""

    async def grade(self, record: AnswerRecord, answer: str, /) -> bool | None:
        """Return whether the answer passes all tests. Raises CheckerError."""
        if is_code_problem(record):
            answer = complete_module(answer, str(record.metadata["prompt"]), self.entry_point)
        check = await asyncio.to_thread(unit_tests, self.tests)
        failures = await check(self.entry_point, answer)
        return not failures

    async def rate(self, record: AnswerRecord, critique: CritiqueSample, /) -> list[Rating]:
        """Rate a critique by the known bugs, else by the result of the tests."""
        if record.bugs is not None:
            return await super().rate(record, critique)
        if not record.is_correct:
            return []
        form = RatingForm(hallucinated_problem=YES if critique.ungrounded else None)
        if not critique.comments and not critique.ungrounded:
            form = RatingForm(hallucinated_problem=NO, nitpick=NO)
        return [build_rating(record, critique, "tests", "tests", is_helpful=False, form=form)]


@dataclass(frozen=True)
class JudgedOracle:
    """Adds a judge's ratings to those of an exact oracle.

    Where both exist, `eval judge-check` compares them.
    """

    exact: Oracle
    judge: Rater

    async def grade(self, record: AnswerRecord, answer: str, /) -> bool | None:
        """Return the exact oracle's grade; a judge grades no answers."""
        return await self.exact.grade(record, answer)

    async def find_bugs(self, record: AnswerRecord, /) -> list[Bug] | None:
        """Return the bugs that the exact oracle knows."""
        return await self.exact.find_bugs(record)

    async def rate(self, record: AnswerRecord, critique: CritiqueSample, /) -> list[Rating]:
        """Return the ratings of the exact oracle and the judge."""
        exact = await self.exact.rate(record, critique)
        judged = await self.judge.rate(record, critique)
        return [*exact, *judged]


def choose_oracle(record: AnswerRecord, judge: Rater | None = None) -> Oracle:
    """Return the most exact oracle of a record, with the judge's ratings added.

    It is the oracle of the record's task type, else the hidden tests in `metadata["tests"]`, else the known bugs.

    Raises:
        InputError: The record's question is not one of its task type.
    """
    exact = _exact_oracle(record)
    return exact if judge is None else JudgedOracle(exact, judge)


def _exact_oracle(record: AnswerRecord) -> Oracle:
    if record.task_type is not None:
        return TaskOracle.for_record(record)
    tests = record.metadata.get("tests")
    if isinstance(tests, str) and tests.strip():
        return HiddenTestsOracle(tests, str(record.metadata.get("entry_point") or ""))
    if record.bugs is not None:
        return BugOracle()
    return NoOracle()
