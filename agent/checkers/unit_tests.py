"""Run tests on a draft's code in the sandbox and report failures.

A failure quotes the line of the draft that raised, else the function that the test names, and reports the result. Code
that fails to load, times out or exits the process is also a finding. The code can import the standard library and the
packages installed next to this one. `selfcritic.agent.sandbox.run` documents its isolation.

`TestReport.trust` states how far the code could have forged the results:

- "separate": The tests ran in a separate process. It sent arguments to the code's process, got data back, and
  compared the data itself. The code can neither see the expected values nor write a result.
- "objects": As above, but some test compared an object of the code that is not data, passed arguments to its methods
  or operators, or used the code's version of a builtin. Such an object sees the arguments and can lie about itself. An
  object that equals everything still fails.
- "together": The tests need the code in their own process, because they replace parts of it, are async, inherit from
  its classes or use anything else that is not known to work with a proxy; see `agent.checkers.separability`. Code that
  is written to deceive such tests can do so.

Without isolation, code of the same user could attack the process of the tests; and then findings contain nothing that
the code produced except numbers and the names of built-in exceptions, because it could have read them from a file.
"""

import ast
import asyncio
import json
import re
import sysconfig
import textwrap
from dataclasses import dataclass, field
from typing import Literal

from selfcritic.agent.checkers.findings import finding
from selfcritic.agent.checkers.python_source import Code, as_code, find_python, is_valid_python
from selfcritic.agent.checkers.separability import is_separable
from selfcritic.agent.checkers.suite import Mode, Suite, analyze
from selfcritic.agent.checkers.suite_names import Names, find_names
from selfcritic.agent.checkers.test_events import MAX_TEXT_CHARS, Events, Failure
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.sandbox.bundle import test_runner
from selfcritic.agent.sandbox.run import SandboxResult, run_python
from selfcritic.agent.schemas import Comment, Severity

Trust = Literal["separate", "objects", "together"]

_MAX_FAILURES = 5
_PACKAGE_DIRS = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
_ASSERT_LINE = re.compile(r"^[ \t]*`?(assert\b[^\n]{1,1000}?)`?[ \t\r]*$", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_FUNCTION = re.compile(r"^def[ \t]+(\w+)", re.MULTILINE)

# A line that ends the result of an example: a fence, or the end of a docstring.
_END_OF_RESULT = re.compile(r"\s*(?:```|~~~|\"{3}|'{3})")


@dataclass(frozen=True)
class TestReport:
    """The result of tests on a draft."""

    findings: list[Comment]
    num_run: int
    trust: Trust
    result: SandboxResult


@dataclass(frozen=True)
class Tests:
    """Tests and their limits on time and memory."""

    source: str = ""
    """A Python file with assertions and test functions."""
    asserts: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    """Expressions and their expected results, as written in doctest."""
    suite: Suite = field(default_factory=Suite)
    seconds: float = 10.0
    memory_mb: int = 1024

    def check(self, draft: str, checker: str, question: str = "") -> list[Comment]:
        """Run all tests on a draft and return the failures.

        Raises:
            CheckerError: The tests could not be run.
        """
        return self.run(draft, checker, question).findings

    def run(self, draft: str, checker: str, question: str = "") -> TestReport:
        """Run all tests on a draft.

        The first five failures are reported; the rest are only counted. `checker` is the source of the findings. The
        question names the function that `check(candidate)` gets, if the draft has several.

        Raises:
            CheckerError: The sandbox did not start, the tests cannot run in it, or no test ran.
        """
        code = find_python(draft) or as_code(draft)
        names = self._find_names(question)
        options = {
            "code": code.text,
            "source": self.source,
            "asserts": self.asserts,
            "examples": self.examples,
            "engine": self.suite.engine,
            "mode": self.suite.mode,
            "used": self.suite.used,
            "builtins": names.builtins,
            "modules": names.modules,
            "entry": _find_entry(code.text, question) if self.suite.needs_entry else None,
            "rows": _definition_rows(code.text),
            "packages": _PACKAGE_DIRS,
        }
        stdin = json.dumps(options) + "\n"
        result = run_python(
            test_runner(), stdin=stdin, seconds=self.seconds, memory_mb=self.memory_mb
        )
        events = Events(result)
        failures = events.failures(self.seconds)
        if not failures and not events.num_run:
            raise CheckerError(
                "No test ran: all of them are skipped. Remove the marks, or add a test that runs."
            )
        findings = [
            _to_finding(draft, code, Failure.parse(failure, result), checker)
            for failure in failures[:_MAX_FAILURES]
        ]
        num_more = len(failures) - len(findings)
        if num_more:
            findings[-1].text += f" So do {num_more} more tests."
        trust: Trust = "together" if self.suite.mode == "together" else "separate"
        if trust == "separate" and (names.builtins or not events.is_trusted):
            trust = "objects"
        return TestReport(findings, events.num_run, trust, result)

    def _find_names(self, question: str) -> Names:
        examples = [example for example, _ in self.examples]
        source = "\n".join([self.source, *self.asserts, *examples])
        return find_names(source, question, has_entry=self.suite.needs_entry)


def _definition_rows(code: str) -> dict[str, int]:
    """Return the row of each definition at the top level."""
    rows: dict[str, int] = {}
    for match in _DEFINITION.finditer(code):
        rows[match[1]] = code.count("\n", 0, match.start()) + 1
    return rows


def _find_entry(code: str, question: str) -> str:
    """Return the function of the code that the tests are for."""
    names = list(dict.fromkeys(_FUNCTION.findall(code)))
    named = [name for name in names if re.search(rf"\b{name}\b", question)]
    candidates: list[str] = named or names
    if not candidates:
        return "candidate"  # an undefined name: the test fails
    if len(candidates) > 1:
        raise CheckerError(
            f"No test ran: check(candidate) is for one function, and the code has {', '.join(names)}. "
            "Name one in the question, or call check at the end of the tests."
        )
    return candidates[0]


def unit_tests(source: str, *, seconds: float = 10.0, memory_mb: int = 1024) -> Checker:
    """Return a checker that runs these tests on each draft.

    `source` is the text of a Python file. It can contain:

    - assertions at module level;
    - functions `test_…`, also async, and classes `Test…`;
    - `unittest.TestCase` classes;
    - a function `check(candidate)`, as in HumanEval, which gets the draft's only function, or the one that the
      question names;
    - fixtures, marks, set-up functions and doctests, if pytest is installed. It runs without plugins and conftest.py.

    The tests see the names of the draft, except those of builtins; see `agent.checkers.suite_names`. They can also
    import the draft under any unused module name.
    `seconds` and `memory_mb` limit all tests together. Findings have the source "unit_tests" and high severity.

    Raises:
        InputError: The source is not Python, no test in it would run, or it needs something that is not installed.
    """
    tests = Tests(source, suite=analyze(source), seconds=seconds, memory_mb=memory_mb)

    async def check(question: str, draft: str, /) -> list[Comment]:
        return await asyncio.to_thread(tests.check, draft, "unit_tests", question)

    check.__name__ = "unit_tests"
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
    sources = [*asserts, *(example for example, _ in examples)]
    mode: Mode = "separate" if is_separable(ast.parse("\n".join(sources))) else "together"
    return Tests(asserts=asserts, examples=examples, suite=Suite(mode=mode))


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


def _to_finding(draft: str, code: Code, failure: Failure, checker: str) -> Comment:
    row = failure.row or _first_row(code)
    offset = code.offset(min(row, len(code.lines)), 0)
    text = _describe_failure(failure)
    text = textwrap.shorten(text, MAX_TEXT_CHARS, placeholder=" …") + "."
    # The module may exist and only be missing on this machine.
    severity: Severity = "low" if failure.error == "ModuleNotFoundError" else "high"
    return finding(draft, offset, offset, text, source=checker, severity=severity)


def _first_row(code: Code) -> int:
    """Return the first row that is not blank, from 1."""
    for row, line in enumerate(code.lines, 1):
        if line.strip():
            return row
    return 1


def _describe_failure(failure: Failure) -> str:
    test = failure.test
    subject = f"The test `{test.removeprefix('assert ')}`" if test else "The code"
    if not failure.error:
        return f"{subject} {failure.text}"
    detail = f": {failure.text.rstrip('.')}" if failure.text else ""
    if failure.error == "AssertionError" and test:
        return f"{subject} fails{detail}"
    return f"{subject} raises {failure.error}{detail}"
