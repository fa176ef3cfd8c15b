"""Run the tests that a question itself contains."""

import asyncio

from selfcritic.agent.checkers.unit_tests import Tests, tests_in_question
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.functions.task import Functions


async def task_tests(question: str, draft: str, /) -> list[Comment]:
    """Run the tests that the question itself brings: its source is "task_tests", its findings are high.

    Those are the specification of a task of the family "functions", tried on many inputs, or else the examples (">>>
    f(2)", with the result below) and the assertions, a line each, that are written in the question. Without any it
    finds nothing.
    """
    tests = _of_family(question) or tests_in_question(question)
    return await asyncio.to_thread(tests.check, draft, "task_tests") if tests else []


def _of_family(question: str) -> Tests | None:
    try:
        task = Functions.parse(question)
    except InputError:
        return None
    if task is None:
        return None
    inputs = task.inputs()
    results = task.specification.run(inputs)
    return Tests(examples=tuple((f"f({xs})", repr(y)) for xs, y in zip(inputs, results, strict=True)))
