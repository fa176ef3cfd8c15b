"""`selfcritic review --fail-on`: green only if everything was looked at."""

import json
import os
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from selfcritic.graphs.cli.app import app
from tests.support.review_gate import gate

BEFORE = "import os\n\n\ndef mean(xs):\n    return os.fspath(sum(xs) / len(xs))\n"
AFTER = BEFORE.replace("len(xs)", "len(ys)")
DIFF = """--- a/calc.py
+++ b/calc.py
@@ -3,3 +3,3 @@
 
 def mean(xs):
-    return os.fspath(sum(xs) / len(xs))
+    return os.fspath(sum(xs) / len(ys))
"""  # noqa: W293 – context lines start with a space


pytestmark = pytest.mark.usefixtures("working_dir")


def error_lines(done: Result) -> str:
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_a_colored_diff_fails_like_a_plain_one():
    Path("calc.py").write_text(AFTER)
    colored = "".join(f"\x1b[32m{line}\x1b[m\n" for line in DIFF.splitlines())
    for diff in (DIFF, colored):
        done = gate("-", stdin=diff)
        assert done.exit_code == 1
        assert "Undefined name `ys` (F821)" in done.stdout
        assert done.stderr == "reviewed 1 file (1 hunk) with syntax, lint; 1 comment: 1 high\n"


def test_a_file_that_differs_from_the_diff_is_not_green():
    Path("calc.py").write_text(BEFORE)
    message = error_lines(gate("-", stdin=DIFF))
    assert "skipped calc.py: it differs from the diff in the working tree" in message
    assert "reviewed 0 files" in message
    Path("calc.py").unlink()
    Path("good.py").write_text("x = 1\n")
    message = error_lines(gate("-", "good.py", stdin=DIFF))
    assert "reviewed 1 file with syntax, lint; no comments" in message
    assert "error: skipped calc.py" in message


def test_a_diff_without_a_gate_reviews_what_it_can():
    Path("good.py").write_text("x = 1\n")
    done = CliRunner().invoke(app, ["review", "-", "good.py", "--model", "none"], input=DIFF)
    assert (done.exit_code, done.stdout) == (0, "good.py  no comments\n")
    assert "skipped calc.py" in done.stderr


@pytest.mark.parametrize("stdin", ["", "\n \n"])
def test_empty_standard_input_is_not_green(stdin: str):
    message = error_lines(gate("-", stdin=stdin))
    assert "skipped Standard input: it is empty" in message
    assert "--allow-empty" in message
    assert gate("-", "--allow-empty", stdin=stdin).exit_code == 0
    done = CliRunner().invoke(app, ["review", "-", "--model", "none"], input=stdin)
    assert done.exit_code == 0


def test_a_folder_without_files_is_not_green():
    Path("empty").mkdir()
    message = error_lines(gate("empty"))
    assert "skipped empty: it has no files, or git ignores them" in message
    done = CliRunner().invoke(app, ["review", "empty", "--model", "none"])
    assert done.exit_code == 2


@pytest.mark.parametrize("name", ["x.rs", "BUILD", "SConstruct", "defs.bzl", "BUILD.bazel"])
def test_files_that_no_checker_supports_are_not_green(name: str):
    Path(name).write_text('env = Environment(CPPPATH=["inc"])\n')
    message = error_lines(gate(name))
    assert f"skipped {name}: it has a file type that no checker supports" in message
    assert gate(name, "--allow-empty").exit_code == 0
    Path("good.py").write_text("x = 1\n")
    assert gate(name, "good.py").exit_code == 0
    assert error_lines(gate(name, "--checker", "lint"))


@pytest.mark.parametrize(
    "diff",
    [
        "--- a/x.rs\n+++ b/x.rs\n@@ -1,2 +1 @@\n a\n-b\n",
        "diff --git a/x.py b/y.py\nsimilarity index 100%\nrename from x.py\nrename to y.py\n",
        "diff --git a/x.py b/x.py\ndeleted file mode 100644\n--- a/x.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
    ],
)
def test_a_change_that_adds_nothing_is_green(diff: str):
    done = gate("-", stdin=diff)
    assert done.exit_code == 0
    assert "skipped" in done.stderr
    assert "reviewed 0 files" in done.stderr


def test_an_empty_file_is_green():
    Path("__init__.py").touch()
    done = gate("__init__.py")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "skipped __init__.py: it is empty" in done.stderr


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.py", b"# coding: no-such\nx = 1\n", "unknown encoding: no-such"),
        ("x.py", b"# -*- coding: rot13 -*-\nx = 1\n", "'rot13' is not a text encoding"),
        ("x.py", b"# coding: hex\nx = 1\n", "'hex' is not a text encoding"),
        ("x.py", b"# coding: punycode\nx = '\xe9'\n", "declares an encoding"),
        ("x.py", b"# coding: idna\nx = '..'\n", "declares an encoding"),
        ("x.py", b"# coding: undefined\nx = 1\n", "declares an encoding"),
        ("x.py", b"x = '\xe9'\n", "is not UTF-8: byte 0xe9 in line 1"),
        ("X.PY", b"x = 1\n\0", "is binary"),
        ("x.ipynb", b"{\0", "is binary"),
        ("x.py", b"x = 1\n\0", "is binary"),
        ("x.py", b"\xff\xfex", "has a byte order mark of UTF-16, but invalid bytes"),
        ("x.diff", b"--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@\n-a\n", "is cut off"),
        ("x.ipynb", b"{", "x.ipynb is not a notebook"),
        ("x.ipynb", b"[" * 100_000, "x.ipynb is not a notebook"),
        ("x.ipynb", b"{}", "has no list `cells`"),
        ("x.ipynb", b'{"cells": [], "metadata": {"language_info": {"name": "R"}}}', "in R"),
    ],
)
def test_unreadable_files_are_not_green(name: str, data: bytes, message: str):
    Path(name).write_bytes(data)
    assert message in error_lines(gate(name))
    Path("good.py").write_text("x = 1\n")
    if not name.endswith(".diff") and b'"R"' not in data:
        folder = gate(".")
        assert message.removeprefix("x.ipynb ") in error_lines(folder)
        assert "reviewed 1 file" in folder.stderr


def test_missing_and_forbidden_files_are_not_green(monkeypatch: pytest.MonkeyPatch):
    assert "'no-such.py' does not exist" in error_lines(gate("no-such.py"))
    Path("loop").symlink_to("loop")
    assert "'loop' cannot be opened" in error_lines(gate("loop"))

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    Path("x.py").write_text("x = 1\n")
    monkeypatch.setattr(Path, "open", refuse)  # root may read any file
    assert "permission denied" in error_lines(gate("x.py"))


def test_a_file_that_is_too_large_is_not_green(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("selfcritic.graphs.cli.review.documents.MAX_BYTES", 3_000_000)
    Path("x.py").write_text("x = 1\n" * 600_000)
    assert "x.py has over 3 MB" in error_lines(gate("x.py"))
    assert "/dev/zero has over 3 MB" in error_lines(gate("/dev/zero"))


def test_a_spent_budget_is_not_green():
    Path("calc.py").write_text(BEFORE)
    script = Path("script.json")
    script.write_text(json.dumps({"critique": ["```\ndef mean(xs)\n```\n[low] No types."]}))
    options = ["--max-calls", "1", "--num-critiques", "1"]
    done = gate("calc.py", *options, model=f"scripted:{script.resolve()}")
    assert "budget was spent before all files were reviewed" in error_lines(done)


@pytest.mark.parametrize(
    ("value", "code"), [("HIGH", 1), (" High", 1), ("error", 1), ("critical", 1), ("Low", 1)]
)
def test_fail_on_accepts_other_spellings(value: str, code: int):
    Path("calc.py").write_text(AFTER)
    command = ["review", "calc.py", "--model", "none", "--fail-on", value]
    assert CliRunner().invoke(app, command).exit_code == code


@pytest.mark.parametrize(
    "mark",
    ["**[high]**", "`[high]`", "High:", "[critical]", "[HIGH]", "**High**:", "(high)", "[error]"],
)
def test_fails_on_any_spelling_of_a_critics_severity(mark: str):
    Path("calc.py").write_text(BEFORE)
    script = Path("script.json")
    critique = f"```\nsum(xs) / len(xs)\n```\n{mark} Divides by nothing."
    script.write_text(json.dumps({"critique": [critique], "helpfulness": [0.9]}))
    done = gate("calc.py", "--num-critiques", "1", model=f"scripted:{script.resolve()}")
    assert done.exit_code == 1
    assert "high critic: Divides by nothing.\n" in done.stdout


HOSTILE_NAMES = ["x[/y]\x1b]0;title\x07\u202ez.py", "x[bold]\ny\u2069.py"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_file_names_do_not_control_the_terminal(name: str):
    Path(name).parent.mkdir(exist_ok=True, parents=True)
    Path(name).write_text(AFTER)
    diff = (
        f'--- "a/{_quote(name)}"\n+++ "b/{_quote(name)}"\n'
        + DIFF.partition("+++")[2].partition("\n")[2]
    )
    runs = [
        gate(name),
        gate("."),
        gate("-", stdin=diff),
        gate("-", "--stdin-filename", name, stdin=AFTER),
        gate("-", stdin=diff.replace("len(ys)", "len(zs)")),  # not in the working tree
        gate(name, "--tests", name),
        gate(f"missing{name}"),
    ]
    assert [run.exit_code for run in runs] == [1, 1, 1, 1, 2, 2, 2]
    for run in runs:
        for character in ("\x1b", "\x07", "\u202e", "\u2069"):
            assert character not in run.output
        assert isinstance(run.exception, SystemExit)
    done = gate(name, "--json")
    assert json.loads(done.stdout)["files"][0]["file"] == name


def _quote(name: str) -> str:
    return name.replace("\x1b", r"\033").replace("\x07", r"\a").replace("\n", r"\n")


def test_a_file_outside_the_repository_has_no_uri(tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x.py"
    elsewhere.write_text("x = 1\n")
    message = error_lines(gate(str(elsewhere), "--sarif"))
    assert "--sarif requires files of one repository" in message
    assert gate(str(elsewhere)).exit_code == 0
    for name in ("b/../../../../etc/x.py", "/etc/x.py", "C:/x.py"):
        diff = DIFF.replace("a/calc.py", name).replace("b/calc.py", name)
        done = gate("-", "--sarif", stdin=diff)
        assert "is outside the repository" in error_lines(done)
        assert json.loads(done.stdout)["runs"][0]["artifacts"] == []


def test_reads_a_named_pipe(tmp_path: Path):
    """A shell passes `<(git diff)` as a pipe."""
    Path("calc.py").write_text(AFTER)
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=[DIFF], daemon=True)
    writer.start()
    done = gate("pipe")
    writer.join(timeout=60)
    assert done.exit_code == 1


def test_a_file_name_need_not_be_utf_8():
    name = os.fsdecode(b"caf\xe9.py")
    Path(name).write_text(AFTER)
    for options in ([], ["--json"], ["--sarif"]):
        done = gate(name, *options)
        assert done.exit_code == 1
    uri = json.loads(done.stdout)["runs"][0]["artifacts"][0]["location"]["uri"]
    assert uri == "caf%E9.py"


def test_lists_the_comments_of_all_files_by_severity():
    Path("a.py").write_text("import os\n")
    Path("b.py").write_text("x = 1\n\n\ndef f():\n    return missing\n")
    done = gate("a.py", "b.py")
    assert done.stdout.endswith(
        "By severity\n"
        "  high    b.py:5:12  lint: Undefined name `missing` (F821).\n"
        "  low     a.py:1:1  lint: `os` imported but unused (F401).\n"
    )
    log = json.loads(gate("a.py", "b.py", "--sarif").stdout)
    results = log["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["ruff/F821", "ruff/F401"]


def test_a_folder_prints_the_files_with_comments():
    Path("bad.py").write_text(AFTER)
    Path("good.py").write_text("x = 1\n")
    Path("notes.rs").write_text("fn main() {}\n")
    done = gate(".")
    assert done.exit_code == 1
    assert "good.py" not in done.stdout
    assert "bad.py  1 comment: 1 high" in done.stdout
    assert "reviewed 2 files with syntax, lint; 1 comment: 1 high" in done.stderr
    assert "skipped notes.rs: it has a file type that is not reviewed in a folder" in done.stderr
    Path("bad.py").unlink()
    Path("good.py").unlink()
    assert "There was nothing to review" in error_lines(gate("."))


def test_strict_ignores_noqa_and_the_project():
    Path("pyproject.toml").write_text('[tool.ruff]\nbuiltins = ["injected"]\n')
    Path("silenced.py").write_text("a = given  # noqa: F821\nb = injected\n")
    assert gate("silenced.py").exit_code == 0
    done = gate("silenced.py", "--strict")
    assert done.exit_code == 1
    assert "`given`" in done.stdout
    assert "`injected`" in done.stdout
    stdin = Path("silenced.py").read_text()
    assert gate("-", "--stdin-filename", "silenced.py", stdin=stdin).exit_code == 0
    assert gate("-", "--stdin-filename", "draft.py", stdin=stdin).exit_code == 1


NO_DIFFS = [
    "calc.py\n",  # git diff --name-only
    "M\tcalc.py\n",  # git diff --name-status
    "1\t1\tcalc.py\n",  # git diff --numstat
    "Submodule lib 1234567..2345678:\n  > Fix\n",  # git diff --submodule=log
    "1:  0123456 = 1:  1234567 Fix\n",  # git range-diff
    "x = 1\t\t|\tx = 2\n",  # diff -y
    "d1 1\na1 1\nx = 2\n",  # diff -n
    "1c\nx = 2\n.\n",  # diff -e
    "fatal: bad revision 'main'\n",
    "x = missing\n",
]


@pytest.mark.parametrize("text", NO_DIFFS)
def test_text_without_a_name_is_not_green_unless_it_is_a_diff(text: str):
    for model in ("none", "simulated"):
        done = gate("-", stdin=text, model=model)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "Standard input is not a diff" in done.stderr
        assert "--stdin-filename NAME" in done.stderr
    assert gate("-", "--stdin-filename", "notes.md", stdin=text).exit_code == 0
    done = CliRunner().invoke(app, ["review", "-", "--model", "none"], input="2 + 2 = 5\n")
    assert (done.exit_code, "high arithmetic" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("text", "message"), [("", "is empty"), ("fatal: bad revision\n", "is not a diff")]
)
def test_a_pipe_is_not_green_unless_it_has_a_diff(text: str, message: str):
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=[text], daemon=True)
    writer.start()
    assert message in error_lines(gate("pipe"))
    writer.join(timeout=60)


@pytest.mark.parametrize("name", ["X.PY", "y.Py", "z.PYI", "w.PYW"])
@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_a_suffix_in_upper_case_is_python(name: str, options: list[str]):
    Path(name).write_text("x = missing\n")
    assert gate(name, *options).exit_code == 1
    assert gate(".", *options).exit_code == 1
    message = error_lines(gate("-", "--stdin-filename", "x.PATCH", stdin="x = missing\n"))
    assert "x.PATCH has no diff in it" in message


@pytest.mark.parametrize(
    ("critique", "exit_code", "shown"),
    [
        ("```\nreturn x / zero\n```\n[high] Divides.", 2, "»return x / zero« Divides."),
        ("```\nreturn x / zero\n```\n[low] Divides.", 0, "»return x / zero« Divides."),
        ("I cannot review this.", 2, "I cannot review this."),
        ("It divides by zero: there is no error handling.", 2, "It divides by zero"),
        ("There is no error handling.", 2, "There is no error handling."),
        ("No flaws found.", 0, "No flaws found."),
    ],
)
def test_critiques_that_quote_nothing_are_not_green(critique: str, exit_code: int, shown: str):
    Path("calc.py").write_text(BEFORE)
    script = Path("script.json")
    script.write_text(json.dumps({"critique": [critique] * 2}))
    done = gate("calc.py", "--num-critiques", "2", model=f"scripted:{script.resolve()}")
    assert done.exit_code == exit_code
    assert done.stdout.count(shown) == 1
    assert ("No critique of calc.py quotes the file" in done.stderr) == (exit_code == 2)
