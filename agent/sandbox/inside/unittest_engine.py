"""Run the cases of unittest with their fixtures."""

import unittest
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from selfcritic.agent.sandbox.inside.remote import CodeExited, Tampered, Unsupported

_TestCall = Callable[[], object]


def unittest_calls(case: type[unittest.TestCase]) -> Iterator[tuple[str, _TestCall]]:
    """Run a class; yield the name of each test, and a call that repeats its result."""
    result = _CaseResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    yield from result.calls


class _CaseResult(unittest.TestResult):
    """Collects each result as a call that repeats it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, _TestCall]] = []

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._add(test, None)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self._add(test, err[1])

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        if isinstance(err[1], CodeExited | Tampered | Unsupported):
            raise err[1]
        self._add(test, err[1])

    def addSubTest(  # noqa: N802
        self,
        test: unittest.TestCase,
        subtest: unittest.TestCase,  # noqa: ARG002
        err: Any,
    ) -> None:
        if err is not None:
            self._add(test, err[1])

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        self._add(test, unittest.SkipTest(reason))

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: ARG002, N802
        self._add(test, None)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._add(test, AssertionError("passes, but is expected to fail"))

    def _add(self, test: unittest.TestCase, error: BaseException | None) -> None:
        parts = test.id().split(".")
        self.calls.append((".".join(parts[-2:]), partial(_repeat, error)))


def _repeat(error: BaseException | None) -> None:
    if error is not None:
        raise error
