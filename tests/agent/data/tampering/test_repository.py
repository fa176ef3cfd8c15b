"""Natural bugs from a git history: reading, safety, and tests before and after."""

import subprocess
from pathlib import Path

import pytest

from selfcritic.agent.data.tampering.natural import FixRejected, build_natural
from selfcritic.agent.data.tampering.plan import PlanOptions
from selfcritic.agent.data.tampering.repository import Repository
from selfcritic.agent.errors import InputError

BUGGY = '''\
"""Statistics."""


def mean(xs):
    total = 1
    for x in xs:
        total += x
    return total / len(xs)
'''
FIXED = BUGGY.replace("total = 1", "total = 0")
TESTS = "from stats import mean\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def commit(folder: Path, message: str, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "stats-repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "Add mean", stats_py=BUGGY)
    commit(
        folder, "Fix the mean of numbers\n\nIt was too high.", stats_py=FIXED, test_stats_py=TESTS
    )
    return folder


@pytest.mark.slow
def test_finds_a_fix_and_verifies_it_with_its_tests(repository: Path):
    opened = Repository(repository)
    [found] = opened.find_fixes(10)
    assert found.subject == "Fix the mean of numbers"
    records = build_natural(opened.load_fix(found), PlanOptions(clean_share=0.5), seconds=60)
    [record, clean] = records
    assert (clean.answer, clean.origin, clean.is_correct) == (FIXED, "clean", True)
    assert clean.split == record.split
    assert (record.answer, record.origin, record.is_correct) == (BUGGY, "natural", False)
    assert record.task == "stats-repo/stats.py"
    assert record.metadata["original"] == FIXED
    assert record.metadata["fix"] == found.sha[:12]
    assert record.bugs is not None
    [bug] = record.bugs
    assert bug.quote == "total = 1"
    assert record.answer[bug.start : bug.end] == bug.quote
    assert "It was too high." in bug.description
    assert bug.description.endswith("It should be:\n    total = 0")
    [flaw] = record.metadata["flaws"]
    assert (flaw["outcome"], flaw["test"]) == ("silent", "test_stats.py::test_mean")
    assert "assert 2.5 == 2" in flaw["message"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"stats_py": BUGGY + "\n# A comment.\n"}, "code in no place"),
        ({"stats_py": FIXED, "other_py": "x = 1\n"}, "no Python file, or several"),
        ({"README": "text"}, "no Python file, or several"),
        ({"stats_py": FIXED}, "no tests of the file"),
    ],
)
def test_rejects_commits_that_are_no_fix_of_a_file(
    tmp_path: Path, files: dict[str, str], reason: str
):
    check_rejection(tmp_path, files, reason)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"stats_py": FIXED, "test_stats_py": "def test_it():\n    pass\n"}, "pass before"),
        ({"stats_py": FIXED, "test_stats_py": "def test_it():\n    assert False\n"}, "fail after"),
        (
            {"stats_py": FIXED + "\nNEW = 1\n", "test_stats_py": "from stats import NEW\n" + TESTS},
            "cannot be imported before",
        ),
    ],
)
def test_rejects_fixes_whose_tests_show_no_bug(tmp_path: Path, files: dict[str, str], reason: str):
    check_rejection(tmp_path, files, reason)


def check_rejection(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "Add mean", stats_py=BUGGY)
    commit(tmp_path, "bug: something", **files)
    opened = Repository(tmp_path)
    [found] = opened.find_fixes(10)
    with pytest.raises(FixRejected, match=reason):
        build_natural(opened.load_fix(found), PlanOptions(), seconds=60)


def test_skips_commits_that_are_no_fix(repository: Path):
    commit(repository, "Prefix names", stats_py=FIXED + "\n")
    commit(repository, "Merge debugging", stats_py=FIXED + "\n\n")
    assert len(Repository(repository).find_fixes(10)) == 1


def test_executes_nothing_of_the_repository(repository: Path, tmp_path: Path):
    marker = tmp_path / "executed"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n")
    script.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        (hooks / name).write_text(script.read_text())
        (hooks / name).chmod(0o755)
    (repository / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    git(repository, "add", ".gitattributes")
    git(repository, "commit", "-q", "-m", "Fix attributes")
    settings = {
        "core.hooksPath": str(hooks),
        "core.fsmonitor": str(script),
        "core.pager": str(script),
        "diff.external": str(script),
        "diff.evil.textconv": str(script),
        "diff.evil.command": str(script),
        "filter.evil.smudge": str(script),
        "filter.evil.clean": str(script),
        "core.sshCommand": str(script),
        "gpg.program": str(script),
        "log.showSignature": "true",
    }
    for name, value in settings.items():
        git(repository, "config", name, value)
    marker.unlink(missing_ok=True)
    opened = Repository(repository)
    for found in opened.find_fixes(10):
        opened.load_fix(found)
    assert not marker.exists()
    git(repository, "status")
    assert marker.exists(), "the settings would execute the script"


@pytest.mark.slow
def test_code_of_the_repository_runs_in_the_sandbox_only(tmp_path: Path):
    marker = tmp_path / "executed"
    repository = tmp_path / "repo"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    escape = f"import pathlib\ntry:\n    pathlib.Path({str(marker)!r}).touch()\nexcept OSError:\n    pass\n"
    commit(repository, "Add mean", stats_py=BUGGY, conftest_py=escape)
    commit(repository, "Fix mean", stats_py=FIXED, test_stats_py=TESTS)
    opened = Repository(repository)
    [found] = opened.find_fixes(10)
    assert build_natural(opened.load_fix(found), PlanOptions(), seconds=60)
    assert not marker.exists()


def test_explains_what_is_no_repository(tmp_path: Path):
    with pytest.raises(InputError, match="--from-git needs a folder"):
        Repository(tmp_path / "none")
    with pytest.raises(InputError, match=r"\(--from-git\) cannot be read"):
        Repository(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    with pytest.raises(InputError, match="there is no commit"):
        Repository(tmp_path)
