"""Findings of the compiler, ruff and pyright, and their exact positions."""

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable

import pytest

from selfcritic.agent.checkers import Checker, lint, syntax, typecheck
from selfcritic.agent.checkers import python as checkers
from selfcritic.agent.checkers.findings import MAX_FINDINGS
from selfcritic.agent.schemas import Comment

needs_pyright = pytest.mark.skipif(
    not importlib.util.find_spec("basedpyright"), reason="basedpyright is not installed"
)


def run(checker: Checker, draft: str) -> list[Comment]:
    comments = asyncio.run(_await(checker("Is it right?", draft)))
    for comment in comments:
        assert comment.start is not None
        assert comment.quote == draft[comment.start : comment.end]
        assert comment.quote.strip()
        assert comment.evidence == "confirmed"
    return comments


async def _await(comments: Awaitable[list[Comment]]) -> list[Comment]:
    return await comments


def findings_of(checker: Checker, draft: str) -> list[tuple[str, str, str | None]]:
    """Return quote, text and severity of each finding."""
    return [(comment.quote, comment.text, comment.severity) for comment in run(checker, draft)]


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
        ("def f():\n    return f'{a b}'\n", "return f'{a b}'", "invalid syntax"),
        ("import os\nx = '\0'\n", "x = '\0'", "NUL"),
        ("def f(x): return x\r    y = 1\r", "y = 1", "unexpected indent"),
    ],
)
def test_syntax_error_is_quoted_and_has_high_severity(draft: str, quote: str, text: str):
    (comment,) = run(syntax, draft)
    if "f'" in draft:  # the position depends on the version of Python
        assert comment.quote in quote
    else:
        assert comment.quote == quote
    assert text in comment.text
    assert comment.severity == "high"


_LITERAL_WARNING = (
    '"is" with a literal. Did you mean "=="?'
    if sys.version_info < (3, 12)
    else '"is" with \'str\' literal. Did you mean "=="?'
)


def test_compiler_warning_has_low_severity():
    assert findings_of(syntax, "def f(x):\n    return x is 'a'\n") == [
        ("return x is 'a'", _LITERAL_WARNING, "low")
    ]


def test_compiler_crash_is_not_a_finding():
    draft = "def f():\n    return " + "-" * 200_000 + "1\n"
    assert all("Error" in comment.text for comment in run(syntax, draft))


@pytest.mark.parametrize(
    ("draft", "quote", "text", "severity"),
    [
        ("def f(x=[]):\n    return x\n", "def f(x=[]):", "B006", "medium"),
        ("def f():\n\t'🙂🙂'; return missing\r\n", "missing", "`missing` (F821)", "high"),
        ("def f():\n    return '%s %s' % (1,)\n", "'%s %s' % (1,)", "F507", "high"),
        ("import json\n", "json", "F401", "low"),
        ("import sys\nsys.exit(1)\nx = '\u2028' is 'y'\n", "'\u2028' is 'y'", "F632", "high"),
        ("def f():\n    return f'{a\u2028b}'\n", "return f'{a\u2028b}'", "invalid-syntax", "high"),
        (
            "import sys\n\x0c\ndef f():\n    return sys.exit(absent)  # noqa\n",
            "absent",
            "F821",
            "high",
        ),
        (
            "Text 🙂\n\n1. so\n   ```py\n   def f():\n       return nowhere\n   ```\n",
            "nowhere",
            "F821",
            "high",
        ),
    ],
)
def test_ruff_finding_has_quote_rule_and_severity(draft: str, quote: str, text: str, severity: str):
    (comment,) = run(lint, draft)
    assert comment.quote == quote
    assert text in comment.text
    assert comment.severity == severity


def test_lint_reports_only_the_first_syntax_error():
    (comment,) = run(lint, "def f(\n)))\nx = = 1\nclass\n")
    assert comment.quote == ")))"


def test_lint_ignores_style():
    assert findings_of(lint, "def f(xs,ys):\n  for (x,y) in zip(xs,ys): print ( x,y )\n") == []


def test_no_name_is_undefined_if_names_are_defined_at_run_time():
    assert findings_of(lint, "def f():\n    globals().update(g=1)\n    return g\n") == []


def test_number_of_findings_is_limited():
    assert len(run(lint, "def f():\n" + "    print(missing)\n" * 500)) == MAX_FINDINGS


def test_large_draft_is_checked_to_its_end():
    draft = "import os\n" + f"x = os.sep  # {'🙂' * 500}\n" * 2_500 + "print(missing)\n"
    assert len(draft.encode()) > 5_000_000
    assert findings_of(lint, draft) == [("missing", "Undefined name `missing` (F821).", "high")]
    assert findings_of(syntax, draft) == []


@needs_pyright
def test_pyright_findings_have_quote_rule_and_severity():
    draft = (
        "def f(x: int) -> int:\r\n\t'🙂🙂'; return x.nothing\r\n\r\n\r\n"
        "f('🙂', 1)  # type: ignore\r\nf(absent)  # pyright: ignore\r\n"
    )
    attribute, argument, undefined = run(typecheck, draft)
    assert attribute.quote == "nothing"
    assert "reportAttributeAccessIssue" in attribute.text
    assert argument.quote == "f('🙂', 1)  # type: ignore"
    assert undefined.quote == "absent"
    assert "reportUndefinedVariable" in undefined.text
    assert undefined.severity == "high"


@needs_pyright
def test_typecheck_skips_unknown_packages_and_code_with_syntax_errors():
    assert findings_of(typecheck, "import no_such_package\n\nno_such_package.f(1).g\n") == []
    assert findings_of(typecheck, "def f(x: int) -> str:\n    return x\n\ndef g(\n") == []


def test_typecheck_finds_nothing_if_pyright_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkers, "_pyright_command", lambda: None)
    assert findings_of(typecheck, "def f(x: int) -> str:\n    return x\n") == []


@pytest.mark.parametrize(
    "draft",
    [
        "",
        " \n",
        "The answer is 42.",
        "let x = 1;\n",
        "\0\1\2" * 9000,
        "```js\nlet x\n```",
        "😀" * 100,
        "\ud800",
    ],
)
@pytest.mark.parametrize("checker", [syntax, lint, typecheck])
def test_draft_without_python_has_no_findings(checker: Checker, draft: str):
    assert findings_of(checker, draft) == []


@pytest.mark.parametrize("checker", [syntax, lint])
@pytest.mark.parametrize("wrap", [lambda code: code, "Text\n\n```python\n{}\n```\n".format])
@pytest.mark.parametrize(
    "code",
    [
        "x = '\ud800'\nimport sys\nsys",
        "def f():\n    '''```\n    x\n    ```'''",
        "\ufeffdef f(): ...",
    ],
)
def test_unusual_characters_are_accepted(checker: Checker, wrap: Callable[[str], str], code: str):
    run(checker, wrap(code))


def test_tools_ignore_the_environment_and_the_settings_of_this_project(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("RUFF_SELECT", "ALL")
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    assert findings_of(lint, "def f( x ):\n    return x\n") == []
    if importlib.util.find_spec("basedpyright"):
        assert len(findings_of(typecheck, "def f(x: int) -> str:\n    return x\n")) == 1
