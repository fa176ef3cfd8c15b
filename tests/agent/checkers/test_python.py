"""Findings of the compiler, ruff and pyright, and their exact positions."""

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from selfcritic.agent.checkers import Checker, lint, python_ruff, python_types, syntax, typecheck
from selfcritic.agent.checkers.findings import MAX_FINDINGS
from selfcritic.agent.errors import CheckerError
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


def test_compiler_crash_is_reported_as_not_checked():
    draft = "def f():\n    return " + "-" * 200_000 + "1\n"
    with pytest.raises(CheckerError, match=r"compiler cannot read the code \(.*Simplify"):
        run(syntax, draft)


def test_ruff_crash_is_reported_as_not_checked():
    draft = "def f(x):\n    return " + "x + " * 100_000 + "1\n"
    with pytest.raises(CheckerError, match=r"ruff cannot be run \(exit code 1\d\d\).*Simplify"):
        run(lint, draft)


@pytest.mark.parametrize(
    ("draft", "quote", "text", "severity"),
    [
        ("def f(x=[]):\n    return x\n", "def f(x=[]):", "B006", "medium"),
        ("def f(x=[]):\n    x.append(1)\n", "def f(x=[]):", "B006", "medium"),
        ("def f(x=[]):\n    return len(x)\n", "def f(x=[]):", "B006", "low"),
        ("def f(x=[]):\n    pass\n\ndef g(x):\n    x.append(1)\n", "def f(x=[]):", "B006", "low"),
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
def test_typecheck_skips_unknown_packages():
    draft = "import no_such_package\nfrom .other import thing\n\nno_such_package.f(1).g(thing)\n"
    assert findings_of(typecheck, draft) == []


@pytest.mark.slow
@needs_pyright
def test_typecheck_reports_only_the_first_syntax_error():
    (comment,) = run(typecheck, "def f(x: int) -> str:\n    return x\n\ndef g(\n")
    assert comment.rule == "pyright/syntax-error"
    assert comment.severity == "high"


CODE = "def f(x: int) -> str:\n    return x\n"


def test_missing_tool_is_reported_as_not_checked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(python_types.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CheckerError, match="requires pyright: pip install basedpyright"):
        run(typecheck, CODE)

    def find_no_ruff():
        raise FileNotFoundError("ruff")

    monkeypatch.setattr(python_ruff.ruff, "find_ruff_bin", find_no_ruff)
    with pytest.raises(CheckerError, match="ruff is not installed"):
        run(lint, CODE)


def test_failing_or_slow_tool_is_reported_as_not_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setattr(python_ruff.ruff, "find_ruff_bin", lambda: str(tool))
    monkeypatch.setattr(python_types, "find_pyright", lambda: [str(tool)])
    with pytest.raises(CheckerError, match=r"ruff cannot be run \(exit code 3\): broken"):
        run(lint, CODE)
    with pytest.raises(CheckerError, match=r"pyright failed \(exit code 3\): broken"):
        run(typecheck, CODE)

    tool.write_text("#!/bin/sh\nexec sleep 30\n")
    monkeypatch.setattr(python_ruff, "_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(python_types, "_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(CheckerError, match="ruff did not finish within"):
        run(lint, CODE)
    with pytest.raises(CheckerError, match="pyright did not finish within"):
        run(typecheck, CODE)


def test_code_that_is_too_long_for_pyright_is_reported_as_not_checked():
    with pytest.raises(CheckerError, match=r"has 1,000,0\d\d characters; `typecheck` reads"):
        run(typecheck, CODE + "#" * 1_000_000)


SILENCED_DRAFT = """\
# ruff: noqa
# flake8: noqa
# ruff: disable[F821]
# ruff: file-ignore[F821]
# pyright: basic, reportUndefinedVariable=false
# type: ignore
# [tool.ruff]
# builtins = ["absent"]


def f(x: int) -> str:
    # globals() exec( import * builtins.absent = 1
    "builtins.absent = 1"
    \"\"\"locals() # %%\"\"\"
    absent(x)  # noqa: F821  # type: ignore  # pyright: ignore[reportUndefinedVariable]
    return ""
"""


@pytest.mark.parametrize(
    ("checker", "wrap"),
    [
        (lint, "{}"),
        (lint, "Text\n\n```python\n{}\n```\n"),
        pytest.param(typecheck, "```python\n{}\n```\n", marks=needs_pyright),
    ],
)
def test_draft_cannot_silence_a_checker(checker: Checker, wrap: str):
    quotes = [comment.quote for comment in run(checker, wrap.format(SILENCED_DRAFT))]
    assert quotes == ["absent"]


@pytest.mark.parametrize(
    "code",
    [
        "# Databricks notebook source\ndf = spark.read.table('a')\ndisplay(df)\n",
        "# In[1]:\n\nx = 1\ndisplay(x)\nget_ipython().run_line_magic('time', 'x')\n",
        "import gettext\n\ngettext.install('app')\nprint(_('Hello'))\n",
        "import builtins\n\nbuiltins.given = 1\nprint(given)\n",
        "import builtins\n\nsetattr(builtins, 'given', 1)\nprint(given)\n",
        "__builtins__['given'] = 1\nprint(given)\n",
        "import sys\n\nPY3 = sys.version_info[0] == 3\nif not PY3:\n    str = unicode\n",
        "from enum import IntEnum, global_enum\n\n@global_enum\nclass Day(IntEnum):\n    MONDAY = 0\n\n"
        "print(MONDAY)\n",
        "import sys\n\nsys.modules[__name__].given = 1\nprint(given)\n",
        "from odd_typing import Literal\n\ndef f(x: Literal['auto'] = 'auto'):\n    return x\n",
    ],
)
def test_names_from_the_host_are_defined(code: str):
    undefined = [comment for comment in run(lint, code) if comment.rule == "ruff/F821"]
    assert undefined == []


@pytest.mark.slow
@needs_pyright
def test_names_from_the_host_are_defined_for_pyright():
    code = (
        "# Databricks notebook source\nimport builtins\nfrom odd_typing import Literal\n\n"
        "builtins.given = 1\ndisplay(given, spark)\nx: Literal['auto'] = 'auto'\n"
    )
    assert run(typecheck, code) == []


@pytest.mark.parametrize(
    "code",
    [
        "import operator\n\ndef f(x, y):\n    return list(map(operator.eq, x, y))\n",
        "__all__ = ['a'] + list('bc')\n",
        "class A:\n    __slots__ = ('_A__n',)\n\n    def __init__(self):\n        self.__n = 1\n",
        "def reraise():\n    raise\n",
        "from fastapi import Depends\n\ndef f(db=Depends(len)):\n    return db\n",
        "from jaxtyping import Float\n\ndef f(x: Float[int, 'b c'], y: Float[int, 'n']):\n    return x, y\n",
        "import sys\n\nprint('%(a)s' % {'a': 1, 'b': 2}, '{0}'.format(1, 2), 'a\u200bb')\n",
        "import pytest\n\ndef test_f(x, y):\n    with pytest.raises(TypeError):\n        x < y\n",
    ],
)
def test_correct_code_has_no_objections(code: str):
    assert [comment for comment in run(lint, code) if comment.severity != "low"] == []


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
