"""`selfcritic review - --fail-on` on diffs: what may not be hidden or passed over."""

import json
from pathlib import Path

import pytest

from tests.support.review_gate import create_diff, gate

MEAN = "def mean(xs):\n    return sum(xs) / len(xs)\n"


pytestmark = pytest.mark.usefixtures("working_dir")


def write_change(name: str, before: str, after: str) -> str:
    """Write the new version of a file and return the diff."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(after)
    return create_diff(name, before, after)


@pytest.mark.parametrize("checker", ["syntax", "lint", "typecheck"])
@pytest.mark.parametrize("line", ["    if xs:\n", "    try:\n", '    """Return the mean.\n'])
def test_a_change_that_breaks_an_unchanged_line_fails(checker: str, line: str):
    diff = write_change("calc.py", MEAN, MEAN.replace(":\n", ":\n" + line))
    done = gate("-", "--checker", checker, stdin=diff)
    assert done.exit_code == 1
    assert f"high {checker}: " in done.stdout


def test_an_older_syntax_error_fails_as_added_lines_are_not_checked():
    before = "def f(:\n    pass\n" + "\n" * 9
    diff = write_change("calc.py", before, before + "x = missing\n")
    done = gate("-", stdin=diff)
    assert done.exit_code == 1
    assert "calc.py  2 comments: 2 high" in done.stdout


def test_a_broken_cell_of_a_notebook_fails():
    cells = [{"cell_type": "code", "source": ["x = 1\n", "y = 2"]}]
    before = json.dumps({"cells": cells}, indent=1)
    cells[0]["source"].insert(1, "if x:\n")
    diff = write_change("x.ipynb", before, json.dumps({"cells": cells}, indent=1))
    assert gate("-", stdin=diff).exit_code == 1


def test_a_failed_test_fails_though_it_quotes_an_unchanged_line():
    before = "RATE = 2\n\n\ndef convert(x):\n    return x / RATE\n"
    Path("test_calc.py").write_text("assert convert(4) == 2\n")
    diff = write_change("calc.py", before, before.replace("RATE = 2", "RATE = 4"))
    done = gate("-", "--tests", "test_calc.py", stdin=diff)
    assert done.exit_code == 1
    assert "4  ┃ »def convert(x):«" in done.stdout
    assert "high unit_tests: The test `convert(4) == 2` fails" in done.stdout
    Path("test_calc.py").write_text("assert convert(4) == 1\n")
    assert gate("-", "--tests", "test_calc.py", stdin=diff).exit_code == 0


def test_a_git_diff_that_is_cut_off_is_not_green():
    """Cut `git show | head -n` after each line."""
    Path("calc.py").write_text(MEAN)
    header = "diff --git a/calc.py b/calc.py\nindex 1111111..2222222 100644\n"
    diff = header + write_change("calc.py", "", MEAN)
    lines = diff.splitlines(keepends=True)
    for count in range(1, len(lines)):
        done = gate("-", "--allow-empty", stdin="".join(lines[:count]))
        assert (count, done.exit_code) == (count, 2)
    assert gate("-", stdin=diff).exit_code == 0
    assert gate("-", stdin=diff.replace("\n", "\r")).exit_code == 2


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_diff_without_git_that_is_cut_off_is_not_green(count: int):
    first = "Index: a.py\n" + write_change("a.py", "", "x = 1\n")
    second = "Index: b.py\n" + write_change("b.py", "", "x = missing\ny = missing\n")
    lines = second.splitlines(keepends=True)
    assert gate("-", stdin=first + "".join(lines[:count])).exit_code == 2
    assert gate("-", stdin=first + second).exit_code == 1


TWO_HUNKS = "--- a/calc.py\n+++ b/calc.py\n@@ -1,0 +2 @@\n+y = 1\n@@ -9,0 +11 @@\n+z = 1\n"


@pytest.mark.parametrize(
    ("correct", "broken", "problem"),
    [
        ("@@ -1,0 +2 @@", "@@ -1,0 +2 @", "line 3 has a broken heading"),
        ("@@ -9,0 +11 @@", "@@ -9,0 @@", "line 5 has a broken heading"),
        ("--- a/calc.py\n+++ b/calc.py\n", "", "line 1 has no file name above it"),
    ],
)
def test_a_diff_with_a_broken_heading_is_not_green(correct: str, broken: str, problem: str):
    other = write_change("good.py", "", "x = 1\n")
    Path("calc.py").write_text("x = 1\ny = 1\n" + "\n" * 8 + "z = 1\n")
    assert gate("-", stdin=TWO_HUNKS + other).exit_code == 0
    done = gate("-", stdin=TWO_HUNKS.replace(correct, broken) + other)
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("headers", "exit_code"),
    [
        (["rename from x.py", "rename to y.py"], 0),  # of Mercurial
        (["similarity index 100%", "copy from x.py", "copy to y.py"], 0),
        (["similarity index 90%", "rename from x.py", "rename to y.py"], 2),
        (["old mode 100644", "new mode 100755"], 0),
        (["old mode 100644", "new mode 100755", "index 1111111..2222222"], 2),
        (["new file mode 100644"], 0),  # of Mercurial; y.py is empty
        (["new file mode 100644", "index 0000000..e69de29"], 0),
        (["new file mode 100644", "index 0000000..2222222"], 2),
    ],
)
def test_a_diff_without_hunks_is_green_only_if_it_changes_no_line(
    headers: list[str], exit_code: int
):
    Path("y.py").touch()
    diff = "\n".join(["diff --git a/x.py b/y.py", *headers, ""])
    assert gate("-", stdin=diff).exit_code == exit_code
    Path("y.py").write_text("x = 1\n")
    if headers == ["new file mode 100644"]:
        assert gate("-", stdin=diff).exit_code == 2


@pytest.mark.parametrize("folder", ["pkg", "src/pkg"])
def test_a_file_of_the_same_name_does_not_replace_a_stale_one(folder: str):
    diff = write_change(f"{folder}/__init__.py", "", "import os\n")
    Path("__init__.py").write_text("import os\n")
    assert gate("-", stdin=diff).exit_code == 0
    Path(f"{folder}/__init__.py").write_text("x = missing\n")
    done = gate("-", stdin=diff)
    assert done.exit_code == 2
    assert f"skipped {folder}/__init__.py: it differs from the diff" in done.stderr


@pytest.mark.parametrize(
    ("text", "exit_code"), [("import os\n", 0), ("import os\nx = missing\n", 2)]
)
def test_a_file_of_the_same_name_replaces_a_missing_one_only_if_git_has_its_hash(
    text: str, exit_code: int
):
    diff = write_change("calc.py", "", "import os\n").replace("calc.py", "project/calc.py")
    Path("calc.py").write_text(text)
    diff = f"diff --git a/project/calc.py b/project/calc.py\nindex 0000000..21b405d\n{diff}"
    assert gate("-", stdin=diff).exit_code == exit_code


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("notes.md", []),
        ("notes", []),
        ("notes.rst", []),
        ("notes.md", ["--checker", "lint"]),
        ("calc.py", ["--checker", "lint"]),
        ("calc.py", ["--tests", "test_calc.py"]),
        ("x.ipynb", []),
    ],
)
def test_a_stale_file_of_a_reviewed_type_is_not_green(name: str, options: list[str]):
    Path("test_calc.py").write_text("assert True\n")
    diff = write_change(name, "", "2 + 2 = 5\n") + write_change("good.py", "", "x = 1\n")
    Path(name).write_text("2 + 2 = 4\n")
    done = gate("-", *options, stdin=diff)
    assert done.exit_code == 2
    assert f"error: skipped {name}: it differs from the diff in the working tree" in done.stderr


@pytest.mark.parametrize(
    ("options", "exit_code"),
    [([], 0), (["--checker", "lint"], 2), (["--tests", "test_calc.py"], 2)],
)
def test_a_model_reviews_a_stale_file_but_does_not_replace_named_checkers(
    options: list[str], exit_code: int
):
    Path("test_calc.py").write_text("assert True\n")
    script = Path("script.json")
    script.write_text(
        json.dumps({"critique": ["```\nx = 1\n```\n[low] No."], "helpfulness": [0.9]})
    )
    diff = write_change("calc.py", "", "x = 1\n")
    Path("calc.py").write_text("x = 2\n")
    model = f"scripted:{script.resolve()}"
    done = gate("-", "--num-critiques", "1", *options, stdin=diff, model=model)
    assert done.exit_code == exit_code
    assert "low critic: No." in done.stdout


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [("gen.py", 2), ("GEN.PYI", 2), ("x.ipynb", 2), ("notes.md", 2), ("x.png", 0), ("x.lock", 0)],
)
def test_a_binary_file_in_a_diff_is_not_green_if_its_type_is_reviewed(name: str, exit_code: int):
    good = write_change("good.py", "", "x = 1\n")
    header = f"diff --git a/{name} b/{name}\nindex 1111111..2222222 100644\n"
    binary = f"Binary files a/{name} and b/{name} differ\n"
    git_good = f"diff --git a/good.py b/good.py\n{good}"
    for diff in (header + binary + git_good, good + binary):
        done = gate("-", stdin=diff)
        assert done.exit_code == exit_code
        assert f"{name}: it is binary" in done.stderr


CAUSES = {
    "a removed import": ("import os\nx = 1\ny = os.sep\n", "x = 2\ny = os.sep\n"),
    "only a removed import": ("import os\n\ny = os.sep\n", "\ny = os.sep\n"),
    "a renamed function": (
        "def f():\n    pass\n\n\nf()\n",
        "def g():\n    pass\n\n\nf()\n",
    ),
    "a later assignment": (
        "x = 1\n\n\ndef f():\n    print(x)\n",
        "x = 1\n\n\ndef f():\n    print(x)\n    x = 2\n",
    ),
    "an argument of a long expression": (
        'x = "%s %s" % (\n    1,\n    2,\n\n)\n',
        'x = "%s %s" % (\n    1,\n    2,\n    3,\n)\n',
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_change_that_causes_a_finding_on_an_unchanged_line_fails(cause: str):
    before, after = CAUSES[cause]
    Path("calc.py").write_text(before)
    assert gate("calc.py").exit_code == 0
    done = gate("-", stdin=write_change("calc.py", before, after))
    assert done.exit_code == 1
    assert "1 high" in done.stdout


def test_a_change_in_a_notebook_that_causes_a_finding_in_another_cell_fails():
    cells = [{"cell_type": "code", "source": [source]} for source in ("import os", "os.sep")]
    before = json.dumps({"cells": cells}, indent=1)
    cells[0]["source"] = ["import re"]
    done = gate("-", stdin=write_change("x.ipynb", before, json.dumps({"cells": cells}, indent=1)))
    assert done.exit_code == 1
    assert "Undefined name `os`" in done.stdout


def test_older_findings_stay_hidden():
    old = "import re\n\n\ndef f():\n    import re\n    return missing\n"
    for change in ("import os\n" + old + "print(os)\n", "\n" + old, old.replace("\n\n\n", "\n\n")):
        done = gate("-", stdin=write_change("calc.py", old, change))
        assert done.exit_code == 0
        assert "calc.py  no comments" in done.stdout
        assert "Comments on unchanged lines: 4 hidden." in done.stdout


def test_a_change_that_repairs_the_syntax_hides_older_findings():
    diff = write_change("calc.py", "print(missing)\nx = (\n", "print(missing)\nx = ()\n")
    done = gate("-", stdin=diff)
    assert (done.exit_code, "1 hidden" in done.stdout) == (0, True)


def test_a_change_that_removes_all_lines_is_green():
    diff = write_change("calc.py", "x = 1\n", "")
    done = gate("-", stdin=diff)
    assert done.exit_code == 0
    assert "skipped calc.py: it has no code" in done.stderr


def test_tests_do_not_run_on_the_version_before_the_change():
    Path("test_calc.py").write_text("assert f() == 2\n")
    old = "def f():\n    return 1\n"
    diff = write_change("calc.py", old, "X = 1\n" + old)
    done = gate("-", "--tests", "test_calc.py", stdin=diff)
    assert done.exit_code == 1
    assert done.stdout.count("high unit_tests") == 1


def test_no_model_reviews_a_change_that_adds_no_lines():
    script = Path("script.json")
    script.write_text("{}")
    diff = write_change("calc.py", "import os\n\nx = 1\n", "\nx = 1\n")
    assert gate("-", stdin=diff, model=f"scripted:{script.resolve()}").exit_code == 0
    Path("calc.py").write_text("x = 2\n")
    for model in ("none", f"scripted:{script.resolve()}"):
        assert gate("-", stdin=diff, model=model).exit_code == 2


MANY = "".join(f"import module_{number}\n" for number in range(150))
"""150 comments of low severity."""


@pytest.mark.parametrize("name", ["calc.py", "x.ipynb"])
def test_a_severe_finding_is_kept_among_many(name: str):
    source = MANY + "print(missing)\n"
    if name == "x.ipynb":
        source = json.dumps({"cells": [{"cell_type": "code", "source": source}]})
    Path(name).write_text(source)
    assert gate(name).exit_code == 1


def test_a_finding_on_an_added_line_is_kept_among_many():
    before = "".join(f"print(missing_{number})\n" for number in range(150))
    diff = write_change("calc.py", before, before + "print(missing)\n")
    done = gate("-", stdin=diff)
    assert done.exit_code == 1
    assert "Undefined name `missing`" in done.stdout


def test_a_notebook_in_another_language_is_not_supported():
    notebook = {"cells": [], "metadata": {"language_info": {"name": "R"}}}
    diff = write_change("x.ipynb", "", json.dumps(notebook) + "\n")
    done = gate("-", stdin=diff + write_change("good.py", "", "x = 1\n"))
    assert done.exit_code == 0
    assert "skipped x.ipynb: it is a notebook in R" in done.stderr
