"""Run the tests of a tree of files in the sandbox."""

import base64
import functools
import json
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import CodeType

from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox.run import run_python

Tree = Mapping[str, bytes]
"""Contents of files by path; paths are relative and use slashes."""

MAX_FILE_BYTES = 500_000
MAX_TREE_BYTES = 12_000_000
"""Limits of the sandbox's file system; larger files are left out."""

_MAX_FAILURES = 10
_MEMORY_MB = 1024
_PACKAGE_DIRS = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})

# The files import each other and conftest.py, so the tests run in the process of the code.
_PROGRAM = """
import base64, json, os, sys

channel = os.fdopen(os.dup(1), "w")
null = os.open("/dev/null", os.O_RDWR)
options = json.loads(sys.stdin.read())
for number in (0, 1, 2):
    os.dup2(null, number)
folder = os.getcwd()
for path, content in options["files"].items():
    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
    with open(os.path.join(folder, path), "wb") as file:
        file.write(base64.b64decode(content))
with open("selfcritic-empty.ini", "w") as file:
    file.write("[pytest]")
os.environ.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", HOME=folder, PYTHONDONTWRITEBYTECODE="1")
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(folder, "src"), folder]
sys.path += options["packages"]


def report(**event):
    channel.write(json.dumps(event) + chr(10))
    channel.flush()


try:
    import pytest
except ImportError:
    report(missing="pytest")
    os._exit(0)


class Recorder:
    def pytest_collectreport(self, report):
        if report.failed:
            send(uncollected=report.nodeid)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            send(failed=report.nodeid, message=getattr(crash, "message", str(report.longrepr))[:2000])
        elif report.passed and report.when == "call":
            send(passed=report.nodeid)


send = report
arguments = ["-c", "selfcritic-empty.ini", "--rootdir", folder, "-p", "no:cacheprovider", "-q"]
arguments += ["--maxfail", str(options["max_failures"]), *options["tests"]]
pytest.main(arguments, plugins=[Recorder()])
report(done=True)
os._exit(0)
"""


@dataclass(frozen=True)
class TreeReport:
    """The result of the tests of a tree."""

    num_passed: int
    failures: Sequence[tuple[str, str]]
    """Test and message of each failed test."""
    is_complete: bool
    """Whether all files of tests were imported, and the tests ended in time."""
    timed_out: bool = False

    @property
    def is_success(self) -> bool:
        """Whether a test passed, and all did."""
        return self.is_complete and self.num_passed > 0 and not self.failures


def run_tests_of_tree(tree: Tree, tests: Sequence[str], seconds: float) -> TreeReport:
    """Run files of tests with pytest, without its plugins and configuration.

    Raises:
        CheckerError: pytest is not installed, or the sandbox did not start.
    """
    files = {path: base64.b64encode(content).decode() for path, content in tree.items()}
    options = {
        "files": files,
        "tests": list(tests),
        "packages": _PACKAGE_DIRS,
        "max_failures": _MAX_FAILURES,
    }
    result = run_python(
        _compile_program(), stdin=json.dumps(options), seconds=seconds, memory_mb=_MEMORY_MB
    )
    events = _read_events(result.stdout)
    if any("missing" in event for event in events):
        raise CheckerError("Tests of a repository need pytest: pip install pytest.")
    failures = []
    num_passed = 0
    is_complete = any("done" in event for event in events)
    for event in events:
        if "failed" in event:
            failures.append((str(event["failed"]), str(event.get("message", ""))))
        num_passed += "passed" in event
        if "uncollected" in event:
            is_complete = False
    return TreeReport(num_passed, failures, is_complete, result.timed_out)


@functools.cache
def _compile_program() -> CodeType:
    return compile(_PROGRAM, "<tests of a tree>", "exec", dont_inherit=True)


def _read_events(text: str) -> list[dict[str, object]]:
    events = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def is_test_file(path: str) -> bool:
    """Return whether a file has tests, by its name."""
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def is_source_file(path: str) -> bool:
    """Return whether a file is Python code that is no test."""
    parts = PurePosixPath(path).parts
    if not path.endswith(".py") or is_test_file(path) or parts[-1] == "conftest.py":
        return False
    return not {"test", "tests", "testing", "docs", "examples"} & set(parts[:-1])


def limit_tree(files: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """Leave out files that are too large; None if the rest is too large."""
    tree = {path: data for path, data in files.items() if len(data) <= MAX_FILE_BYTES}
    if sum(map(len, tree.values())) > MAX_TREE_BYTES:
        return None
    return tree
