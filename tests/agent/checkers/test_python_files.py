"""Checkers of a user's files: versions of Python, stubs, notebooks and project configuration."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from selfcritic.agent.checkers import syntax
from selfcritic.agent.checkers.python_files import check_file, run_ruff, severity_of_rule
from selfcritic.agent.checkers.registry import get_checkers, run_checkers
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.schemas import Comment

needs_pyright = pytest.mark.skipif(
    not importlib.util.find_spec("basedpyright"), reason="basedpyright is not installed"
)
is_older_than_314 = pytest.mark.skipif(sys.version_info >= (3, 14), reason="compiles this syntax")

NEWER_THAN_311 = 'def join(xs):\n    return f"{", ".join(xs)}"\n'
NEWER_THAN_313 = {
    "except": "def read(x):\n    try:\n        return int(x)\n    except ValueError, TypeError:\n        return 0\n",
    "template": 'def hello(name):\n    return t"hello {name}"\n',
}
STUB = "class A:\n    def other(self) -> B: ...\n    size: int\n\nclass B: ...\n"
UNDEFINED = "def read():\n    return given\n"


def check(name: str, path: Path, text: str, **options) -> list[tuple[str | None, str | None]]:
    """Return rule and severity of each finding."""
    return [(comment.rule, comment.severity) for comment in find(name, path, text, **options)]


def find(name: str, path: Path, text: str, **options) -> list[Comment]:
    checkers = get_checkers([check_file(name, path, **options)])
    assert list(checkers) == [name]
    findings, error = asyncio.run(run_checkers(checkers, "", text))
    if error is not None:
        raise error
    return findings


@is_older_than_314
@pytest.mark.parametrize("code", NEWER_THAN_313.values(), ids=NEWER_THAN_313)
def test_newer_syntax_is_accepted_if_the_project_requires_that_python(tmp_path: Path, code: str):
    path = tmp_path / "package" / "a.py"
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.14,<4"\n')
    assert check("syntax", path, code) == []
    assert check("lint", path, code) == []


@is_older_than_314
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ruff.toml", 'target-version = "py314"\n'),
        (".ruff.toml", '[per-file-target-version]\n"a*.py" = "py314"\n'),
        ("pyproject.toml", '[tool.ruff]\ntarget-version = "py314"\n'),
        ("pyproject.toml", '[tool.pyright]\npythonVersion = "3.14"\n'),
        ("pyrightconfig.json", '{"pythonVersion": "3.14",  // newest\n}'),
    ],
)
def test_configuration_of_a_tool_declares_the_python_version(
    tmp_path: Path, name: str, content: str
):
    (tmp_path / name).write_text(content)
    assert check("syntax", tmp_path / "a.py", NEWER_THAN_313["template"]) == []


@is_older_than_314
@pytest.mark.parametrize("code", NEWER_THAN_313.values(), ids=NEWER_THAN_313)
def test_newer_syntax_has_low_severity_if_no_version_is_declared(tmp_path: Path, code: str):
    path = tmp_path / "a.py"
    (finding,) = find("syntax", path, code)
    assert (finding.rule, finding.severity) == ("syntax/newer-python", "low")
    assert "added in Python 3.14" in finding.text
    assert 'set requires-python = ">=3.14" in pyproject.toml' in finding.text
    assert check("lint", path, code) == []
    assert check("syntax", path, code, python_version="3.14") == []
    (in_draft,) = asyncio.run(syntax("", f"```python\n{code}```"))
    assert in_draft.severity == "low"


@pytest.mark.parametrize("code", [NEWER_THAN_311, *NEWER_THAN_313.values()])
def test_syntax_that_is_newer_than_declared_has_medium_severity(tmp_path: Path, code: str):
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.10"\n')
    (finding,) = find("syntax", tmp_path / "a.py", code)
    assert (finding.rule, finding.severity) == ("syntax/newer-python", "medium")
    assert "on Python 3.10" in finding.text


@pytest.mark.parametrize(
    "code",
    [
        "def f(x)\n    return x\n",
        't"{x" + 1\n',
        "try:\n    pass\nexcept ValueError, TypeError as error:\n    pass\n",
        "print 'Hello'\n",
        "return 1\n",
        "def f():\n    break\n",
    ],
)
def test_code_that_no_python_accepts_has_high_severity(tmp_path: Path, code: str):
    (tmp_path / "ruff.toml").write_text('target-version = "py314"\n')
    assert check("syntax", tmp_path / "a.py", code) == [("syntax/SyntaxError", "high")]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the compiler is the newest")
def test_parser_error_that_ruff_does_not_confirm_has_medium_severity(tmp_path: Path):
    code = f"number = {'1' * 5_000}\n"  # the limit on digits is a setting of the interpreter
    assert check("syntax", tmp_path / "a.py", code) == [("syntax/SyntaxError", "medium")]
    assert check("syntax", tmp_path / "a.py", code, python_version="3.14") == []


@pytest.mark.parametrize("name", ["syntax", "lint"])
def test_syntax_of_an_unknown_version_is_reported_as_not_checked(tmp_path: Path, name: str):
    with pytest.raises(CheckerError, match=r"may use syntax of Python 3\.99, which the project"):
        check(name, tmp_path / "a.py", "def f()) : = 1\n", python_version="3.99")
    assert check(name, tmp_path / "a.py", "def f(): ...\n", python_version="3.99") == []


@pytest.mark.parametrize(
    "name", ["syntax", "lint", pytest.param("typecheck", marks=[needs_pyright, pytest.mark.slow])]
)
def test_stub_may_use_a_class_before_its_definition(tmp_path: Path, name: str):
    assert check(name, tmp_path / "shapes.pyi", STUB) == []


@pytest.mark.parametrize(
    "name", ["tool", "a.pyw", "-a.py", "a b.py", "read.md", "é.py", "a.ipynb.py"]
)
def test_file_name_does_not_matter(tmp_path: Path, name: str):
    assert check("lint", tmp_path / name, UNDEFINED) == [("ruff/F821", "high")]


def test_undefined_name_is_found_in_a_stub_and_in_a_module(tmp_path: Path):
    undefined = ("ruff/F821", "high")
    assert check("lint", tmp_path / "shapes.pyi", "def f() -> C: ...\n") == [undefined]
    assert check("lint", tmp_path / "shapes.py", STUB) == [undefined]


def test_whole_text_is_code_even_if_it_does_not_look_like_python(tmp_path: Path):
    assert check("lint", tmp_path / "a.py", "given\n")[0] == ("ruff/F821", "high")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ruff.toml", 'builtins = ["given"]\n'),
        ("pyproject.toml", '[tool.ruff]\nbuiltins = ["given"]\n'),
        ("pyproject.toml", '[tool.ruff.lint]\nignore = ["F821", "NEW123"]\n'),
        (".ruff.toml", '[lint]\nextend-ignore = ["F82"]\n'),
        ("ruff.toml", 'ignore = ["ALL"]\nextend = "base.toml"\n'),
        ("ruff.toml", 'extend = "base.toml"\n'),
        ("ruff.toml", '[lint.per-file-ignores]\n"sub/*.py" = ["F821", "NEW123"]\n'),
        ("ruff.toml", '[lint.extend-per-file-ignores]\n"**/a.py" = ["F"]\n'),
    ],
)
def test_ruff_configuration_is_honored_unless_strict(tmp_path: Path, name: str, content: str):
    (tmp_path / "base.toml").write_text('[lint]\nignore = ["F821"]\n')
    (tmp_path / name).write_text(content)
    path = tmp_path / "sub" / "a.py"
    assert check("lint", path, UNDEFINED) == []
    assert check("lint", path, UNDEFINED, strict=True) == [("ruff/F821", "high")]


def test_configuration_cannot_select_rules_or_change_the_output(tmp_path: Path):
    (tmp_path / "ruff.toml").write_text(
        'fix = true\npreview = true\noutput-format = "github"\nrequired-version = "==0.0.1"\n'
        'line-length = 1\nforce-exclude = true\nexclude = ["*"]\n[lint]\nselect = ["ALL"]\nextend-select = ["D"]\n'
    )
    assert check("lint", tmp_path / "a.py", UNDEFINED) == [("ruff/F821", "high")]


def test_configuration_above_the_repository_is_not_read(tmp_path: Path):
    (tmp_path / "ruff.toml").write_text('builtins = ["given"]\n')
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    path = tmp_path / "repository" / "a.py"
    assert check("lint", path, UNDEFINED) == [("ruff/F821", "high")]


def test_nearest_ruff_configuration_applies(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "ruff.toml").write_text('builtins = ["given"]\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pyproject.toml").write_text("[project]\nname = 'y'\n")
    assert check("lint", tmp_path / "sub" / "a.py", UNDEFINED) == []
    (tmp_path / "sub" / "ruff.toml").write_text("")
    assert check("lint", tmp_path / "sub" / "a.py", UNDEFINED) == [("ruff/F821", "high")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ruff.toml", "builtins = = 1\n"),
        ("pyproject.toml", "[tool.ruff\n"),
        ("pyrightconfig.json", "{"),
        ("ruff.toml", 'extend = "missing.toml"\n'),
        ("ruff.toml", "builtins = 3\n"),
        ("ruff.toml", 'builtins = "given"\n'),
        ("pyproject.toml", "a = " + "[" * 5_000),
        ("pyproject.toml", "# \udcff\n"),
    ],
)
def test_unreadable_configuration_is_reported_as_not_checked(
    tmp_path: Path, name: str, content: str
):
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(
        CheckerError, match=r"'lint' could not check the text: .*(ruff|pyright|toml)"
    ):
        check("lint", tmp_path / "a.py", UNDEFINED)
    assert check("lint", tmp_path / "a.py", UNDEFINED, strict=True) == [("ruff/F821", "high")]


def test_noqa_is_honored_unless_strict(tmp_path: Path):
    path = tmp_path / "silenced.py"
    code = "def read():\n    return given  # noqa: F821\n"
    assert check("lint", path, code) == []
    assert check("lint", path, code, strict=True) == [("ruff/F821", "high")]
    assert check("lint", path, code.replace("F821", "E501")) == [("ruff/F821", "high")]
    assert check("lint", path, "# ruff: noqa\n" + UNDEFINED) == []

    warning = "def f(x):\n    return x is 'a'  # noqa: F632\n"
    assert check("syntax", path, warning) == []
    expected = [("syntax/SyntaxWarning", "low")]
    assert check("syntax", path, warning, strict=True) == expected
    assert check("syntax", path, warning.replace("F632", "E501")) == expected


@pytest.mark.slow
@needs_pyright
def test_pyright_comments_and_configuration_are_honored_unless_strict(tmp_path: Path):
    code = (
        "# pyright: strict\n"
        "def f(x: int, y) -> str:\n"
        "    given  # pyright: ignore[reportUndefinedVariable]\n"
        "    x.nothing  # type: ignore\n"
        "    x()\n"
        "    return x\n"
    )
    (tmp_path / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "reportReturnType": "warning"}'
    )
    path = tmp_path / "a.py"
    assert check("typecheck", path, code) == [("pyright/reportCallIssue", "medium")]
    rules = [rule for rule, _ in check("typecheck", path, code, strict=True)]
    assert rules == [
        "pyright/reportUndefinedVariable",
        "pyright/reportAttributeAccessIssue",
        "pyright/reportCallIssue",
        "pyright/reportReturnType",
    ]


def notebook(*cells: str) -> str:
    sources: list[dict[str, object]] = []
    for cell in cells:
        source = {"cell_type": "code", "source": cell, "metadata": {}, "outputs": []}
        sources.append({**source, "execution_count": None})
    metadata = {"language_info": {"name": "python"}}
    return json.dumps({"cells": sources, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def test_notebook_may_use_magics_await_display_and_names_of_other_cells(tmp_path: Path):
    text = notebook(
        "%matplotlib inline\nimport asyncio\nx = await asyncio.sleep(0, 1)\nx",
        "%%bash\nls if",
        "!ls\ndisplay(x)\nget_ipython()\n[y async for y in x]",
    )
    path = tmp_path / "a.ipynb"
    assert run_ruff(text, path) == []
    (tmp_path / "ruff.toml").write_text('builtins = ["given"]\n')
    violation, *others = run_ruff(notebook("x = 1", "x + given\nabsent"), path, strict=False)
    assert (violation["code"], violation["cell"], violation["location"]["row"]) == ("F821", 2, 2)
    assert others == []
    assert len(run_ruff(notebook("x = given"), path, strict=True)) == 1


def test_syntax_error_of_a_notebook_is_found(tmp_path: Path):
    (violation,) = run_ruff(notebook("x = 1", "def f(\n"), tmp_path / "a.ipynb")
    assert violation["cell"] == 2
    assert severity_of_rule("invalid-syntax") == "high"
