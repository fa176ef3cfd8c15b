"""Documents of a diff as git prints it."""

import subprocess
from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.diffs import is_diff, parse_diff
from selfcritic.graphs.cli.review.documents import read_text

OLD = "".join(f"line {n}\n" for n in range(1, 31))
NEW = OLD.replace("line 3\n", "line three\nline three and a half\n").replace(
    "line 25\n", "line twenty-five\n"
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    return tmp_path


def git(*arguments: str) -> bytes:
    settings = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "core.autocrlf=false")
    return subprocess.run(["git", *settings, *arguments], capture_output=True, check=True).stdout  # noqa: S607


def make_diff(before: dict[str, bytes], after: dict[str, bytes | None]) -> str:
    """Commit files, change or delete them, and return the diff."""
    for name, data in before.items():
        Path(name).write_bytes(data)
    git("add", "-A")
    git("commit", "-qm", "before", "--allow-empty")
    for name, new_data in after.items():
        if new_data is None:
            Path(name).unlink()
        else:
            Path(name).write_bytes(new_data)
    git("add", "-A")
    Path("the.diff").write_bytes(git("diff", "HEAD"))
    return read_text("the.diff")


@pytest.mark.usefixtures("repository")
def test_reads_the_whole_file_from_the_working_tree():
    diff = make_diff({"x.txt": OLD.encode()}, {"x.txt": NEW.encode()})
    assert is_diff("-", diff)
    [document], skipped = parse_diff(diff)
    assert skipped == []
    assert (document.name, document.uri, document.text) == ("x.txt", "x.txt", NEW)
    assert document.line_numbers is None
    assert [document.lines[line] for line in sorted(document.changed_lines)] == [
        "line three",
        "line three and a half",
        "line twenty-five",
    ]


def test_reads_numbered_hunks_without_the_file(repository: Path, monkeypatch: pytest.MonkeyPatch):
    diff = make_diff({"x.txt": OLD.encode()}, {"x.txt": NEW.encode()})
    Path("x.txt").write_text(NEW.replace("line 4", "changed since"))
    [document], _ = parse_diff(diff)
    assert document.text.startswith("@@ line 1 @@\nline 1\nline 2\nline three\n")
    assert {
        document.line_number(line): document.lines[line] for line in document.changed_lines
    } == {
        3: "line three",
        4: "line three and a half",
        26: "line twenty-five",
    }
    assert document.line_number(0) == 0
    (repository / "sub").mkdir()
    monkeypatch.chdir(repository / "sub")
    (repository / "x.txt").write_text(NEW)
    [document], _ = parse_diff(diff)  # its paths are relative to the root of the repository
    assert document.text == NEW


@pytest.mark.usefixtures("repository")
def test_handles_line_ends_quoted_names_and_missing_final_line_ends():
    diff = make_diff(
        {"é x.py": b"a\r\nb\r\nc", "plain.py": b"\n"},
        {"é x.py": "a\r\nB\r\nc\r\nd é".encode(), "plain.py": b"\nx"},
    )
    documents, _ = parse_diff(diff)
    assert {document.name: (document.text, document.changed_lines) for document in documents} == {
        "é x.py": ("a\r\nB\r\nc\r\nd é", frozenset({1, 2, 3})),
        "plain.py": ("\nx", frozenset({1})),
    }
    assert documents[-1].uri == "%C3%A9%20x.py"


@pytest.mark.usefixtures("repository")
def test_reports_files_without_anything_to_review():
    diff = make_diff(
        {
            "gone.py": b"1\n",
            "less.py": b"1\n2\n",
            "latin.py": b"\xe9\n",
            "picture.png": b"\0\1",
            "kept.py": b"1\n",
        },
        {
            "gone.py": None,
            "less.py": b"1\n",
            "latin.py": b"\xe9\nx\n",
            "picture.png": b"\0\2",
            "kept.py": b"1\n2\n",
        },
    )
    documents, skipped = parse_diff(diff)
    assert [document.name for document in documents] == ["kept.py", "less.py"]
    assert documents[-1].adds_nothing
    assert sorted((skip.name, skip.reason.partition(";")[0], skip.kind) for skip in skipped) == [
        ("gone.py", "is deleted", "empty"),
        ("latin.py", "is not UTF-8", "unreadable"),
        ("picture.png", "is binary", "unsupported"),
    ]


@pytest.mark.usefixtures("repository")
def test_reads_no_file_outside_the_repository(tmp_path_factory: pytest.TempPathFactory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    secret.write_text("first\nkey\n")
    path = "../" * 30 + str(secret).lstrip("/")
    for name in (path, str(secret), r"C:\secret.txt", "C:/secret.txt", r"..\secret.txt"):
        documents, [skip] = parse_diff(f"--- a/{name}\n+++ b/{name}\n@@ -0,0 +1 @@\n+first\n")
        assert documents == []
        assert (skip.name, skip.kind) == (name, "unreadable")
        assert "is outside the repository" in skip.reason


def test_recognizes_a_diff_after_a_commit_message_or_by_its_name():
    diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
    assert is_diff("-", diff)
    assert is_diff(
        "-", f"commit {'a1' * 20}\nAuthor: n\n\n    subject\n\ndiff --git a/x b/x\n{diff}"
    )
    assert is_diff("x.patch", f"Some words.\n\n{diff}")
    assert not is_diff("notes.md", f"Some words.\n\n```\n{diff}```\n")


@pytest.mark.parametrize(
    ("diff", "message"),
    [
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n-a\n+b\n", "line 3 is cut off"),
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n-a\n+b", "line 3 is cut off"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n-a\n+b\n", "more lines than"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\na\n", "starts with neither"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n [-a-]{+b+}\n", "changes no line, as in a word diff"),
    ],
)
def test_rejects_a_diff_that_cannot_be_read(diff: str, message: str):
    with pytest.raises(InputError, match=message):
        parse_diff(diff)
