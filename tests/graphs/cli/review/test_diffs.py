"""A diff as git prints it: the files it changes, whole where they lie in the working tree, and the lines it adds."""

import subprocess
from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.diffs import documents, is_diff
from selfcritic.graphs.cli.review.documents import read

OLD = "".join(f"line {n}\n" for n in range(1, 31))
NEW = OLD.replace("line 3\n", "line three\nline three and a half\n").replace("line 25\n", "line twenty-five\n")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    return tmp_path


def git(*arguments: str) -> bytes:
    settings = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "core.autocrlf=false")
    return subprocess.run(["git", *settings, *arguments], capture_output=True, check=True).stdout  # noqa: S607


def change(before: dict[str, bytes], after: dict[str, bytes | None]) -> str:
    for name, data in before.items():
        Path(name).write_bytes(data)
    git("add", "-A")
    git("commit", "-qm", "before", "--allow-empty")
    for name, changed in after.items():
        Path(name).unlink() if changed is None else Path(name).write_bytes(changed)
    git("add", "-A")
    Path("the.diff").write_bytes(git("diff", "HEAD"))
    return read("the.diff")


@pytest.mark.usefixtures("repository")
def test_a_file_in_the_working_tree_is_read_whole():
    diff = change({"x.txt": OLD.encode()}, {"x.txt": NEW.encode()})
    assert is_diff("-", diff)
    [found], passed = documents(diff)
    assert (found.name, found.uri, found.text, found.numbers, passed) == ("x.txt", "x.txt", NEW, None, [])
    assert [found.lines[line] for line in sorted(found.changed)] == [
        "line three", "line three and a half", "line twenty-five",
    ]  # fmt: skip


def test_elsewhere_the_hunks_are_read_with_their_numbers(repository: Path, monkeypatch: pytest.MonkeyPatch):
    diff = change({"x.txt": OLD.encode()}, {"x.txt": NEW.encode()})
    Path("x.txt").write_text(NEW.replace("line 4", "changed since"))
    [found], _ = documents(diff)
    assert found.text.startswith("@@ line 1 @@\nline 1\nline 2\nline three\n")
    assert {found.number(line): found.lines[line] for line in found.changed} == {
        3: "line three", 4: "line three and a half", 26: "line twenty-five",
    }  # fmt: skip
    assert found.number(0) == 0
    (repository / "sub").mkdir()
    monkeypatch.chdir(repository / "sub")
    (repository / "x.txt").write_text(NEW)
    assert documents(diff)[0][0].text == NEW  # found from the root, as the diff's paths are


@pytest.mark.usefixtures("repository")
def test_line_ends_names_and_missing_last_line_ends():
    diff = change(
        {"é x.py": b"a\r\nb\r\nc", "plain.py": b"\n"}, {"é x.py": "a\r\nB\r\nc\r\nd é".encode(), "plain.py": b"\nx"}
    )
    found, _ = documents(diff)
    assert {one.name: (one.text, one.changed) for one in found} == {
        "é x.py": ("a\r\nB\r\nc\r\nd é", frozenset({1, 2, 3})),
        "plain.py": ("\nx", frozenset({1})),
    }
    assert found[-1].uri == "%C3%A9%20x.py"


@pytest.mark.usefixtures("repository")
def test_what_there_is_nothing_to_review_in_is_told():
    diff = change(
        {"gone.py": b"1\n", "less.py": b"1\n2\n", "latin.py": b"\xe9\n", "picture.png": b"\0\1", "kept.py": b"1\n"},
        {"gone.py": None, "less.py": b"1\n", "latin.py": b"\xe9\nx\n", "picture.png": b"\0\2", "kept.py": b"1\n2\n"},
    )
    found, passed = documents(diff)
    assert [one.name for one in found] == ["kept.py"]
    assert sorted(passed) == [
        "gone.py is taken away",
        "latin.py is not UTF-8",
        "less.py gets no new line",
        "picture.png is binary",
    ]


@pytest.mark.usefixtures("repository")
def test_no_file_outside_the_repository_is_read(tmp_path_factory: pytest.TempPathFactory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    secret.write_text("first\nkey\n")
    climb = "../" * 30 + str(secret).lstrip("/")
    [found], _ = documents(f"--- a/{climb}\n+++ b/{climb}\n@@ -0,0 +1 @@\n+first\n")
    assert found.text == "@@ line 1 @@\nfirst\n"


def test_a_letter_before_the_diff_and_a_diff_by_its_name():
    diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
    assert is_diff("-", diff)
    assert is_diff("-", f"commit {'a1' * 20}\nAuthor: n\n\n    subject\n\ndiff --git a/x b/x\n{diff}")
    assert is_diff("x.patch", f"Some words.\n\n{diff}")
    assert not is_diff("notes.md", f"Some words.\n\n```\n{diff}```\n")


@pytest.mark.parametrize(
    ("diff", "complaint"),
    [
        ("diff --cc x\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n--a\n++b\n", "combined diff"),
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n-a\n+b\n", "cannot be read"),
    ],
)
def test_a_diff_that_cannot_be_read_is_refused(diff: str, complaint: str):
    with pytest.raises(InputError, match=complaint):
        documents(diff)
