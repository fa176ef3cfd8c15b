"""Unit tests on correct, wrong, broken and hostile drafts."""

import asyncio
import os
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from selfcritic.agent.checkers import Checker, unit_tests
from selfcritic.agent.errors import CheckerError, InputError
from selfcritic.agent.sandbox import run_python
from selfcritic.agent.schemas import Comment

ISOLATED = run_python("").isolation != "none"
needs_isolation = pytest.mark.skipif(not ISOLATED, reason="neither bwrap nor unshare works here")

SQUARE = "def square(x):\n    return x * x\n"
GENEROUS_SECONDS = 60.0


def run(checker: Checker, draft: str) -> list[Comment]:
    async def check() -> list[Comment]:
        return await checker("Square x.", draft)

    comments = asyncio.run(check())
    assert all(comment.quote == draft[comment.start : comment.end] for comment in comments)
    return comments


def failures(tests: str, draft: str) -> list[tuple[str, str]]:
    """Return quote and text of each failure."""
    comments = run(unit_tests(tests, seconds=GENEROUS_SECONDS), draft)
    for comment in comments:
        assert (comment.source, comment.severity, comment.evidence) == (
            "unit_tests",
            "high",
            "confirmed",
        )
    return [(comment.quote, comment.text) for comment in comments]


def test_correct_draft_has_no_findings():
    assert failures("assert square(3) == 9\nassert square(0) == 0\n", SQUARE) == []


def test_failure_quotes_the_tested_function_and_shows_the_result():
    draft = f"Here it is:\r\n\r\n```python\r\n{SQUARE.replace('* x', '* 2')}```\r\n"
    assert failures("assert square(3) == 9", draft) == [
        ("def square(x):", "The test `square(3) == 9` fails: square(3) is 6.")
    ]


def test_exception_quotes_the_line_that_raised():
    draft = (
        "def half(x):\n    '🙂'\n\treturn 1\n".replace("\t", "    ")
        + "\n\ndef square(x):\n    return x // 0\n"
    )
    assert failures("def test_it():\n    square(1)", draft) == [
        (
            "return x // 0",
            "The test `test_it` raises ZeroDivisionError: integer division or modulo by zero.",
        )
    ]


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ("assert not square(3)", "`not square(3)` fails: not square(3) is False"),
        ("assert 0 < square(3) < 5", "square(3) is 9"),
        ("assert square(3) == 6, 'six is meant'", "fails: six is meant"),
        (
            "def test_a():\n    y = 3\n    assert square(y) == 7 + y",
            "`test_a` fails: square(y) is 9, 7 + y is 10",
        ),
        ("async def test_a():\n    assert square(2) == 5", "`test_a` fails: square(2) is 4"),
        (
            "class TestA:\n    def test_b(self):\n        assert square(2) == 5",
            "`TestA.test_b` fails",
        ),
        (
            "import unittest\nclass A(unittest.TestCase):\n    def setUp(self): self.y = 5\n"
            "    def test_b(self): self.assertEqual(square(2), self.y)",
            "`A.test_b` fails: 4 != 5",
        ),
        ("from solution import square as s\nassert s(2) == 5", "s(2) is 4"),
        ("import my_module\nassert my_module.square(2) == 5", "my_module.square(2) is 4"),
        (
            "from solution import cube\nassert cube(2)",
            "raises ImportError: cannot import name 'cube'",
        ),
        (
            "def test_a():\n    assert helper() == 3\ndef helper(): return square(2)",
            "helper() is 4",
        ),
        (
            "import pytest\n@pytest.mark.parametrize('x,y', [(1, 1), (2, 5)])\ndef test_a(x, y): assert square(x) == y",
            "`test_a[2-5]` fails: 4 == 5, where 4 = square(2)",
        ),
        (
            "import pytest\n@pytest.mark.parametrize('x', [pytest.param(1), 2])\n@pytest.mark.parametrize('y', [1])\n"
            "def test_a(x, y): assert square(x) == y",
            "`test_a[1-2]` fails: 4 == 1, where 4 = square(2)",
        ),
        (
            "import pytest\ndef test_a():\n    with pytest.raises(ValueError): square(1)",
            "DID NOT RAISE",
        ),
    ],
)
def test_all_kinds_of_tests_are_run(test: str, text: str):
    # A statement that runs before the helper it needs fails with a NameError.
    quote, failure = next(
        (quote, failure) for quote, failure in failures(test, SQUARE) if "NameError" not in failure
    )
    assert text in failure
    assert quote == "def square(x):"


def test_skipped_tests_are_not_run():
    tests = "import pytest, unittest\n@pytest.mark.skip\ndef test_a(): assert square(1) == 2\n"
    tests += (
        "def test_b(): raise unittest.SkipTest\ndef test_c(): pytest.skip('no')\nassert square(1)\n"
    )
    assert failures(tests, SQUARE) == []


def test_first_failures_are_reported_and_the_others_counted():
    tests = "\n".join(f"assert square({n}) == -1" for n in range(9))
    texts = [text for _, text in failures(tests, SQUARE)]
    assert len(texts) == 5
    assert texts[-1] == "The test `square(4) == -1` fails: square(4) is 16. So do 4 more tests."


@pytest.mark.parametrize(
    ("draft", "quote", "text"),
    [
        ("", "", "raises NameError: name 'square' is not defined"),
        ("I do not know.", "I do not know.", "The code raises SyntaxError"),
        (
            "def square(x)\n    return x\n",
            "def square(x)",
            "The code raises SyntaxError: expected ':'",
        ),
        ("def cube(x):\n    return x\n", "def cube(x):", "raises NameError"),
        ("import sys\nsys.exit(0)\n", "sys.exit(0)", "The code raises SystemExit: 0"),
        ("x = input()\ny = 1\n", "x = input()", "The code raises EOFError"),
        (
            "def square(x):\n    assert x > 5, 'too small'\n",
            "assert x > 5, 'too small'",
            "fails: too small",
        ),
        ("def square(x):\n    return square(x)\n", "return square(x)", "raises RecursionError"),
        (
            "class V:\n    def __repr__(self): 1 / 0\ndef square(x):\n    return V()\n",
            "def square(x):",
            "a V whose repr",
        ),
        (
            "import os\ndef square(x):\n    os._exit(0)\n",
            "def square(x):",
            "ends the process with exit code 0",
        ),
        (
            "def square(x):\n    print('{\"done\": true}' * 10**6)\n    return 5\n",
            "def square(x):",
            "square(3) is 5",
        ),
        ("x = '\0'\n", "x = '\0'", "The code raises"),
        (
            "def square(x):\n    return '\ud800'\n",
            "def square(x):",
            "The code raises UnicodeEncodeError",
        ),
        ("\0\1\2\3" * 1000, "\0\1\2\3" * 1000, "The code raises"),
    ],
)
def test_draft_that_does_not_run_is_a_finding(draft: str, quote: str, text: str):
    ((actual_quote, actual_text),) = failures("assert square(3) == 9", draft)
    assert actual_quote == quote
    assert text in actual_text


def test_large_draft_is_run():
    draft = f"x = {'[1, 2, 3],' * 10}\n" * 50_000 + SQUARE
    assert len(draft) > 5_000_000
    run(unit_tests("assert square(3) == 9", seconds=GENEROUS_SECONDS), draft)


def test_missing_module_has_low_severity():
    (comment,) = run(unit_tests("assert square(3) == 9"), "import no_such_package\n" + SQUARE)
    assert (comment.quote, comment.severity) == ("import no_such_package", "low")


def test_threads_left_running_do_not_delay_the_result():
    draft = (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
        + SQUARE
    )
    assert failures("assert square(3) == 9", draft) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def (", "not Python"),
        ("\0", "not Python"),
        ("x = 1", "There are no tests to run"),
        ("", "There are no tests to run"),
        ("def helper():\n    assert square(1) == 1", "There are no tests to run"),
        ("class TestA:\n    x = 1", "There are no tests to run"),
        ("if __name__ == '__main__':\n    assert square(1)", "There are no tests to run"),
        ("def test_a(mocker): assert mocker", "test_a takes the argument `mocker`"),
        ("class TestA:\n    def test_b(self, client): pass", "test_b takes the argument `client`"),
    ],
)
def test_unusable_tests_are_rejected(source: str, message: str):
    with pytest.raises(InputError, match=message):
        unit_tests(source)


def test_sandbox_that_does_not_start_raises():
    with pytest.raises(CheckerError, match="did not start"):
        run(unit_tests("assert square(3)", memory_mb=1), SQUARE)


# Bodies of the tested function, so that the attack happens during a test.
ATTACKS = {
    "fork bomb": (
        "import os\nn = 0\nwhile n < 3000:\n    n += bool(os.fork())",
        "",  # fails for lack of processes or memory
    ),
    "infinite loop": ("while True: pass", "does not end within 4 seconds"),
    "allocation of 10 GB": ("return bytearray(10 * 2**30)", "raises MemoryError"),
    "slow allocation": ("x = []\nwhile True: x.append(bytearray(2**24))", "raises MemoryError"),
    "environment": (
        "import os\nreturn os.environ['FAKE_API_KEY']",
        "raises KeyError: 'FAKE_API_KEY'",
    ),
    "ignored signals": (
        "import signal\nfor s in set(signal.Signals) - {9, 19}:\n    signal.signal(s, signal.SIG_IGN)\n"
        "while True: signal.pause()",
        "does not end within 4 seconds",
    ),
    "large file": (
        "with open('big', 'wb') as f:\n    while True: f.write(bytes(2**20))",
        "raises OSError",
    ),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)", "is killed by the signal SIGSEGV"),
    "signal to its group": ("import os\nos.killpg(0, 9)", "is killed by the signal SIGKILL"),
    "allocation in many": (
        "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        kept = b'x' * (100 * 2**20)\n"
        "        time.sleep(60)\ntime.sleep(60)",
        "is killed by the signal SIGKILL",
    ),
    "deep nesting": ("return eval('-' * 10**6 + '1')", ""),
}
OUTSIDE = {
    "writing outside": ("open('{folder}/x', 'w').write('x')", ("Errno 30", "Errno 13", "Errno 2]")),
    "deleting": ("import shutil\nshutil.rmtree('{folder}')", ("Errno 30", "Errno 13", "Errno 2]")),
    "socket": (
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)",
        ("Errno 111", "Errno 101"),
    ),
    "other environments": (
        "return open('/proc/{pid}/environ').read()",
        ("FileNotFoundError", "PermissionError"),
    ),
    "signal to the parent": (
        "import os\nos.kill({pid}, 15)",
        ("ProcessLookupError", "PermissionError"),
    ),
}


def attack(body: str) -> list[Comment]:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return run(
        unit_tests("assert square(3) == 9", seconds=4.0, memory_mb=256), f"def square(x):\n{lines}"
    )


@pytest.mark.parametrize(("body", "text"), ATTACKS.values(), ids=ATTACKS)
def test_attack_is_a_finding_and_leaves_no_files(
    body: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    if "fork" in body and not ISOLATED and os.geteuid() == 0:
        pytest.skip("without isolation, root has no limit on processes")
    monkeypatch.setenv("FAKE_API_KEY", "sk-very-secret")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (comment,) = attack(body)
    assert text in comment.text
    assert comment.severity == "high"
    assert "sk-very-secret" not in comment.text
    assert list(tmp_path.iterdir()) == []


@needs_isolation
@pytest.mark.parametrize(("body", "texts"), OUTSIDE.values(), ids=OUTSIDE)
def test_attack_cannot_reach_outside_the_sandbox(body: str, texts: tuple[str, ...], tmp_path: Path):
    tmp_path.chmod(0o777)
    (tmp_path / "kept").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        (comment,) = attack(body.format(folder=tmp_path, port=port, pid=os.getpid()))
        with pytest.raises(TimeoutError):
            server.accept()
    assert any(text in comment.text for text in texts), comment.text
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert threading.main_thread().is_alive()
