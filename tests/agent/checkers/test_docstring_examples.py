import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.checkers.docstring_examples import docstring_tests, parse_examples

SIGNS = (
    " == {}",
    "=={}",
    " => {}",
    " ==> {}",
    " -> {}",
    " ➞ {}",
    "   # returns {}",
    " # => {} (a comment)",
    " returns {}",
    " should return {}.",
    " should\n    return {}",
    " {} and f(0) is undefined",
    " is equal to {}",
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8)
literals = st.recursive(
    scalars | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(texts, inner, max_size=2)
    ),
    max_leaves=5,
)


def pairs(text: str, function: str = "f") -> list[tuple[str, str]]:
    return [(example.call, example.result) for example in parse_examples(text, function)]


@given(
    arguments=st.lists(literals, min_size=1, max_size=3),
    result=literals,
    sign=st.sampled_from(SIGNS[:-3] + SIGNS[-1:]),
    before=st.sampled_from(["", "* ", "    ", "For example, ", ">>> "]),
)
def test_literal_examples_are_read_exactly(
    arguments: list[object], result: object, sign: str, before: str
):
    call = f"f({', '.join(map(repr, arguments))})"
    text = f"Describe f(x).\n{before}{call}{sign.format(repr(result))}\nMore text."
    [(read_call, read_result)] = pairs(text)
    assert read_call == call
    assert ast.literal_eval(read_result) == result


@given(st.text(alphabet="f()[]{}'\"=>-# 12,.:\nax➞", max_size=80))
def test_any_text_gives_valid_examples_or_none(text: str):
    for example in parse_examples(text, "f"):
        ast.parse(f"assert {example.call} == {example.result}")
        ast.literal_eval(example.result)


@given(st.text(max_size=200))
def test_any_prompt_gives_tests_or_none(prompt: str):
    docstring_tests(prompt, "f")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(2) == 4", [("f(2)", "4")]),
        ("f(2) should return 16.", [("f(2)", "16")]),
        (
            'f("14.5") should\n    return 15 and f("-14.5") should return -15.',
            [('f("14.5")', "15"), ('f("-14.5")', "-15")],
        ),
        ("f(1, 4) => true", [("f(1, 4)", "True")]),
        (
            "f([\n  [1],\n  [2]\n], 1) == [(0, 0),\n (1, 1)]",
            [("f([   [1],   [2] ], 1)", "[(0, 0),  (1, 1)]")],
        ),
        ("f(')(') == ')'", [("f(')(')", "')'")]),
        ("f(5) returns [1, 5] # for 5, the list is [5, 1].", [("f(5)", "[1, 5]")]),
        ("f(-1.5) ➞ None  ", [("f(-1.5)", "None")]),
        ("f(x=2) == 4", [("f(x=2)", "4")]),
    ],
)
def test_forms_of_examples(text: str, expected: list[tuple[str, str]]):
    assert pairs(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "f(n) == f(n - 1) + 1",  # no literals
        "f(3) = f(2) + f(1)",
        "f(2) = 1 + (2 / 2) = 2",  # a calculation
        "f(19) -> 19 - 5 - 6 = 8",
        'f(["a"]) == ""aaaaaaa"',  # a typing error
        "f(2) of the numbers",
        "f() == 1",
        "g(2) == 4",
        "self.f(2) == 4",
        "f(2) == 4x",
        "f(2) != 4",
        "f(aa) => False",
        "f(2)\n4",
        "f(1) = 3\nf(3) = [1, 3]",  # a recurrence beside an example
        "f(1) == 3\nf(1) == 4",  # contradictory
        "f(" + "(" * 2000,
        "f(1) == " + "[" * 2000,
    ],
)
def test_unclear_examples_are_ignored(text: str):
    assert pairs(text) == []


def test_an_equals_sign_is_read_if_all_results_have_one_type():
    assert pairs("f(1) = 3\nf(2) = 4") == [("f(1)", "3"), ("f(2)", "4")]


PROMPT = '''
def helper(x):
    """
    >>> helper(1)
    100
    """
    return x


def f(x):
    """ Double x.
    >>> f(1)
    2
    >>> f(2) == 4
    f(3) => 6
    assert f(4) == 8
    """
'''


def test_docstring_tests_combine_all_forms_of_the_function_only():
    tests = docstring_tests(PROMPT, "f", seconds=3.0)
    assert tests is not None
    assert tests.seconds == 3.0
    assert ("f(1)", "2\n") in tests.examples
    assert set(tests.asserts) == {"assert f(4) == 8", "assert f(2) == 4", "assert f(3) == 6"}
    assert "helper" not in str(tests)


def test_a_docstring_without_examples_gives_none():
    assert docstring_tests('def f(x):\n    """Double x."""\n', "f") is None


def test_examples_pass_for_right_code_and_fail_for_wrong_code():
    tests = docstring_tests(PROMPT, "f")
    assert tests is not None
    assert tests.check("def f(x):\n    return 2 * x\n", "examples") == []
    findings = tests.check("def f(x):\n    return x\n", "examples")
    assert len(findings) == 4
    assert findings[0].severity == "high"
    assert "The test `f(4) == 8` fails: f(4) is 4." in [finding.text for finding in findings]
