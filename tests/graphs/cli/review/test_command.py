"""`selfcritic review` from its arguments to its output and exit code."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from selfcritic.graphs.cli.app import app

COMMAND = [str(Path(sys.executable).parent / "selfcritic"), "review"]
SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "sarif-2.1.0-rtm.5.json").read_text())
MEAN_CODE = '"""Statistics."""\n\n\ndef mean(xs):\n    return sum(xs) / len(xs)\n'
EMPTY_LIST_CRITIQUE = "```\nsum(xs) / len(xs)\n```\n[high] An empty list divides by zero."


@pytest.fixture(autouse=True)
def working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    Path("mean.py").write_text(MEAN_CODE)
    return tmp_path


def scripted(
    critiques: str | list[str] = EMPTY_LIST_CRITIQUE,
    helpfulness: tuple[float, ...] = (0.9,),
    num_files: int = 1,
) -> str:
    """Write a script with the same replies for each file; returns the model's name."""
    if isinstance(critiques, str):
        critiques = [critiques]
    script = {"critique": critiques * num_files, "helpfulness": [*helpfulness] * num_files}
    path = (
        Path(tempfile.mkdtemp(dir=".")).resolve() / "script.json"
    )  # a new name, as models are cached by name
    path.write_text(json.dumps(script))
    return f"scripted:{path}"


def review(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["review", *arguments], env={"COLUMNS": "200"}, **options)


def test_prints_comments_below_the_lines_they_quote():
    done = review("mean.py", "--model", scripted(), "--num-critiques", "1")
    assert done.exit_code == 0
    assert done.stderr.startswith("reviewed 1 file with syntax, lint, the critic scripted:")
    assert done.stderr.endswith("; 1 comment: 1 high\n")
    assert done.stdout == (
        "mean.py  1 comment: 1 high\n"
        '  1  │ """Statistics."""\n  2  │\n  3  │\n  4  │ def mean(xs):\n'
        "  5  ┃     return »sum(xs) / len(xs)«\n"
        "     ╰ high critic: An empty list divides by zero.\n"
    )


def test_json_has_one_entry_per_file():
    Path("again.py").write_text(MEAN_CODE + "\n")
    done = review(
        "mean.py",
        "again.py",
        "--model",
        scripted(num_files=2),
        "--num-critiques",
        "1",
        "--json",
        "--seed",
        "1",
    )
    output = json.loads(done.stdout)
    assert [file["file"] for file in output["files"]] == ["mean.py", "again.py"]
    [comment] = output["files"][1]["comments"]
    assert (comment["line"], comment["column"], comment["end_column"]) == (5, 12, 29)
    assert set(output["files"][0]) == {
        "file", "question", "comments",
        "critique", "rounds", "ungrounded_rate", "ungrounded_critiques",
        "stop_reason", "usage", "capabilities", "error",
    }  # fmt: skip
    assert output["files"][0]["stop_reason"] == "reviewed"
    assert output["files"][0]["ungrounded_rate"] == 0.0


def test_sarif_is_valid_by_its_schema():
    done = review("mean.py", "--model", scripted(), "--num-critiques", "1", "--sarif")
    log = json.loads(done.stdout)
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    [result] = log["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "mean.py",
        "uriBaseId": "%SRCROOT%",
    }
    assert result["message"]["text"] == "An empty list divides by zero."


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--fail-on", "high"], 1),
        (["--fail-on", "low"], 1),
        (["--fail-on", "high", "--json"], 1),
        (["--fail-on", "high", "--sarif"], 1),
    ],
)
def test_exits_with_0_unless_fail_on_matches(arguments: list[str], code: int):
    done = review("mean.py", "--model", scripted(), "--num-critiques", "1", *arguments)
    assert (done.exit_code, "An empty list" in done.stdout) == (code, True)


def test_min_severity_hides_comments():
    model = scripted(
        "```\nxs\n```\n[low] A poor name.\n\n```\ndef mean(xs):\n```\n[medium] No types."
    )
    done = review("mean.py", "--model", model, "--num-critiques", "1", "--min-severity", "medium")
    assert "No types." in done.stdout
    assert "A poor name." not in done.stdout


def test_model_none_runs_checkers_only():
    Path("bad.py").write_text("import os\n\n\ndef f(:\n    pass\n")
    Path("sums.md").write_text("So 12 × 12 = 145, as is known.\n")
    done = review("bad.py", "sums.md", "--model", "none", "--json", "--fail-on", "high")
    bad, sums = json.loads(done.stdout)["files"]
    assert done.exit_code == 1
    assert {comment["source"] for comment in bad["comments"]} >= {"syntax"}
    assert bad["comments"][0]["line"] == 4
    assert [(comment["source"], comment["line"]) for comment in sums["comments"]] == [
        ("arithmetic", 1)
    ]
    assert (bad["usage"]["calls"], sums["usage"]["calls"]) == (0, 0)


def test_prints_no_comments_for_a_clean_file():
    done = review("mean.py", "--model", "none", "--fail-on", "low")
    assert (done.exit_code, done.stdout) == (0, "mean.py  no comments\n")
    assert done.stderr == "reviewed 1 file with syntax, lint; no comments\n"


def test_runs_unit_tests_on_the_code():
    Path("test_mean.py").write_text("def test_of_nothing():\n    assert mean([]) == 0\n")
    done = review("mean.py", "--model", "none", "--tests", "test_mean.py", "--fail-on", "high")
    assert done.exit_code == 1
    assert "high unit_tests: " in done.stdout
    assert "ZeroDivisionError" in done.stdout


def test_prints_findings_and_the_critics_comments_together():
    Path("bad.py").write_text("def mean(xs):\n    return sum(xs) / len(ys)\n")
    model = scripted("```\nsum(xs)\n```\n[low] Slow.")
    done = review("bad.py", "--model", model, "--num-critiques", "1")
    assert "high lint: " in done.stdout
    assert "low critic: Slow." in done.stdout


def test_length_modifier_changes_the_selection():
    one_comment = "```\nxs\n```\n[low] A poor name."
    two_comments = f"{one_comment}\n\n{EMPTY_LIST_CRITIQUE}"
    num_comments = {}
    for modifier in ("0", "0.5"):
        model = scripted([one_comment, two_comments], helpfulness=(0.6, 0.5))
        done = review(
            "mean.py",
            "--model",
            model,
            "--num-critiques",
            "2",
            "--length-modifier",
            modifier,
            "--json",
        )
        num_comments[modifier] = len(json.loads(done.stdout)["files"][0]["comments"])
    assert num_comments == {"0": 1, "0.5": 2}


def test_runs_fsbs_on_the_simulated_model():
    Path("sum.txt").write_text("128 + 256 = 374")
    model = [
        "--model",
        "simulated?miss_rate=0&false_alarm_rate=0",
        "--search",
        "fsbs",
        "--seed",
        "3",
    ]
    question = ["--question", "What is 128 + 256?", "--checker", "syntax"]
    done = review("sum.txt", *model, *question, "--json")
    [file] = json.loads(done.stdout)["files"]
    assert len(file["rounds"][0]["critiques"]) == 28
    assert file["comments"]
    assert "simulated model" in done.stderr


def test_one_budget_covers_all_files():
    for name in "abcd":
        Path(f"{name}.py").write_text(MEAN_CODE)
    options = [
        "--model",
        scripted(num_files=4),
        "--num-critiques",
        "1",
        "--max-calls",
        "3",
        "--json",
    ]
    done = review("a.py", "b.py", "c.py", "d.py", *options)
    files = json.loads(done.stdout)["files"]
    assert sum(file["usage"]["calls"] for file in files) == 3
    assert done.exit_code == 0
    assert "budget" in {file["stop_reason"] for file in files}


def test_prints_findings_and_the_error_if_the_model_fails():
    Path("bad.py").write_text("def f(:\n    pass\n")
    done = review("bad.py", "--model", "simulated")
    assert done.exit_code == 1
    assert "syntax" in done.stdout
    assert "the review failed" in done.stdout
    assert "error: bad.py: The simulated model knows only" in done.stderr


def test_runs_checkers_only_if_no_model_is_set():
    Path("bad.py").write_text("import os\n")
    done = review("bad.py")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "bad.py  1 comment: 1 low")
    assert "no model is set" in done.stderr


def test_stdin_filename_names_standard_input():
    done = review("-", "--model", "none", "--stdin-filename", "x.py", input="def f(:\n    pass\n")
    assert done.stdout.startswith("x.py  2 comments: 2 high\n  1  ┃ »def f(:«\n")
    assert "     ╰ high syntax: SyntaxError" in done.stdout


def test_reviews_the_changed_lines_of_a_diff():
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@x"]
    Path("mean.py").write_text(MEAN_CODE + "\n\ndef unused():\n    return undefined\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "before"]):
        subprocess.run([*git, *command], check=True)
    Path("mean.py").write_text(
        MEAN_CODE.replace("len(xs)", "len(ys)") + "\n\ndef unused():\n    return undefined\n"
    )
    diff = subprocess.run([*git, "diff"], capture_output=True, check=True).stdout
    done = review("-", "--model", "none", input=diff.decode())
    assert "  5 +┃     »return sum(xs) / len(ys)«\n     ╰ high lint: " in done.stdout
    assert "Comments on unchanged lines: 1 hidden." in done.stdout
    assert "undefined`" not in done.stdout


@pytest.mark.parametrize(
    ("data", "exit_code", "message"),
    [
        (b"", 0, "is empty"),
        (b" \n\t\n", 0, "is empty"),
        (b"\x89PNG\0\0", 2, "is binary"),
        ("café\n".encode("latin-1"), 2, "is not UTF-8: byte 0xe9 in line 1"),
        (b"x = 1\n" * 100_000, 2, "600,000 characters; models accept at most 400,000"),
    ],
)
def test_rejects_bad_input_before_any_request(data: bytes, exit_code: int, message: str):
    Path("x.txt").write_bytes(data)
    done = review("x.txt", "--model", scripted([]))
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such.py"], "no-such.py"),
        (["mean.py", "--json", "--sarif"], "pass one of them"),
        (["mean.py", "--model", "gtp-5"], "There is no model 'gtp-5'"),
        (["mean.py", "--checker", "spelling"], "there is no checker 'spelling'"),
        (["mean.py", "--tests", "no-such-tests.py"], "no-such-tests.py"),
        (["mean.py", "--tests", "mean.py"], "no tests"),
        (["notes.md", "--tests", "test_mean.py", "--model", "none"], "requires a Python file"),
        (["mean.py", "--fail-on", "severe"], "--fail-on takes low, medium or high; got 'severe'"),
        (["mean.py", "--length-modifier", "nan"], "--length-modifier: "),
        ([], "PATH"),
    ],
)
def test_rejects_bad_usage(arguments: list[str], message: str):
    Path("notes.md").write_text("Words.\n")
    Path("test_mean.py").write_text("assert mean([1]) == 1\n")
    done = review(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_checkers_accept_five_megabytes():
    Path("big.py").write_text(
        "x = 1\n" + "# a comment of fifty characters, for its size only\n" * 100_000
    )
    done = review("big.py", "--model", "none", "--checker", "syntax")
    assert (done.exit_code, done.stdout) == (0, "big.py  no comments\n")


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("# Heading\n\n````text\n```\ninner\n```\n````\n", "````text\n```\ninner\n```\n````"),
        ("一、二、三。\n四十二。\n", "四十二"),
        ("a\tb 😀\r\nc d\r\n", "b 😀\r\nc"),
        ("a\tb 😀\r\nc d\r\n", "b 😀\nc"),
    ],
)
def test_locates_quotes_with_fences_tabs_and_line_ends(text: str, quote: str):
    Path("x.md").write_bytes(text.encode())
    done = review(
        "x.md",
        "--model",
        scripted(f"`````\n{quote}\n`````\nWrong."),
        "--num-critiques",
        "1",
        "--json",
    )
    [comment] = json.loads(done.stdout)["files"][0]["comments"]
    assert text[comment["start"] : comment["end"]].split() == quote.split()
    assert comment["line"] == text[: comment["start"]].count("\n") + 1


def test_reports_an_unsupported_file_type():
    Path("x.rs").write_text("fn main() {}\n")
    done = review("x.rs", "mean.py", "--model", "none")
    assert (done.exit_code, done.stdout) == (0, "mean.py  no comments\n")
    assert "skipped x.rs: it has a file type that no checker supports" in done.stderr


def test_checks_python_files_that_do_not_look_like_python():
    Path("x.py").write_text("x = 1\ny = x +\n")
    done = review("x.py", "--model", "none", "--fail-on", "high")
    assert done.exit_code == 1
    assert "high syntax: SyntaxError" in done.stdout


@pytest.mark.parametrize(("encoding", "quoted"), [("utf-8", "»sum(xs)"), ("ascii", "\\xbbsum(xs)")])
def test_prints_to_a_pipe_of_any_encoding(encoding: str, quoted: str):
    done = subprocess.run(
        [*COMMAND, "mean.py", "--model", scripted(), "--num-critiques", "1"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0
    assert quoted in done.stdout.decode(encoding)
    assert b"\x1b" not in done.stdout


def test_ctrl_c_keeps_the_finished_reviews(tmp_path: Path):
    """Run the command in a program whose model never replies for the second file."""
    Path("second.py").write_text("hang = 1\n")
    program = tmp_path / "hangs.py"
    program.write_text(
        "import asyncio, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells ignore SIGINT\n"
        "from pathlib import Path\n"
        "from selfcritic.agent import models\n"
        "from selfcritic.agent.models.scripted import ScriptedModel\n"
        "from selfcritic.graphs.cli.app import main\n"
        "from selfcritic.prompts import parse_prompt\n"
        "class Hanging(ScriptedModel):\n"
        "    async def _agenerate(self, messages, *args, **options):\n"
        "        if 'hang' in parse_prompt(messages).data['answer']:\n"
        "            Path('waiting').touch()\n"
        "            await asyncio.sleep(60)\n"
        "        return await super()._agenerate(messages, *args, **options)\n"
        "def script(messages):\n"
        f"    return 0.9 if parse_prompt(messages).name == 'helpfulness' else {EMPTY_LIST_CRITIQUE!r}\n"
        "models.PROVIDERS['hanging'] = models.Provider('hanging', 'hangs', lambda: Hanging(script=script))\n"
        "main()\n"
    )
    command = [sys.executable, str(program), "review", "mean.py", "second.py", "--model", "hanging"]
    with subprocess.Popen(
        [*command, "--num-critiques", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        first_line = process.stdout.readline()
        while not Path("waiting").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        stdout = process.stdout.read()  # `communicate` loses what was read ahead
        stderr = process.stderr.read()
    assert process.returncode == 1
    assert first_line == "mean.py  1 comment: 1 high\n"
    assert "An empty list divides by zero." in stdout
    assert "Interrupted: 1 of 2 reviewed." in stderr
    assert "Traceback" not in stderr
