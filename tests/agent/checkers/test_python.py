"""The compiler's, ruff's and pyright's findings: each at its exact place, whatever the draft is like."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable

import pytest

from selfcritic.agent.checkers import Checker, lint, syntax, typecheck
from selfcritic.agent.checkers import python as checkers
from selfcritic.agent.checkers.findings import MAX_FINDINGS
from selfcritic.agent.schemas import Comment

needs_pyright = pytest.mark.skipif(not importlib.util.find_spec("basedpyright"), reason="basedpyright is not installed")


def found(checker: Checker, draft: str) -> list[Comment]:
    comments = asyncio.run(_awaited(checker("Is it right?", draft)))
    for comment in comments:
        assert comment.start is not None
        assert comment.quote == draft[comment.start : comment.end]
        assert comment.quote.strip()
        assert comment.evidence == "confirmed"
    return comments


async def _awaited(one: Awaitable[list[Comment]]) -> list[Comment]:
    return await one


def told(checker: Checker, draft: str) -> list[tuple[str, str, str | None]]:
    return [(one.quote, one.text, one.severity) for one in found(checker, draft)]


@pytest.mark.parametrize(
    ("draft", "quote", "text"),
    [
        ("def f(x)\n    return x\n", "def f(x)", "expected ':'"),
        ("def f(x):\r\n    return x +\r\n", "return x +", "invalid syntax"),
        ("def f():\n\tx = 1\n        y = 2\n", "y = 2", "TabError"),
        ("def f():\n    '🙂🙂'; x = = 1\n", "'🙂🙂'; x = = 1", "invalid syntax"),
        ("import os\n'🙂🙂🙂'; return 1 + 2\n", "return 1 + 2", "'return' outside function"),
        ("import os\n'🙂🙂🙂'; break\n", "break", "'break' outside loop"),
        ("import os\n\x0cx = (1 +\n", "x = (1 +", "was never closed"),
        ("def f():\n    return f'{a b}'\n", "return f'{a b}'", "f-string"),
        ("import os\nx = '\0'\n", "x = '\0'", "NUL"),
        ("def f(x): return x\r    y = 1\r", "y = 1", "unexpected indent"),
    ],
)
def test_where_the_compiler_stops(draft: str, quote: str, text: str):
    ((quoted, said, severity),) = told(syntax, draft)
    assert quoted in quote if text == "f-string" else quoted == quote
    assert text in said
    assert severity == "high"


def test_what_the_compiler_warns_of_is_low():
    assert told(syntax, "def f(x):\n    return x is 'a'\n") == [
        ("return x is 'a'", '"is" with a literal. Did you mean "=="?', "low")
    ]


def test_what_brings_the_compiler_down_is_no_finding():
    draft = "def f():\n    return " + "-" * 200_000 + "1\n"
    assert all("SyntaxError" in one.text or "Error" in one.text for one in found(syntax, draft))


@pytest.mark.parametrize(
    ("draft", "quote", "text", "severity"),
    [
        ("def f(x=[]):\n    return x\n", "def f(x=[]):", "B006", "medium"),
        ("def f():\n\t'🙂🙂'; return missing\r\n", "missing", "`missing` (F821)", "high"),
        ("def f():\n    return '%s %s' % (1,)\n", "'%s %s' % (1,)", "F507", "high"),
        ("import json\n", "json", "F401", "low"),
        ("import sys\nsys.exit(1)\nx = '\u2028' is 'y'\n", "'\u2028' is 'y'", "F632", "high"),
        ("def f():\n    return f'{a\u2028b}'\n", "return f'{a\u2028b}'", "invalid-syntax", "high"),
        ("import sys\n\x0c\ndef f():\n    return sys.exit(absent)  # noqa\n", "absent", "F821", "high"),
        ("Text 🙂\n\n1. so\n   ```py\n   def f():\n       return nowhere\n   ```\n", "nowhere", "F821", "high"),
    ],
)
def test_what_ruff_knows(draft: str, quote: str, text: str, severity: str):
    ((quoted, said, graded),) = told(lint, draft)
    assert quoted == quote
    assert text in said
    assert graded == severity


def test_of_many_syntax_errors_ruff_tells_the_first():
    assert [one.quote for one in found(lint, "def f(\n)))\nx = = 1\nclass\n")] == [")))"]


def test_style_is_no_flaw():
    assert told(lint, "def f(xs,ys):\n  for (x,y) in zip(xs,ys): print ( x,y )\n") == []


def test_where_names_are_made_at_run_time_none_is_called_undefined():
    assert told(lint, "def f():\n    globals().update(g=1)\n    return g\n") == []


def test_findings_have_an_end():
    assert len(found(lint, "def f():\n" + "    print(missing)\n" * 500)) == MAX_FINDINGS


def test_a_large_draft_is_read_to_its_end():
    draft = "import os\n" + f"x = os.sep  # {'🙂' * 500}\n" * 2_500 + "print(missing)\n"
    assert len(draft.encode()) > 5_000_000
    assert told(lint, draft) == [("missing", "Undefined name `missing` (F821).", "high")]
    assert told(syntax, draft) == []


@needs_pyright
def test_what_pyright_knows():
    draft = (
        "def f(x: int) -> int:\r\n\t'🙂🙂'; return x.nothing\r\n\r\n\r\n"
        "f('🙂', 1)  # type: ignore\r\nf(absent)  # pyright: ignore\r\n"
    )
    said = told(typecheck, draft)
    assert [quote for quote, _, _ in said] == ["nothing", "f('🙂', 1)  # type: ignore", "absent"]
    assert ["reportAttributeAccessIssue" in said[0][1], "reportUndefinedVariable" in said[2][1]] == [True, True]
    assert said[2][2] == "high"


@needs_pyright
def test_of_other_packages_and_of_broken_code_pyright_knows_nothing():
    assert told(typecheck, "import no_such_package\n\nno_such_package.f(1).g\n") == []
    assert told(typecheck, "def f(x: int) -> str:\n    return x\n\ndef g(\n") == []


def test_where_no_type_checker_is_installed_nothing_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkers, "_pyright_command", lambda: None)
    assert told(typecheck, "def f(x: int) -> str:\n    return x\n") == []


@pytest.mark.parametrize(
    "draft",
    ["", " \n", "The answer is 42.", "let x = 1;\n", "\0\1\2" * 9000, "```js\nlet x\n```", "😀" * 100, "\ud800"],
)
@pytest.mark.parametrize("checker", [syntax, lint, typecheck])
def test_in_a_draft_without_python_nothing_is_found(checker: Checker, draft: str):
    assert told(checker, draft) == []


@pytest.mark.parametrize("checker", [syntax, lint])
@pytest.mark.parametrize("wrap", [lambda code: code, "Text\n\n```python\n{}\n```\n".format])
@pytest.mark.parametrize(
    "code", ["x = '\ud800'\nimport sys\nsys", "def f():\n    '''```\n    x\n    ```'''", "\ufeffdef f(): ..."]
)
def test_odd_characters_are_no_trouble(checker: Checker, wrap: Callable[[str], str], code: str):
    found(checker, wrap(code))


def test_the_tools_see_neither_environment_nor_this_project(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUFF_SELECT", "ALL")
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    assert told(lint, "def f( x ):\n    return x\n") == []
    if importlib.util.find_spec("basedpyright"):
        assert len(told(typecheck, "def f(x: int) -> str:\n    return x\n")) == 1
