"""`selfcritic tamper --from-git` and `--from-release`."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from selfcritic.agent.data.files import read_answers
from selfcritic.graphs.cli.app import app

BUGGY = "def last(xs):\n    return xs[0]\n"
FIXED = "def last(xs):\n    return xs[-1]\n"
TESTS = "from tail import last\n\n\ndef test_last():\n    assert last([1, 2]) == 2\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tamper(*options: str, code: int) -> Result:
    result = CliRunner().invoke(app, ["tamper", "--out", "out.jsonl", *options])
    assert result.exit_code == code, result.output
    return result


def words(result: Result) -> str:
    return " ".join(result.stderr.split())


def commit(message: str, **files: str) -> None:
    for name, text in files.items():
        Path("repo", f"{name}.py").write_text(text)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["add", "-A"], ["commit", "-q", "-m", message]):
        subprocess.run(["/usr/bin/env", "git", "-C", "repo", *identity, *arguments], check=True)


def create_repository() -> None:
    subprocess.run(["/usr/bin/env", "git", "init", "-q", "repo"], check=True)
    commit("Add last", tail=BUGGY)


@pytest.mark.slow
def test_collects_natural_bugs_and_resumes():
    create_repository()
    commit("Fix last", tail=FIXED, test_tail=TESTS)
    commit("Fix a comment", tail=f"# Tail.\n{FIXED}")
    result = tamper("--from-git", "repo", "--clean", "0", code=0)
    assert "1 record in out.jsonl: 1 with 1 natural bug, 0 clean." in words(result)
    assert "1 fix left out: it changes the code in no place" in words(result)
    [record] = read_answers(Path("out.jsonl"))
    assert (record.answer, record.origin) == (BUGGY, "natural")
    again = tamper("--from-git", "repo", "--clean", "0", code=0)
    assert words(again) == words(result)
    changed = tamper("--from-git", "repo", "--clean", "0.5", code=2)
    assert "other options (clean_share)" in words(changed)


def test_reports_releases_whose_tests_show_nothing():
    for name, code in (("old", BUGGY), ("new", FIXED)):
        Path(name).mkdir()
        Path(name, "tail.py").write_text(code)
    result = tamper("--from-release", "old", "--to-release", "new", code=1)
    assert "1 fix left out: there are no tests of the file." in words(result)
    assert "No record was made. No fix has tests" in words(result)
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Pass DATA, --from-git REPO, or --from-release OLD --to-release NEW."),
        (["addition", "--from-git", "."], "Pass only one of DATA, --from-git and --from-release."),
        (["--from-release", "a"], "--from-release OLD and --to-release NEW belong together."),
        (["--to-release", "a"], "--from-release OLD and --to-release NEW belong together."),
        (["--from-git", ".", "--tests", "t.py"], "--tests is not used with --from-git"),
        (["--from-git", ".", "--model", "simulated"], "Natural bugs need no --model"),
        (["--from-git", "none"], "--from-git needs a folder with a git repository; got 'none'."),
        (["--from-git", "."], "'.' (--from-git) cannot be read"),
        (["--from-release", "a", "--to-release", "b"], "'a' is not a release"),
    ],
)
def test_explains_bad_usage(options: list[str], message: str):
    assert message in words(tamper(*options, code=2))
    assert not Path("out.jsonl").exists()


def test_explains_a_repository_without_fixes():
    create_repository()
    result = tamper("--from-git", "repo", code=2)
    assert "has no commit whose message mentions a fix or a bug" in words(result)
