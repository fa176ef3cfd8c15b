"""Notebooks: their cells are the document, and ruff's findings are placed in it."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.notebooks import lint_notebook, read_notebook

CELLS = ["import os\nprint(os.name)", "x = 1\nx == undefined_one\n\nprint(x)"]


def make_json(*sources: str, indent: int | None = 1, **metadata: Any) -> str:
    """Build the JSON of a notebook; a Markdown cell is above each code cell."""
    cells: list[dict[str, Any]] = []
    for source in sources:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": "# Words"})
        lines = source.splitlines(keepends=True)
        cells.append({"cell_type": "code", "metadata": {}, "outputs": [], "source": lines})
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4}, indent=indent)


def read(text: str, added: frozenset[int] | None = None) -> Document:
    return read_notebook("x.ipynb", text, "x.ipynb", None, added)


def lint(*sources: str) -> list[str]:
    """Return the findings as "cell:line text"."""
    document = read(make_json(*sources))
    checker = lint_notebook(document, strict=True)
    findings: list[Comment] = asyncio.run(checker("", document.text))
    places: list[str] = []
    for finding in findings:
        assert finding.rule is not None
        assert document.text[finding.start : finding.end] == finding.quote
        location = document.locate(finding.start or 0, finding.end or 0)
        cell = document.cell_number(location)
        places.append(f"{cell}:{document.line_number(location.line)} {finding.rule}")
    return places


def test_the_document_has_the_code_of_all_cells():
    document = read(make_json(*CELLS))
    assert document.text == f"# %% cell 2\n{CELLS[0]}\n# %% cell 4\n{CELLS[1]}\n"
    assert [document.line_number(line) for line in range(8)] == [0, 1, 2, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_knows_the_lines_of_the_json(ensure_ascii: bool):
    text = json.dumps(
        json.loads(make_json("x = 'é'\ny = 2", "z")), indent=2, ensure_ascii=ensure_ascii
    )
    document = read(text)
    for index, line in enumerate(document.lines):
        if document.line_number(index):
            quoted = json.dumps(line, ensure_ascii=ensure_ascii)[:-1]
            assert quoted in text.splitlines()[document.file_line(index) - 1]


def test_a_diff_of_the_json_changes_lines_of_cells():
    text = make_json(*CELLS)
    [number] = [n for n, line in enumerate(text.splitlines(), 1) if "undefined_one" in line]
    document = read(text, frozenset({number, number + 400}))
    assert [document.lines[line] for line in document.changed_lines or ()] == ["x == undefined_one"]


def test_places_findings_in_cells():
    assert lint(*CELLS) == ["4:2 ruff/F821", "4:2 ruff/B015"] or lint(*CELLS) == [
        "4:2 ruff/B015",
        "4:2 ruff/F821",
    ]


@pytest.mark.parametrize(
    "sources",
    [
        ("%matplotlib inline\n!pip install x\nfiles = !ls\nprint(files)\n%cd ..",),
        ("import os\nos", "await os.x()", "os.name?\n??os"),
        ("%%bash\nls -l; echo $x",),
        ("%%time\nx = 1", "x"),
        ("%time x = 1\nprint(x)", "%timeit -n 10 x"),
        ("%%capture out\nprint(1)", "out.show()"),
        ("In[1], Out, _, __, _1, _i, _ih",),
        ("get_ipython()\ndisplay(1)\nexit",),
        ("%run other.ipynb", "defined_there()"),
        ("%pylab inline\nplot(sin(1))",),
        ("if True:\n    !ls\n    %cd x",),
        ("x = 1;", "x"),
    ],
)
def test_ipython_has_no_findings(sources: tuple[str, ...]):
    assert lint(*sources) == []


def test_a_syntax_error_is_in_its_cell():
    assert lint("x = 1", "def f(:\n    pass") == ["4:1 ruff/invalid-syntax"]


@pytest.mark.parametrize("noqa", ["", "  # noqa: F821"])
@pytest.mark.parametrize("strict", [False, True])
def test_review_names_cell_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noqa: str, strict: bool
):
    monkeypatch.chdir(tmp_path)
    Path("x.ipynb").write_text(make_json("x = 1", f"print(x)\nprint(missing){noqa}"))
    command = ["review", "x.ipynb", "--model", "none", "--fail-on", "high"]
    if strict:
        command.append("--strict")
    done = CliRunner().invoke(app, command)
    if noqa and not strict:
        assert (done.exit_code, done.stdout) == (0, "x.ipynb  no comments\n")
        return
    assert done.exit_code == 1
    assert "  1  │ print(x)\n  2  ┃ print(»missing«)" in done.stdout
    assert "# %% cell 4" in done.stdout
    [comment] = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)["files"][0][
        "comments"
    ]
    assert (comment["cell"], comment["line"], comment["column"]) == (4, 2, 7)
    log = json.loads(CliRunner().invoke(app, [*command, "--sarif"]).stdout)
    [result] = log["runs"][0]["results"]
    assert result["message"]["text"] == "Cell 4, line 2: Undefined name `missing` (F821)."
    location = result["locations"][0]
    start_line = location["physicalLocation"]["region"]["startLine"]
    assert "missing" in Path("x.ipynb").read_text().splitlines()[start_line - 1]
    assert location["logicalLocations"] == [{"name": "cell 4"}]


def test_a_notebook_without_code_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("x.ipynb").write_text(make_json())
    done = CliRunner().invoke(app, ["review", "x.ipynb", "--model", "none", "--fail-on", "high"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "skipped x.ipynb: it has no code" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        '{"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}]}]}',
        '{"cells": [{"cell_type": "code", "source": ["x = 1"]}, 7, {"cell_type": "code"}]}',
        '{"cells": [{"cell_type": "code", "source": "x = 1\\r\\n"}], "metadata": []}',
    ],
)
def test_reads_other_versions(text: str):
    assert read(text).text == "# %% cell 1\nx = 1\n"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cells", "cell_type", "source", "metadata", "worksheets"]), values
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused(value: object):
    with suppress(InputError):
        document = read(json.dumps(value))
        assert len(document.lines) >= len(document.cells)
