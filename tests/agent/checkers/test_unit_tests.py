"""Tests given by the user and by the task, against drafts right, wrong, broken and hostile."""

import asyncio
import os
import random
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from selfcritic.agent.checkers import Checker, unit_tests
from selfcritic.agent.errors import CheckerError, InputError
from selfcritic.agent.sandbox import run_python
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Functions
from selfcritic.agent.tasks.checker import task_tests

ISOLATED = run_python("").isolation != "none"
needs_isolation = pytest.mark.skipif(not ISOLATED, reason="neither bwrap nor unshare works on this machine")

SQUARE = "def square(x):\n    return x * x\n"
SLOW = 60.0  # seconds that nothing here takes


def found(checker: Checker, draft: str, question: str = "Square x.") -> list[Comment]:
    async def ask() -> list[Comment]:
        return await checker(question, draft)

    comments = asyncio.run(ask())
    assert all(comment.quote == draft[comment.start : comment.end] for comment in comments)
    return comments


def failures(tests: str, draft: str, seconds: float = SLOW) -> list[tuple[str, str]]:
    comments = found(unit_tests(tests, seconds=seconds), draft)
    assert {(one.source, one.severity, one.evidence) for one in comments} <= {("unit_tests", "high", "confirmed")}
    return [(comment.quote, comment.text) for comment in comments]


def test_a_right_draft_passes():
    assert failures("assert square(3) == 9\nassert square(0) == 0\n", SQUARE) == []


def test_a_failure_quotes_the_function_and_says_what_came_out():
    draft = f"Here it is:\r\n\r\n```python\r\n{SQUARE.replace('* x', '* 2')}```\r\n"
    assert failures("assert square(3) == 9", draft) == [
        ("def square(x):", "The test `square(3) == 9` fails: square(3) is 6.")
    ]


def test_an_exception_quotes_the_line_that_raised():
    draft = "def half(x):\n    '🙂'\n\treturn 1\n".replace("\t", "    ") + "\n\ndef square(x):\n    return x // 0\n"
    assert failures("def test_it():\n    square(1)", draft) == [
        ("return x // 0", "The test `test_it` raises ZeroDivisionError: integer division or modulo by zero.")
    ]


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ("assert not square(3)", "`not square(3)` fails: not square(3) is False"),
        ("assert 0 < square(3) < 5", "square(3) is 9"),
        ("assert square(3) == 6, 'six is meant'", "fails: six is meant"),
        ("def test_a():\n    y = 3\n    assert square(y) == 7 + y", "`test_a` fails: square(y) is 9, 7 + y is 10"),
        ("async def test_a():\n    assert square(2) == 5", "`test_a` fails: square(2) is 4"),
        ("class TestA:\n    def test_b(self):\n        assert square(2) == 5", "`TestA.test_b` fails"),
        (
            "import unittest\nclass A(unittest.TestCase):\n    def setUp(self): self.y = 5\n"
            "    def test_b(self): self.assertEqual(square(2), self.y)",
            "`A.test_b` fails: 4 != 5",
        ),
        ("from solution import square as s\nassert s(2) == 5", "s(2) is 4"),
        ("import my_module\nassert my_module.square(2) == 5", "my_module.square(2) is 4"),
        ("from solution import cube\nassert cube(2)", "raises ImportError: cannot import name 'cube'"),
        ("def test_a():\n    assert helper() == 3\ndef helper(): return square(2)", "helper() is 4"),
        (
            "import pytest\n@pytest.mark.parametrize('x,y', [(1, 1), (2, 5)])\ndef test_a(x, y): assert square(x) == y",
            "`test_a(x=2, y=5)` fails: square(x) is 4, y is 5",
        ),
        (
            "import pytest\n@pytest.mark.parametrize('x', [pytest.param(1), 2])\n@pytest.mark.parametrize('y', [1])\n"
            "def test_a(x, y): assert square(x) == y",
            "`test_a(y=1, x=2)` fails: square(x) is 4, y is 1",
        ),
        ("import pytest\ndef test_a():\n    with pytest.raises(ValueError): square(1)", "DID NOT RAISE"),
    ],
)
def test_every_kind_of_test_is_run(test: str, text: str):
    ((quote, said),) = [one for one in failures(test, SQUARE) if "NameError" not in one[1]][:1]
    assert text in said
    assert quote == "def square(x):"


def test_what_is_to_be_skipped_is_skipped():
    tests = "import pytest, unittest\n@pytest.mark.skip\ndef test_a(): assert square(1) == 2\n"
    tests += "def test_b(): raise unittest.SkipTest\ndef test_c(): pytest.skip('no')\nassert square(1)\n"
    assert failures(tests, SQUARE) == []


def test_the_first_failures_are_told_and_the_others_counted():
    said = failures("\n".join(f"assert square({n}) == -1" for n in range(9)), SQUARE)
    assert len(said) == 5
    assert said[-1][1] == "The test `square(4) == -1` fails: square(4) is 16. So do 4 more tests."


@pytest.mark.parametrize(
    ("draft", "quote", "text"),
    [
        ("", "", "raises NameError: name 'square' is not defined"),
        ("I do not know.", "I do not know.", "The code raises SyntaxError"),
        ("def square(x)\n    return x\n", "def square(x)", "The code raises SyntaxError: expected ':'"),
        ("def cube(x):\n    return x\n", "def cube(x):", "raises NameError"),
        ("import sys\nsys.exit(0)\n", "sys.exit(0)", "The code raises SystemExit: 0"),
        ("x = input()\ny = 1\n", "x = input()", "The code raises EOFError"),
        ("def square(x):\n    assert x > 5, 'too small'\n", "assert x > 5, 'too small'", "fails: too small"),
        ("def square(x):\n    return square(x)\n", "return square(x)", "raises RecursionError"),
        (
            "class V:\n    def __repr__(self): 1 / 0\ndef square(x):\n    return V()\n",
            "def square(x):",
            "a V whose repr",
        ),
        ("import os\ndef square(x):\n    os._exit(0)\n", "def square(x):", "ends the process with exit code 0"),
        ("def square(x):\n    print('{\"done\": true}' * 10**6)\n    return 5\n", "def square(x):", "square(3) is 5"),
        ("x = '\0'\n", "x = '\0'", "The code raises"),
        ("def square(x):\n    return '\ud800'\n", "def square(x):", "The code raises UnicodeEncodeError"),
        ("\0\1\2\3" * 1000, "\0\1\2\3" * 1000, "The code raises"),
    ],
)
def test_what_does_not_run_is_a_finding(draft: str, quote: str, text: str):
    ((quoted, said),) = failures("assert square(3) == 9", draft)
    assert quoted == quote
    assert text in said


def test_a_large_draft_is_run():
    draft = f"x = {'[1, 2, 3],' * 10}\n" * 50_000 + SQUARE
    assert len(draft) > 5_000_000
    found(unit_tests("assert square(3) == 9", seconds=SLOW), draft)


def test_an_import_that_may_only_be_missing_here_is_low():
    (comment,) = found(unit_tests("assert square(3) == 9"), "import no_such_package\n" + SQUARE)
    assert (comment.quote, comment.severity) == ("import no_such_package", "low")


def test_threads_and_children_that_are_left_do_not_hold_up():
    draft = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n" + SQUARE
    assert failures("assert square(3) == 9", draft) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def (", "no Python"),
        ("\0", "no Python"),
        ("x = 1", "no tests"),
        ("", "no tests"),
        ("def test_a(tmp_path): assert tmp_path", "test_a takes arguments"),
        ("class TestA:\n    def test_b(self, capsys): pass", "test_b takes arguments"),
    ],
)
def test_tests_that_cannot_be_run_are_refused_at_once(source: str, message: str):
    with pytest.raises(InputError, match=message):
        unit_tests(source)


def test_a_sandbox_that_does_not_start_is_no_finding():
    with pytest.raises(CheckerError, match="did not start"):
        found(unit_tests("assert square(3)", memory_mb=1), SQUARE)


# What attacks do is written into the function, so that it happens while a test is under way.
ATTACKS = {
    "fork bomb": (
        "import os\nn = 0\nwhile n < 3000:\n    n += bool(os.fork())",
        "",
    ),  # no process left, or too much memory
    "infinite loop": ("while True: pass", "does not end within 4 seconds"),
    "allocation of 10 GB": ("return bytearray(10 * 2**30)", "raises MemoryError"),
    "slow allocation": ("x = []\nwhile True: x.append(bytearray(2**24))", "raises MemoryError"),
    "environment": ("import os\nreturn os.environ['FAKE_API_KEY']", "raises KeyError: 'FAKE_API_KEY'"),
    "ignored signals": (
        "import signal\nfor s in set(signal.Signals) - {9, 19}:\n    signal.signal(s, signal.SIG_IGN)\n"
        "while True: signal.pause()",
        "does not end within 4 seconds",
    ),
    "large file": ("with open('big', 'wb') as f:\n    while True: f.write(bytes(2**20))", "raises OSError"),
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
    "writing outside": ("open({folder!r} + '/x', 'w').write('x')", ("Errno 30", "Errno 13", "Errno 2]")),
    "deleting": ("import shutil\nshutil.rmtree({folder!r})", ("Errno 30", "Errno 13", "Errno 2]")),
    "socket": ("import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)", ("Errno 111", "Errno 101")),
    "other environments": ("return open('/proc/{pid}/environ').read()", ("FileNotFoundError", "PermissionError")),
    "signal to the parent": ("import os\nos.kill({pid}, 15)", ("ProcessLookupError", "PermissionError")),
}


def attack(body: str) -> list[Comment]:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return found(unit_tests("assert square(3) == 9", seconds=4.0, memory_mb=256), f"def square(x):\n{lines}")


@pytest.mark.parametrize(("body", "text"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_a_finding_and_leaves_nothing(
    body: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    if "fork" in body and not ISOLATED and os.geteuid() == 0:
        pytest.skip("without isolation root is bound by no limit of processes")
    monkeypatch.setenv("FAKE_API_KEY", "sk-very-secret")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (comment,) = attack(body)
    assert text in comment.text
    assert comment.severity == "high"
    assert "sk-very-secret" not in comment.text
    assert list(tmp_path.iterdir()) == []


@needs_isolation
@pytest.mark.parametrize(("body", "texts"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_is_outside_is_out_of_reach(body: str, texts: tuple[str, ...], tmp_path: Path):
    tmp_path.chmod(0o777)
    (tmp_path / "kept").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        there = {"folder": str(tmp_path), "port": server.getsockname()[1], "pid": os.getpid()}
        (comment,) = attack(body.format(**there))
        with pytest.raises(TimeoutError):
            server.accept()
    assert any(text in comment.text for text in texts), comment.text
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert threading.main_thread().is_alive()


SPECIFICATION = Functions.example


def test_a_task_of_the_functions_is_tried_as_it_is_specified():
    right = Functions.parse(SPECIFICATION).solution()
    assert found(task_tests, right, SPECIFICATION) == []
    assert found(task_tests, f"So:\n```python\n{right}\n```", SPECIFICATION) == []
    comments = found(task_tests, right.replace("out + 2", "out + 3"), SPECIFICATION)
    assert {one.source for one in comments} == {"task_tests"}
    assert all(one.quote == "def f(xs):" and "gives" in one.text for one in comments)
    assert any(
        ".0, not " in one.text for one in found(task_tests, right.replace("out + 2", "out + 2.0"), SPECIFICATION)
    )


def test_the_tests_of_a_task_agree_with_its_oracle():
    rng = random.Random(3)
    for size in (1, 3, 5):
        drawn = Functions.generate(rng, size)
        slipped = drawn.inject_flaw(drawn.solution(), rng).answer
        assert found(task_tests, drawn.solution(), drawn.question) == []
        assert found(task_tests, slipped, drawn.question) != []


@pytest.mark.parametrize(
    "question",
    [
        "Write square. For example:\n\n>>> square(3)\n9\n",
        "Write it:\n```python\ndef square(x):\n    '''Square x.\n    >>> square(3)\n    9\n    '''\n```\n",
        "Write it:\n```\n>>> square(3)\n9\n```\nThank you.",
        "Write it.\n    >>> square(3)\n    9\nand so on.",
        "Write it so that `assert square(3) == 9` holds:\n\nassert square(3) == 9\nassert square(\n",
        "Write it so that\n`assert square(3) == 9`\n",
    ],
)
def test_examples_in_a_question_are_tests(question: str):
    assert found(task_tests, SQUARE, question) == []
    (comment,) = found(task_tests, SQUARE.replace("* x", "* 2"), question)
    assert comment.quote == "def square(x):"
    assert "6" in comment.text


@pytest.mark.parametrize(
    ("example", "value", "passes"),
    [
        ("{1, 2}", "{2, 1}", True),
        ('"a"', "'a'", True),
        ("[1,2]", "[1, 2]", True),
        ("1", "True", False),
        ("1", "1.0", False),
        ("[1, ...]", "[1, 2, 3]", True),
        ("None", "None", True),
        ("'a b'", "'a  c'", False),
    ],
)
def test_an_example_is_read_as_doctest_does_or_as_a_value(example: str, value: str, passes: bool):
    assert (found(task_tests, f"def f(x):\n    return {value}\n", f">>> f(1)\n{example}\n") == []) == passes


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is 2 + 2?",
        "Write a Python function f(xs). Sing.",
        "I assert that it is so.",
        ">>> import os\n",
        ">>>f(2)\n4",
    ],
)
def test_a_question_without_tests_has_no_findings(question: str):
    assert found(task_tests, "def f(xs):\n    return 1 / 0\n", question) == []
