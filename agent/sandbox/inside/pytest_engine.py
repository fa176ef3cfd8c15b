"""Run tests with pytest, if it is installed beside the project.

The source of the tests stays in memory: the code under test could read and replace a file.
"""

import ast
import asyncio
import doctest
import inspect
import linecache
import os
import sys
import types
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion.rewrite import rewrite_asserts
from _pytest.doctest import DoctestItem, DoctestModule
from _pytest.fixtures import FixtureLookupError

from selfcritic.agent.sandbox.inside.code_names import Names
from selfcritic.agent.sandbox.inside.engine import Report, describe_failure
from selfcritic.agent.sandbox.inside.importer import PACKAGE
from selfcritic.agent.sandbox.inside.proxy import Proxy
from selfcritic.agent.sandbox.inside.remote import CodeExited, Tampered, Unsupported
from selfcritic.agent.sandbox.inside.worker import row_in_code

_MODULE = "test_of_draft"
_OPTIONS = (
    "-q",
    "--capture=sys",
    "--noconftest",
    "--import-mode=importlib",
    "--rootdir=/",
    f"-c{os.devnull}",
    "-pno:cacheprovider",
    "-pno:faulthandler",
    "-pno:junitxml",
)
_FAILURES_OF_PYTEST = (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
_Load = Callable[[Path, pytest.Config], types.ModuleType]
_EndOfRun = CodeExited | Tampered | Unsupported


def run_with_pytest(options: Mapping[str, Any], names: Names, report: Report) -> None:
    """Run a file of tests; its module has the code's names before it is run.

    Raises:
        CodeExited, Tampered, Unsupported: The run ended early.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugin = _Plugin(options, names, report)
    exit_code = pytest.main([*_OPTIONS, "/"], plugins=[plugin])
    if plugin.end is not None:
        raise plugin.end
    if plugin.num_finished < plugin.num_collected or exit_code in _FAILURES_OF_PYTEST:
        # Only the code can do that: the tests run without plugins and options.
        error = RuntimeError("the code stopped the run before the last test")
        report({"failed": describe_failure("", error, None)})
    report({"ran": plugin.num_run})


class _TestModule(pytest.Module):
    load: _Load

    def _getobj(self) -> types.ModuleType:
        try:
            return self.load(self.path, self.config)
        except pytest.skip.Exception as error:
            if error.allow_module_level:
                raise
            raise self.CollectError("To skip a module, pass allow_module_level=True.") from error


class _Doctests(DoctestModule):
    load: _Load

    def _getobj(self) -> types.ModuleType:
        return self.load(self.path, self.config)

    def collect(self) -> Iterable[DoctestItem]:
        is_loaded = _MODULE in sys.modules
        return super().collect() if is_loaded else []


class _Plugin:
    def __init__(self, options: Mapping[str, Any], names: Names, report: Report) -> None:
        self._rows: Mapping[str, int] = options["rows"]
        self._source: str = options["source"]
        self._used = {name: names[name] for name in options["used"] if name in names}
        self._report = report
        self.num_run = 0
        self.num_collected = 0
        self.num_finished = 0
        self.end: _EndOfRun | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Collect the tests from memory instead of from files."""
        path = Path(f"{_MODULE}.py").resolve()
        nodes = (
            _TestModule.from_parent(session, path=path),
            _Doctests.from_parent(session, path=path),
        )
        for node in nodes:
            node.load = self._load
        session.collect = lambda: iter(nodes)  # type: ignore[method-assign]

    def _load(self, path: Path, config: pytest.Config) -> types.ModuleType:
        """Run the module of the tests, which has the code's names before."""
        if _MODULE in sys.modules:
            return sys.modules[_MODULE]
        module = types.ModuleType(_MODULE)
        module.__file__ = str(path)
        module.__package__ = PACKAGE
        vars(module).update(self._used)
        lines = self._source.splitlines(keepends=True)
        linecache.cache[str(path)] = (len(self._source), None, lines, str(path))
        tree = ast.parse(self._source)
        rewrite_asserts(tree, self._source.encode("utf-8", "replace"), str(path), config)
        code = compile(tree, str(path), "exec", dont_inherit=True)
        sys.modules[_MODULE] = module
        try:
            exec(code, vars(module))  # noqa: S102 - sandboxed
        except BaseException:
            del sys.modules[_MODULE]
            raise
        return module

    def pytest_pycollect_makeitem(self, name: str, obj: object) -> list[Any] | None:
        """Collect nothing that the code defines."""
        is_of_code = type(obj) is Proxy or self._used.get(name, self) is obj
        return [] if is_of_code else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run an async test."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests."""
        self.num_collected = len(session.items)

    def pytest_runtest_logfinish(self) -> None:
        """Count a test that has ended."""
        self.num_finished += 1

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Report the start of a test."""
        self._report({"test": _test_name(nodeid), "row": self._row_of(nodeid)})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report a failure with its exception."""
        error = call.excinfo.value if call.excinfo else None
        report = yield
        if report.skipped and error is not None and row_in_code(error) is not None:
            report.outcome = "failed"  # the code cannot skip its tests
        if call.when == "call" and report.outcome != "skipped":
            self.num_run += 1
        if hasattr(report, "wasxfail") and report.skipped:
            self.num_run += call.when == "call"
            return report
        if isinstance(error, CodeExited | Tampered | Unsupported):
            self.end = error
            item.session.shouldstop = "the code is gone"
        elif isinstance(error, FixtureLookupError):
            self._report({"unusable": f"there is no fixture for {_test_name(item.nodeid)}"})
        elif report.failed:
            failed = error or AssertionError(str(report.longrepr))
            row = self._row_of(item.nodeid)
            failure = describe_failure(_test_name(item.nodeid), _unwrap(failed), row)
            if type(error) is AssertionError:
                failure["text"] = _shorten_explanation(failure["text"])
            self._report({"failed": failure})
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Report an error at the module level of the tests."""
        report = yield
        call = getattr(report, "call", None)
        if report.failed and call is not None and call.excinfo is not None:
            error = call.excinfo.value
            error = error.__cause__ or error
            if isinstance(error, CodeExited | Tampered | Unsupported):
                self.end = error
            else:
                self._report({"failed": describe_failure("the module of the tests", error, None)})
        elif isinstance(collector, pytest.Module) and not report.failed:
            # Assertions of the module itself have passed.
            self.num_run += any(
                isinstance(node, ast.Assert) for node in ast.parse(self._source).body
            )
        return report

    def _row_of(self, nodeid: str) -> int | None:
        """Return the row of the first name of the code that a test function uses."""
        function = nodeid.partition("::")[2].partition("[")[0].rpartition("::")[2]
        position = max(self._source.find(f"def {function}("), 0)
        text = self._source[position:]
        found = [(text.find(name), row) for name, row in self._rows.items() if name in text]
        return min(found)[1] if found else None


def _test_name(nodeid: str) -> str:
    return nodeid.partition("::")[2].replace("::", ".") or nodeid


def _unwrap(error: BaseException) -> BaseException:
    """Return what an example of a doctest raised, or how its output differs."""
    if isinstance(error, doctest.UnexpectedException):
        return error.exc_info[1]
    if isinstance(error, doctest.DocTestFailure):
        source = error.example.source.strip()
        return AssertionError(
            f"{source} gives {error.got.strip()}, not {error.example.want.strip()}"
        )
    return error


def _shorten_explanation(text: str) -> str:
    """Join pytest's lines on a failed assertion, such as "4 == 5, where 4 = square(2)"."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line.removeprefix("assert ").replace("+  where", "where") for line in lines if line]
    return ", ".join(lines)
