"""Tests of the interpreter: it agrees with Python on the subset, and refuses everything else."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.tasks import Functions
from selfcritic.agent.tasks.functions import task as task_module
from selfcritic.agent.tasks.functions.interpreter import (
    UnsupportedCode,
    returns,
    run_function,
)
from selfcritic.agent.tasks.functions.mistakes import find_mistakes

INPUTS = [[], [0], [3, -1, 4], [2, 2, 5, 6, -7, 1]]


def run_in_python(code: str) -> list[object]:
    """Return the results; an exception's type is the last one."""
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102 - code of this test or of the reference
    results: list[object] = []
    for xs in INPUTS:
        try:
            results.append(namespace["f"](list(xs)))
        except Exception as error:  # noqa: BLE001 - the test compares it
            return [*results, type(error)]
    return results


def interpret(code: str) -> list[object]:
    results: list[object] = []
    try:
        for result in run_function(code, INPUTS):
            results.append(result)
    except UnsupportedCode:
        raise
    except Exception as error:  # noqa: BLE001 - the test compares it
        return [*results, type(error)]
    return results


def same(first: list[object], second: list[object]) -> bool:
    """Compare values and their types."""
    return repr(first) == repr(second)


@given(st.integers(0, 10**6), st.sampled_from(Functions.sizes), st.integers(0, 3))
def test_agrees_with_python_on_references_and_mistakes(seed: int, size: int, num_mistakes: int):
    rng = random.Random(seed)
    code = Functions.generate(rng, size).solution()
    for _ in range(num_mistakes):
        mistakes = find_mistakes(code)
        if mistakes:
            code = rng.choice(mistakes).apply(code)
    try:
        expected = run_in_python(code)
    except SyntaxError:
        assert interpret(code) == [SyntaxError]
        return
    actual = interpret(code)
    # A local variable without a value raises a subclass of NameError in Python.
    if expected[-1:] == [UnboundLocalError]:
        expected[-1] = NameError
    assert same(actual, expected)


@pytest.mark.parametrize(
    "body",
    [
        "return xs[0]",
        "return xs[1:][::-1]",
        "return xs",
        "return len(xs) + max(xs, 3)",
        "return min(2, -len(xs))",
        "return sum(xs) // 2",
        "return sorted(xs, reverse=True)",
        "return None + 1",
        "return 1 % 0",
        "return not xs or 3",
        "return xs and xs[0] > 2",
        "return True",
        "y = 5",
        "return y",
        "xs.append(1)\n    return xs",
        "len(xs).append(1)",
        "for x in 5:\n        return x",
        "for x in xs:\n        if x in xs[1:]:\n            break\n    return x",
        "for x in xs:\n        for y in xs:\n            if y is x:\n                continue\n"
        "        return y",
    ],
)
def test_agrees_with_python(body: str):
    code = f"def f(xs):\n    {body}"
    try:
        actual = interpret(code)
    except UnsupportedCode:
        assert body.startswith("len(xs).append")
        return
    expected = run_in_python(code)
    if expected[-1:] == [UnboundLocalError]:
        expected[-1] = NameError
    assert same(actual, expected)


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef f(xs):\n    return 1",
        "f = 1",
        "def g(xs):\n    return 1",
        "def f(xs, y):\n    return 1",
        "def f(xs=[]):\n    return 1",
        "def f(xs: int):\n    return 1",
        "def f(abs):\n    return 1",
        "def f(xs):\n    sum = 1\n    return sum",
        "def f(xs):\n    return f(xs)",
        "def f(xs):\n    return open",
        "def f(xs):\n    return __name__",
        "def f(xs):\n    while True:\n        pass",
        "def f(xs):\n    return xs * 2",
        "def f(xs):\n    return 2 * xs",
        "def f(xs):\n    return xs + xs",
        "def f(xs):\n    return 2 ** 3",
        "def f(xs):\n    return 1e3",
        "def f(xs):\n    return 'a'",
        "def f(xs):\n    return xs.pop()",
        "def f(xs):\n    return xs.__class__",
        "def f(xs):\n    return eval(1)",
        "def f(xs):\n    return [x for x in xs]",
        "def f(xs):\n    return lambda: 1",
        "def f(xs):\n    for x in xs:\n        xs.append(x)\n    return 1",
        "def f(xs):\n    out = 9\n    for x in xs[:1] * 1:\n        out = 1\n    return out",
        "def f(xs):\n    xs.append(xs)\n    return xs",
        "def f(xs):\n    x = 3\n" + "    x = x * x\n" * 9 + "    return x",
        "def f(xs):\n    return " + "(" * 80 + "1" + ")" * 80 + " + '\\n'",
        "def f(xs):\n    return " + "-" * 4000 + "1",
    ],
)
def test_refuses_other_code(code: str):
    with pytest.raises(UnsupportedCode):
        returns(code, [[1, 2]], [b"never"])


def test_other_code_runs_in_the_sandbox(monkeypatch: pytest.MonkeyPatch):
    codes = []

    def record(task, code):
        codes.append(code)
        return False

    monkeypatch.setattr(task_module, "_passes_in_sandbox", record)
    task = Functions.generate(random.Random(1), 3)
    assert not task.is_correct("def f(xs):\n    return 123456")
    assert not codes
    assert not task.is_correct("def f(xs):\n    return eval('1')")
    assert len(codes) == 1


@pytest.mark.slow
def test_agrees_with_the_sandbox():
    rng = random.Random(4)
    for size in Functions.sizes:
        task = Functions.generate(rng, size)
        solution = task.solution()
        mistakes = rng.sample(find_mistakes(solution), 3)
        codes = [solution + "\n\n", *(mistake.apply(solution) for mistake in mistakes)]
        for code in codes:
            assert task.is_correct(code) == task_module._passes_in_sandbox(task, code)
