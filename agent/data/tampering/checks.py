"""Find out what a flaw does: whether it fails a test, and whether it crashes first."""

import ast
import functools
import textwrap
from dataclasses import dataclass, field
from typing import Literal

from selfcritic.agent.checkers.python_source import as_code, find_python, split_lines
from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.checkers.test_events import Events, Failure
from selfcritic.agent.checkers.unit_tests import Tests
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.sandbox.run import run_python
from selfcritic.agent.tasks import TASKS, Functions, Task
from selfcritic.agent.tasks.functions.answer import find_code

Outcome = Literal["silent", "crashed", "timed_out", "survived"]
"""Silent: a test finds a wrong result, and nothing raised. Survived: no test fails."""

_MAX_FAILURES = 1000
_MAX_TEST_CHARS = 100
_RUN_FUNCTION = "{code}\nfor xs in {inputs!r}:\n    f(list(xs))\n"


@dataclass(frozen=True)
class Check:
    """The result of the tests of one answer."""

    outcome: Outcome
    test: str | None = None
    """The first test that fails, or that the answer ends."""
    message: str = ""
    """What the test reports."""


@dataclass(frozen=True)
class Oracle:
    """What grades the answers to one question: the oracle of a task type, else tests."""

    tests: Tests = field(default_factory=Tests)
    entry_point: str = ""
    """Name of the function that `check(candidate)` gets."""
    task: Task | None = None

    def check(self, answer: str) -> Check:
        """Grade an answer; blocks while the sandbox runs.

        Raises:
            CheckerError: The tests cannot run.
        """
        if self.task is not None:
            return _check_with_task(answer, self.task)
        return _check_with_tests(answer, self.tests, self.entry_point)


def create_oracle(record: AnswerRecord, seconds: float, memory_mb: int = 512) -> Oracle:
    """Return the oracle of a record.

    Raises:
        InputError: The record has neither tests nor a task type, or the tests cannot run.
    """
    if record.task_type is not None:
        return Oracle(task=_parse_task(record))
    source = record.metadata.get("tests")
    if not isinstance(source, str) or not source.strip():
        raise InputError(
            "The answer has no tests. Add them as `metadata.tests`, or pass a task type as `task_type`."
        )
    source = _drop_messages(source)
    tests = Tests(source, suite=analyze(source), seconds=seconds, memory_mb=memory_mb)
    entry_point = record.metadata.get("entry_point")
    return Oracle(tests, str(entry_point or record.question))


def _drop_messages(source: str) -> str:
    """Remove the messages of assertions: without one, the value that is wrong is reported."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source  # `analyze` explains it
    asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert) and node.msg]
    for node in asserts:
        node.msg = None
    return ast.unparse(tree) if asserts else source


def _parse_task(record: AnswerRecord) -> Task:
    for task_type in TASKS:
        if task_type.name == record.task_type:
            task = task_type.parse(record.question)
            if task is not None:
                return task
            raise InputError(f"The question is not a task of type '{record.task_type}'.")
    names = ", ".join(task_type.name for task_type in TASKS)
    raise InputError(f"There is no task type '{record.task_type}'. Use one of {names}.")


def _check_with_tests(answer: str, tests: Tests, entry_point: str) -> Check:
    report = tests.run(answer, "tests", entry_point)
    records = Events(report.result).failures(tests.seconds)
    if not records:
        return Check("survived")
    failures = [Failure.parse(record, report.result) for record in records[:_MAX_FAILURES]]
    first = failures[0]
    code = find_python(answer) or as_code(answer)
    for failure in failures:
        # Hangs and crashes take precedence: they are easy to find.
        if failure.text.startswith("does not end within"):
            return Check("timed_out", failure.test or None, failure.text)
        if failure.error != "AssertionError" or _is_assertion_of(code.text, failure.row):
            message = failure.text
            if failure.error:
                message = f"{failure.error}: {failure.text}".removesuffix(": ")
            return Check("crashed", failure.test or None, message)
    return Check("silent", first.test or None, _describe(first, entry_point))


def _is_assertion_of(code: str, row: int | None) -> bool:
    """Return whether the code itself raises the AssertionError in this row."""
    lines = split_lines(code)
    if row is None or row > len(lines):
        return False
    return lines[row - 1].lstrip().startswith(("assert", "raise"))


def _describe(failure: Failure, entry_point: str) -> str:
    """Name the function instead of HumanEval's `candidate`."""
    if entry_point.isidentifier():
        return failure.text.replace("candidate(", f"{entry_point}(")
    return failure.text


def _check_with_task(answer: str, task: Task) -> Check:
    if task.is_correct(answer):
        return Check("survived")
    if isinstance(task, Functions):
        program = _RUN_FUNCTION.format(code=find_code(answer).text, inputs=task.inputs())
        result = run_python(program)
        if result.timed_out:
            return Check("timed_out", "oracle", "The function does not end.")
        if result.returncode != 0:
            last_line = result.stderr.strip().rpartition("\n")[2]
            return Check("crashed", "oracle", last_line)
    flaws = task.flaws(answer)
    message = flaws[0].comment.text if flaws else ""
    return Check("silent", "oracle", message)


def check_original(record: AnswerRecord, oracle: Oracle) -> None:
    """Check that an answer is right before it is tampered with.

    Raises:
        InputError: The answer is empty or fails a test.
        CheckerError: The tests cannot run.
    """
    if not record.answer.strip():
        raise InputError("There is no answer. Tampering starts from a correct answer.")
    check = _check_once(oracle, record.answer)
    if check.outcome == "survived":
        return
    test = textwrap.shorten(check.test or "", _MAX_TEST_CHARS, placeholder=" …")
    subject = f"the test `{test}`" if test else "a test"
    if check.outcome == "timed_out":
        raise InputError(
            f"The answer is too slow: {subject} {check.message}. Raise --seconds, or leave the answer out."
        )
    message = f": {check.message.rstrip('.')}" if check.message else ""
    raise InputError(
        f"The answer is not correct: {subject} fails{message}. Fix the answer or its tests."
    )


@functools.lru_cache(maxsize=512)
def _check_once(oracle: Oracle, answer: str) -> Check:
    return oracle.check(answer)
