"""Run the tests that a question contains."""

import asyncio

from selfcritic.agent.checkers.unit_tests import Tests, tests_in_question
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.functions.task import Functions


async def task_tests(question: str, draft: str, /) -> list[Comment]:
    """Report failures of the tests that the question itself contains.

    For a task of type "functions", the code must agree with the specification on many inputs. In other questions the
    tests are assertions, one per line, and examples (">>> f(2)" with the result below). A question without tests has no
    findings.

    Findings have the source "task_tests" and high severity.
    """
    tests = _tests_of_task(question) or tests_in_question(question)
    if tests is None:
        return []
    return await asyncio.to_thread(tests.check, draft, "task_tests")


def _tests_of_task(question: str) -> Tests | None:
    try:
        task = Functions.parse(question)
    except InputError:
        return None
    if task is None:
        return None
    inputs = task.inputs()
    results = task.specification.run(inputs)
    examples = [(f"f({xs})", repr(result)) for xs, result in zip(inputs, results, strict=True)]
    return Tests(examples=tuple(examples))
