"""Tests of a draft's code, run in the sandbox: those that the user gives, and those that come with the task.

A test that fails is a finding on the line of the code that raised, else on the function that the test names, and says
what came out; so is code that does not run, does not end, or ends the process. What may be imported is the standard
library and what is installed beside this package. The sandbox's word on isolation holds: see `sandbox`.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.checkers.findings import finding
from selfcritic.agent.checkers.python_source import Code, as_code, find_python
from selfcritic.agent.errors import CheckerError, InputError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.sandbox.run import SandboxResult, run_python
from selfcritic.agent.schemas import Comment, Severity

_MOST = 5  # failures told of one draft
_TOLD = 400  # characters of a failure
_PACKAGES = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
_RUNNER = (importlib.resources.files("selfcritic.agent.sandbox") / "runner.py").read_text("utf-8")
_ASSERT = re.compile(r"^[ \t]*`?(assert\b[^\n]{1,1000}?)`?[ \t\r]*$", re.MULTILINE)

_NO_RESULT = re.compile(r"\s*(?:```|~~~|\"{3}|'{3})")


@dataclass(frozen=True)
class Tests:
    """Tests, and what they may spend."""

    source: str = ""
    asserts: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    """Expressions, and what they should give, as doctest writes it."""
    seconds: float = 10.0
    memory_mb: int = 1024

    def check(self, draft: str, checker: str) -> list[Comment]:
        """Run them all against a draft."""
        code, mark = find_python(draft) or as_code(draft), secrets.token_hex(16)
        said = json.dumps([mark, code.text, self.source, self.asserts, self.examples])
        program = f"{_RUNNER}\nsys.path += {_PACKAGES!r}\nmain(*json.loads({said!r}))\n"
        result = run_python(program, seconds=self.seconds, memory_mb=self.memory_mb)
        told = [json.loads(line.removeprefix(mark)) for line in result.stdout.split("\n") if line.startswith(mark)]
        if not told:
            raise CheckerError(f"The sandbox did not start: {result.stderr[-_TOLD:] or 'out of time'}.")
        failed = [one["failed"] for one in told if "failed" in one]
        if "done" not in told[-1]:
            last = next(one for one in reversed(told) if "test" in one)
            failed.append({**last, "error": "", "text": self._end(result)})
        found = [_comment(draft, code, one, checker) for one in failed[:_MOST]]
        if more := failed[_MOST:]:
            found[-1].text += f" So do {len(more)} more tests."
        return found

    def _end(self, result: SandboxResult) -> str:
        """How a program ended that did not come to its own end."""
        if result.timed_out:
            return f"does not end within {self.seconds:g} seconds"
        if (number := (result.returncode or 0) - 128) in set(signal.Signals):
            return f"is killed by the signal {signal.Signals(number).name}"
        return f"ends the process with exit code {result.returncode}"


def unit_tests(source: str, *, seconds: float = 10.0, memory_mb: int = 1024) -> Checker:
    """A checker that runs tests of the user's against a draft: its source is "unit_tests", its findings are high.

    The tests are a Python file: assertions at its top, functions `test_…` (also async), classes `Test…`, unittest's
    cases; pytest's `parametrize`, `raises` and `approx` where pytest is installed. They see the names of the draft, and
    may import it by any name that no module has. `seconds` and `memory_mb` bound all of them together. Raises
    InputError where the source is no Python, has no tests, or asks for fixtures.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"The tests are no Python: {error}. Give assertions or test functions.") from error
    if not any(map(_is_test, ast.walk(tree))):
        raise InputError("There are no tests: give assertions, functions test_…, or classes Test….")
    if name := next(filter(None, map(_wants_fixtures, ast.walk(tree))), None):
        raise InputError(f"{name} takes arguments, and there are no fixtures here: let it build what it needs.")
    tests = Tests(source, seconds=seconds, memory_mb=memory_mb)

    async def check(_question: str, draft: str, /) -> list[Comment]:
        return await asyncio.to_thread(tests.check, draft, "unit_tests")

    return check


def _is_test(node: ast.AST) -> bool:
    name = getattr(node, "name", "")
    return isinstance(node, ast.Assert) or (isinstance(name, str) and name.lower().startswith("test"))


def _wants_fixtures(node: ast.AST) -> str | None:
    """The name of a test that takes arguments which no decorator gives it."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
        return None
    taken = {arg.arg for arg in node.args.args} - {"self", "cls"}
    return node.name if taken and node.name.startswith("test") else None


def tests_in_question(question: str) -> Tests | None:
    """Return the assertions and doctest examples of a question, or None."""
    asserts = tuple(text for text in _ASSERT.findall(question) if _is_assertion(text))
    examples = tuple(_examples(question))
    wanted = any(want for _, want in examples)
    return Tests(asserts=asserts, examples=examples if wanted else ()) if asserts or wanted else None


def _examples(question: str) -> Iterator[tuple[str, str]]:
    """The examples of a text: what they are and give, those left out that should raise."""
    import doctest  # which imports a debugger and much else

    indent, lines = 0, []
    for line in question.expandtabs().splitlines():
        if line.lstrip().startswith(">>>"):
            indent = len(line) - len(line.lstrip())
        # In running text a result ends at a fence, at a docstring's end, or where less is indented, too.
        lines.append("" if _NO_RESULT.match(line) or line[:indent].strip() else line)
    try:
        found = doctest.DocTestParser().get_examples("\n".join(lines))
    except ValueError:  # ">>>" that are no examples
        return
    yield from ((one.source.strip(), one.want) for one in found if not one.exc_msg and _parses(one.source))


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _is_assertion(text: str) -> bool:
    return _parses(text) and isinstance(ast.parse(text).body[0], ast.Assert)


def _comment(draft: str, code: Code, failed: Mapping[str, Any], checker: str) -> Comment:
    at = code.offset(failed["row"] or _first_row(code), 0)
    text = textwrap.shorten(_sentence(failed["test"], failed["error"], failed["text"]), _TOLD, placeholder=" …") + "."
    # Whether the module is invented or only not installed here is not known.
    severity: Severity = "low" if failed["error"] == "ModuleNotFoundError" else "high"
    return finding(draft, at, at, text, source=checker, severity=severity)


def _first_row(code: Code) -> int:
    return next((row for row, line in enumerate(code.lines, 1) if line.strip()), 1)


def _sentence(test: str, error: str, text: str) -> str:
    """What failed, in words."""
    what = f"The test `{test.removeprefix('assert ')}`" if test else "The code"
    if not error:
        return f"{what} {text}"
    said = f": {text.rstrip('.')}" if text else ""
    return f"{what} fails{said}" if error == "AssertionError" and test else f"{what} raises {error}{said}"
