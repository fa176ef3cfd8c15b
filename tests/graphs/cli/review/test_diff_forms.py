"""Diffs in the forms that git, shells and other tools give them."""

import difflib
import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.diffs import is_diff, parse_diff
from selfcritic.graphs.cli.review.documents import Document, read_text
from selfcritic.graphs.cli.review.quoted_paths import unquote
from selfcritic.graphs.cli.review.unified_diff import parse_unified_diff

BEFORE = "".join(f"line {number}\n" for number in range(1, 12))
AFTER = BEFORE.replace("line 6\n", "line six\n")
NAMES = [
    "calc.py",
    "b/one.py",
    "my dir/two.py",
    "é ü.py",
    'quo"te.py',
    "tab\there.py",
    "a/b/a/b.py",
]
DIFF = """diff --git a/calc.py b/calc.py
index 1111111..2222222 100644
--- a/calc.py
+++ b/calc.py
@@ -5,3 +5,3 @@ line 4
 line 5
-line 6
+line six
 line 7
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    return tmp_path


def git(*arguments: str) -> bytes:
    settings = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "core.autocrlf=false")
    return subprocess.run(["git", *settings, *arguments], capture_output=True, check=True).stdout  # noqa: S607


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text.encode())


def parse(diff: bytes) -> list[Document]:
    """Parse a diff from a file; it must not skip anything."""
    Path("the.diff").write_bytes(diff)
    text = read_text("the.diff")
    assert is_diff("the.diff", text)
    documents, skipped = parse_diff(text)
    assert skipped == []
    return documents


def changed_text(document: Document) -> list[str]:
    return [document.lines[line] for line in sorted(document.changed_lines or ())]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "command",
    [
        ["diff", "HEAD"],
        ["diff", "HEAD", "--cached"],
        ["-c", "diff.noprefix=true", "diff", "HEAD"],
        ["-c", "diff.mnemonicPrefix=true", "diff", "HEAD"],
        ["diff", "HEAD", "--src-prefix=old/", "--dst-prefix=new/"],
        ["diff", "HEAD", "--src-prefix=x/old/", "--dst-prefix=y/new/"],
        ["-c", "color.ui=always", "diff", "HEAD"],
        ["-c", "color.ui=always", "diff", "HEAD", "--ws-error-highlight=all", "--color-moved"],
        ["-c", "core.quotePath=false", "diff", "HEAD"],
        ["diff", "HEAD", "-U0"],
        ["diff", "HEAD", "--function-context"],
        ["diff", "HEAD", "--patch-with-stat"],
        ["diff", "HEAD", "--patch-with-raw", "--full-index", "--binary", "--summary"],
        ["diff", "HEAD", "--no-renames", "--minimal", "--ignore-all-space"],
    ],
    ids=" ".join,
)
def test_finds_the_files_of_any_git_diff(command: list[str]):
    for name in NAMES:
        write(name, BEFORE)
    git("add", "-A")
    git("commit", "-qm", "before")
    for name in NAMES:
        write(name, AFTER)
    git("add", "-A")
    documents = parse(git(*command))
    assert sorted(document.name for document in documents) == sorted(NAMES)
    for document in documents:
        assert (document.text, changed_text(document)) == (AFTER, ["line six"])
        assert document.line_numbers is None


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["show", "--stat", "-p", "--color=always"],
        ["log", "-p", "--oneline", "-1"],
        ["format-patch", "--stdout", "-1"],
    ],
    ids=" ".join,
)
def test_finds_the_diff_below_a_commit_message(command: list[str]):
    write("calc.py", BEFORE)
    git("add", "-A")
    git("commit", "-qm", "before")
    write("calc.py", AFTER)
    git("commit", "-qam", "Spell six\n\nReplaces\n--- a/line 6\n+++ b/line six\nsays @@ -1 +1 @@")
    [document] = parse(git(*command))
    assert (document.name, changed_text(document)) == ("calc.py", ["line six"])


@pytest.mark.parametrize(
    "preamble",
    [
        "",
        "\n",
        "\ufeff",
        " calc.py | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n",
        "1a2b3c4 Mean of the others\n",
        "warning: LF will be replaced by CRLF in calc.py\n",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.usefixtures("repository")
def test_finds_the_diff_that_a_shell_wrote(preamble: str, line_end: str, encoding: str):
    write("calc.py", AFTER)
    text = preamble + DIFF
    [document] = parse(text.replace("\n", line_end).encode(encoding))
    assert (document.name, document.uri, document.text) == ("calc.py", "calc.py", AFTER)
    assert changed_text(document) == ["line six"]


@pytest.mark.parametrize(
    "header",
    [
        "diff -r 0a1b2c3d4e5f calc.py\n--- a/calc.py\tThu Jan 01 00:00:00 1970 +0000\n"
        "+++ b/calc.py\tThu Jan 01 00:00:00 1970 +0000\n",
        "Index: calc.py\n====\n--- calc.py\t(revision 3)\n+++ calc.py\t(working copy)\n",
        "--- calc.py (revision 3)\n+++ calc.py (working copy)\n",
        "--- calc.py.orig\t2026-01-01 00:00:00\n+++ calc.py\t2026-01-01 00:00:00\n",
        "diff -ru old/calc.py new/calc.py\n--- old/calc.py\n+++ new/calc.py\n",
        "--- ./calc.py\n+++ ./calc.py\n",
    ],
)
@pytest.mark.usefixtures("repository")
def test_finds_the_files_of_other_tools(header: str):
    write("calc.py", AFTER)
    hunk = DIFF[DIFF.index("@@") :]
    for name in ("-", "the.diff", "changes.txt"):
        assert is_diff(name, header + hunk)
    [document] = parse((header + hunk).encode())
    assert (document.name, changed_text(document)) == ("calc.py", ["line six"])


@pytest.mark.usefixtures("repository")
def test_finds_the_lines_of_a_merge():
    write("calc.py", BEFORE)
    git("add", "-A")
    git("commit", "-qm", "before")
    git("checkout", "-qb", "side")
    write("calc.py", BEFORE.replace("line 6\n", "line six, here\n"))
    git("commit", "-qam", "side")
    git("checkout", "-q", "-")
    write("calc.py", BEFORE.replace("line 6\n", "line six, there\n"))
    git("commit", "-qam", "main")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "side")
    conflict = git("diff")
    [document] = parse(conflict)
    assert changed_text(document) == ["<<<<<<< HEAD", "=======", ">>>>>>> side"]
    _, [skip] = parse_diff(DIFF + git("diff", "--cached").decode())
    assert (skip.name, skip.kind) == ("calc.py", "unreadable")
    write("calc.py", AFTER)
    git("commit", "-qam", "merge")
    for command in (["show"], ["show", "-c"], ["show", "--cc", "--format="]):
        [document] = parse(git(*command))
        assert (document.name, document.text) == ("calc.py", AFTER)
        assert changed_text(document) == ["line six"]


def test_reads_a_relative_diff_in_its_folder(repository: Path, monkeypatch: pytest.MonkeyPatch):
    write("sub/calc.py", AFTER)
    write("calc.py", BEFORE)
    monkeypatch.chdir(repository / "sub")
    [document] = parse(DIFF.encode())
    assert (document.name, document.uri) == ("sub/calc.py", "sub/calc.py")


@pytest.mark.usefixtures("repository")
def test_finds_renamed_new_and_unfinished_files():
    write("old name.py", BEFORE)
    write("kept.py", "1")
    git("add", "-A")
    git("commit", "-qm", "before")
    git("mv", "old name.py", "new name.py")
    write("new name.py", AFTER)
    write("kept.py", "1\n2")
    write("b/added.py", "a\n\n")
    git("add", "-A")
    for options in ([], ["--no-prefix"], ["--src-prefix=i/", "--dst-prefix=w/"]):
        documents = parse(git("diff", "HEAD", "-M", *options))
        changed = {document.name: changed_text(document) for document in documents}
        assert changed == {
            "new name.py": ["line six"],
            "kept.py": ["1", "2"],
            "b/added.py": ["a", ""],
        }


@pytest.mark.usefixtures("repository")
def test_skips_what_has_no_text_with_the_reason():
    write("renamed.py", BEFORE)
    write("mode.py", BEFORE)
    git("add", "-A")
    git("commit", "-qm", "before")
    git("mv", "renamed.py", "other.py")
    Path("mode.py").chmod(0o755)
    Path("link.py").symlink_to("other.py")
    write("empty.py", "")
    git("add", "-A")
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    documents, skipped = parse_diff(git("diff", "HEAD", "--cached").decode())
    assert documents == []
    assert {skip.name: (skip.reason, skip.kind) for skip in skipped} == {
        "other.py": ("has no added lines", "empty"),
        "mode.py": ("has no added lines", "empty"),
        "empty.py": ("has no added lines", "empty"),
        "link.py": ("is a symbolic link", "unsupported"),
        "module": ("is a submodule", "unsupported"),
    }


@pytest.mark.usefixtures("repository")
def test_maps_the_diff_of_a_notebook_to_its_cells():
    cells = [{"cell_type": "code", "source": ["x = 1\n", "y = 2"]}]
    write("x.ipynb", json.dumps({"cells": cells}, indent=1))
    git("add", "-A")
    git("commit", "-qm", "before")
    cells[0]["source"] = ["x = 1\n", "y = 3"]
    write("x.ipynb", json.dumps({"cells": cells}, indent=1))
    [document] = parse(git("diff"))
    assert document.text == "# %% cell 1\nx = 1\ny = 3\n"
    assert changed_text(document) == ["y = 3"]
    assert (document.num_hunks, document.diff.count("@@ -")) == (1, 1)


@pytest.mark.usefixtures("repository")
def test_reads_declared_encodings():
    code = "# coding: latin-1\nx = 'é'\ny = 1\n"
    Path("calc.py").write_bytes(code.encode("latin-1"))
    diff = "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,3 @@\n # coding: latin-1\n x = 'é'\n+y = 1\n"
    [document] = parse(diff.encode("latin-1"))
    assert (document.text, changed_text(document)) == (code, ["y = 1"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("*** a/x\n--- b/x\n***************\n*** 1 ****\n! a\n--- 1 ----\n! b\n", "context diff"),
        ("3c3\n< a\n---\n> b\n", "without context"),
        ("| diff --git a/x b/x\n| --- a/x\n| +++ b/x\n| @@ -1 +1 @@\n", "in front of its lines"),
        ("@@ -1 +1 @@\n-a\n+b\n", "without file names"),
        ("* Unmerged path x.py\n", "merge conflicts"),
        (" x.py | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n", "only lists files"),
        (":100644 100644 1111111 2222222 M\tx.py\n", "only lists files"),
        ("Only in new: x.py\nBinary files a/y and b/y differ\n", "only lists files"),
    ],
)
def test_refuses_diffs_that_cannot_be_read(text: str, problem: str):
    for name in ("-", "the.diff"):
        with pytest.raises(InputError, match=problem):
            is_diff(name, text)
    assert not is_diff("notes.md", text)


def test_refuses_a_diff_file_without_a_diff():
    with pytest.raises(InputError, match=r"the\.patch has no diff in it"):
        is_diff("the.patch", "fatal: bad revision 'main'\n")


def test_reports_files_that_a_recursive_diff_only_lists():
    diff = "diff -ru old/x new/x\n--- old/x\n+++ new/x\n@@ -1 +1 @@\n-a\n+b\nOnly in new: y.py\n"
    _, skipped = parse_diff(diff)
    assert [(skip.name, skip.kind) for skip in skipped] == [("new/y.py", "unreadable")]


@pytest.mark.parametrize(
    ("quoted", "path"),
    [
        (r'"a/caf\303\251.py"', "a/café.py"),
        (r'"a/\"\\\t\n.py"', 'a/"\\\t\n.py'),
        (r'"a/\777\x.py"', "a/\ufffdx.py"),
        ('"a/unfinished', '"a/unfinished'),
        ("a/plain.py\r", "a/plain.py"),
    ],
)
def test_decodes_quoted_paths(quoted: str, path: str):
    assert unquote(quoted) == path


LINES = st.lists(
    st.sampled_from(["", "x", "-x", "+y", " z", "\\ w", "@@ -1 +1 @@", "é\r"]), max_size=12
)


@given(LINES, LINES, st.integers(0, 3))
def test_reads_every_unified_diff(before: list[str], after: list[str], context: int):
    diff_lines = difflib.unified_diff(before, after, "a/x", "b/x", n=context, lineterm="")
    diff = "".join(f"{line}\n" for line in diff_lines)
    files = parse_unified_diff(diff)
    assert len(files) == (before != after)
    for file in files:
        added = file.added
        for line in file.new_lines():
            assert after[line.number - 1] == line.text
        unchanged = [line for number, line in enumerate(after, 1) if number not in added]
        removed = sum(line.marker == "-" for hunk in file.hunks for line in hunk.lines)
        assert len(unchanged) == len(before) - removed


@given(st.text(alphabet=st.sampled_from('+-@ 1,a/b\n"\\diff -git\x1b[m\r'), max_size=200))
def test_any_text_is_read_or_refused(text: str):
    for start in ("", "diff --git a/x b/x\n", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n"):
        with suppress(InputError):
            parse_diff(start + text)
