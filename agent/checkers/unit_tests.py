"""Run tests on a draft's code in the sandbox and report failures.

A failure quotes the line of the draft that raised, else the function that the test names, and reports the result. Code
that fails to load, times out or exits the process is also a finding. The code can import the standard library and the
packages installed next to this one. `selfcritic.agent.sandbox.run` documents its isolation.
"""

import ast
import asyncio
import importlib.resources
import json
import re
import secrets
import signal
import sysconfig
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.checkers.findings import finding
from selfcritic.agent.checkers.python_source import Code, as_code, find_python, is_valid_python
from selfcritic.agent.errors import CheckerError, InputError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.sandbox.run import SandboxResult, run_python
from selfcritic.agent.schemas import Comment, Severity

_MAX_FAILURES = 5
_MAX_TEXT_CHARS = 400
_PACKAGE_DIRS = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
_RUNNER_SOURCE = (importlib.resources.files("selfcritic.agent.sandbox") / "runner.py").read_text(
    "utf-8"
)
_ASSERT_LINE = re.compile(r"^[ \t]*`?(assert\b[^\n]{1,1000}?)`?[ \t\r]*$", re.MULTILINE)

# A line that ends the result of an example: a fence, or the end of a docstring.
_END_OF_RESULT = re.compile(r"\s*(?:```|~~~|\"{3}|'{3})")


@dataclass(frozen=True)
class Tests:
    """Tests and their limits on time and memory."""

    source: str = ""
    """A Python file with assertions and test functions."""
    asserts: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    """Expressions and their expected results, as written in doctest."""
    seconds: float = 10.0
    memory_mb: int = 1024

    def check(self, draft: str, checker: str) -> list[Comment]:
        """Run all tests on a draft and return the failures.

        The first five failures are reported; the rest are only counted. `checker` is the source of the findings.

        Raises:
            CheckerError: the sandbox did not start.
        """
        code = find_python(draft) or as_code(draft)
        mark = secrets.token_hex(16)
        result = self._run(code, mark)
        events = _parse_events(result.stdout, mark)
        if not events:
            reason = result.stderr[-_MAX_TEXT_CHARS:] or "out of time"
            raise CheckerError(
                f"The sandbox did not start: {reason}. Raise `seconds` or `memory_mb`."
            )

        failures = [event["failed"] for event in events if "failed" in event]
        if "done" not in events[-1]:
            last_test = next(event for event in reversed(events) if "test" in event)
            failures.append({**last_test, "error": "", "text": self._describe_exit(result)})
        findings = [
            _to_finding(draft, code, failure, checker) for failure in failures[:_MAX_FAILURES]
        ]
        num_more = len(failures) - len(findings)
        if num_more:
            findings[-1].text += f" So do {num_more} more tests."
        return findings

    def _run(self, code: Code, mark: str) -> SandboxResult:
        arguments = json.dumps([mark, code.text, self.source, self.asserts, self.examples])
        program = (
            f"{_RUNNER_SOURCE}\nsys.path += {_PACKAGE_DIRS!r}\nmain(*json.loads({arguments!r}))\n"
        )
        return run_python(program, seconds=self.seconds, memory_mb=self.memory_mb)

    def _describe_exit(self, result: SandboxResult) -> str:
        """Describe how the program ended before running all tests."""
        if result.timed_out:
            return f"does not end within {self.seconds:g} seconds"
        signal_number = (result.returncode or 0) - 128
        if signal_number in set(signal.Signals):
            return f"is killed by the signal {signal.Signals(signal_number).name}"
        return f"ends the process with exit code {result.returncode}"


def unit_tests(source: str, *, seconds: float = 10.0, memory_mb: int = 1024) -> Checker:
    """Return a checker that runs these tests on each draft.

    `source` is the text of a Python file. It can contain:

    - assertions at module level;
    - functions `test_…`, also async, and classes `Test…`;
    - `unittest.TestCase` classes;
    - pytest's `parametrize`, `raises` and `approx`, if pytest is installed.

    The tests see the names of the draft. They can also import the draft under any unused module name.
    `seconds` and `memory_mb` limit all tests together. Findings have the source "unit_tests" and high severity.

    Raises:
        InputError: the source is not Python, has no tests, or uses fixtures.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise InputError(
            f"The tests are not Python: {error}. Pass assertions or test functions."
        ) from error
    nodes = list(ast.walk(tree))
    if not any(_is_test(node) for node in nodes):
        raise InputError("There are no tests: add assertions, functions test_…, or classes Test….")
    for node in nodes:
        name = _name_if_uses_fixtures(node)
        if name:
            raise InputError(
                f"{name} takes arguments, but fixtures are not supported: create what it needs in it."
            )
    tests = Tests(source, seconds=seconds, memory_mb=memory_mb)

    async def check(_question: str, draft: str, /) -> list[Comment]:
        return await asyncio.to_thread(tests.check, draft, "unit_tests")

    return check


def tests_in_question(question: str) -> Tests | None:
    """Return the assertions and doctest examples of a question, or None."""
    asserts = tuple(text for text in _ASSERT_LINE.findall(question) if _is_assertion(text))
    examples = tuple(_find_examples(question))
    has_results = any(expected for _, expected in examples)
    if not has_results:
        examples = ()
    if not asserts and not examples:
        return None
    return Tests(asserts=asserts, examples=examples)


def _parse_events(output: str, mark: str) -> list[Mapping[str, Any]]:
    events: list[Mapping[str, Any]] = []
    for line in output.split("\n"):
        if line.startswith(mark):
            events.append(json.loads(line.removeprefix(mark)))
    return events


def _is_test(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    name = getattr(node, "name", "")
    return isinstance(name, str) and name.lower().startswith("test")


def _name_if_uses_fixtures(node: ast.AST) -> str | None:
    """Return the name of a test with arguments that no decorator provides."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    if node.decorator_list or not node.name.startswith("test"):
        return None
    arguments = {argument.arg for argument in node.args.args}
    return node.name if arguments - {"self", "cls"} else None


def _is_assertion(text: str) -> bool:
    return is_valid_python(text) and isinstance(ast.parse(text).body[0], ast.Assert)


def _find_examples(question: str) -> list[tuple[str, str]]:
    """Return each doctest example and its expected result.

    Examples that should raise are skipped.
    """
    import doctest  # slow: it imports a debugger

    try:
        examples = doctest.DocTestParser().get_examples(_separate_results(question))
    except ValueError:  # ">>>" without an example
        return []
    return [
        (example.source.strip(), example.want)
        for example in examples
        if not example.exc_msg and is_valid_python(example.source)
    ]


def _separate_results(question: str) -> str:
    """Blank the lines that end a result in running text.

    These are fences, ends of docstrings, and lines that are indented less than the example.
    """
    indent = 0
    lines: list[str] = []
    for line in question.expandtabs().splitlines():
        stripped = line.lstrip()
        if stripped.startswith(">>>"):
            indent = len(line) - len(stripped)
        ends_result = _END_OF_RESULT.match(line) or line[:indent].strip()
        lines.append("" if ends_result else line)
    return "\n".join(lines)


def _to_finding(draft: str, code: Code, failure: Mapping[str, Any], checker: str) -> Comment:
    row = failure["row"] or _first_row(code)
    offset = code.offset(row, 0)
    text = _describe_failure(failure["test"], failure["error"], failure["text"])
    text = textwrap.shorten(text, _MAX_TEXT_CHARS, placeholder=" …") + "."
    # The module may exist and only be missing on this machine.
    severity: Severity = "low" if failure["error"] == "ModuleNotFoundError" else "high"
    return finding(draft, offset, offset, text, source=checker, severity=severity)


def _first_row(code: Code) -> int:
    """Return the first row that is not blank, from 1."""
    for row, line in enumerate(code.lines, 1):
        if line.strip():
            return row
    return 1


def _describe_failure(test: str, error: str, text: str) -> str:
    subject = f"The test `{test.removeprefix('assert ')}`" if test else "The code"
    if not error:
        return f"{subject} {text}"
    detail = f": {text.rstrip('.')}" if text else ""
    if error == "AssertionError" and test:
        return f"{subject} fails{detail}"
    return f"{subject} raises {error}{detail}"
