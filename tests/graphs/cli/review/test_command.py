"""`selfcritic review` as a person, a build or an editor calls it."""

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
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.session import checkers_for, default_question, is_code

COMMAND = [str(Path(sys.executable).parent / "selfcritic"), "review"]
SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "sarif-2.1.0-rtm.5.json").read_text())
MEAN = '"""Statistics."""\n\n\ndef mean(xs):\n    return sum(xs) / len(xs)\n'
EMPTY = "```\nsum(xs) / len(xs)\n```\n[high] An empty list divides by zero."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    Path("mean.py").write_text(MEAN)
    return tmp_path


def scripted(critique: str | list[str] = EMPTY, helpfulness: tuple[float, ...] = (0.9,), files: int = 1) -> str:
    """A model that says this, of each file."""
    said = {"critique": ([critique] if isinstance(critique, str) else critique) * files}
    path = Path(tempfile.mkdtemp(dir=".")).resolve() / "script.json"  # models are shared by the names they go by
    path.write_text(json.dumps(said | {"helpfulness": [*helpfulness] * files}))
    return f"scripted:{path}"


def review(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["review", *arguments], env={"COLUMNS": "200"}, **options)


def test_the_file_is_printed_with_the_comments_below_the_lines_they_quote():
    done = review("mean.py", "--model", scripted(), "--num-critiques", "1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "mean.py  1 comment: 1 high\n"
        '  1  │ """Statistics."""\n  2  │\n  3  │\n  4  │ def mean(xs):\n'
        "  5  ┃     return »sum(xs) / len(xs)«\n"
        "     ╰ high critic: An empty list divides by zero.\n"
    )


def test_json_is_one_object_with_a_file_each():
    Path("again.py").write_text(MEAN + "\n")
    done = review("mean.py", "again.py", "--model", scripted(files=2), "--num-critiques", "1", "--json", "--seed", "1")
    output = json.loads(done.stdout)
    assert [file["file"] for file in output["files"]] == ["mean.py", "again.py"]
    [comment] = output["files"][1]["comments"]
    assert (comment["line"], comment["column"], comment["end_column"]) == (5, 12, 29)
    assert set(output["files"][0]) == {
        "file", "question", "comments",
        "critique", "rounds", "ungrounded_rate", "stop_reason", "usage", "capabilities", "error",
    }  # fmt: skip
    assert output["files"][0]["stop_reason"] == "reviewed"
    assert output["files"][0]["ungrounded_rate"] == 0.0


def test_sarif_is_what_its_schema_says():
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
def test_the_exit_code_is_0_whatever_is_found_but_for_fail_on(arguments: list[str], code: int):
    done = review("mean.py", "--model", scripted(), "--num-critiques", "1", *arguments)
    assert (done.exit_code, "An empty list" in done.stdout) == (code, True)


def test_what_is_below_the_least_severity_is_left_out():
    model = scripted("```\nxs\n```\n[low] A poor name.\n\n```\ndef mean(xs):\n```\n[medium] No types.")
    done = review("mean.py", "--model", model, "--num-critiques", "1", "--min-severity", "medium")
    assert "No types." in done.stdout
    assert "A poor name." not in done.stdout


def test_checkers_alone_ask_no_model():
    Path("bad.py").write_text("import os\n\n\ndef f(:\n    pass\n")
    Path("sums.md").write_text("So 12 × 12 = 145, as is known.\n")
    done = review("bad.py", "sums.md", "--model", "none", "--json", "--fail-on", "high")
    bad, sums = json.loads(done.stdout)["files"]
    assert done.exit_code == 1
    assert {comment["source"] for comment in bad["comments"]} >= {"syntax"}
    assert bad["comments"][0]["line"] == 4
    assert [(comment["source"], comment["line"]) for comment in sums["comments"]] == [("arithmetic", 1)]
    assert (bad["usage"]["calls"], sums["usage"]["calls"]) == (0, 0)


def test_a_clean_file_has_no_comments():
    done = review("mean.py", "--model", "none", "--fail-on", "low")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "mean.py  no comments\n", "")


def test_given_tests_are_run_on_the_code():
    Path("test_mean.py").write_text("def test_of_nothing():\n    assert mean([]) == 0\n")
    done = review("mean.py", "--model", "none", "--tests", "test_mean.py", "--fail-on", "high")
    assert done.exit_code == 1
    assert "high tests: " in done.stdout
    assert "ZeroDivisionError" in done.stdout


def test_findings_and_the_critics_comments_are_shown_together():
    Path("bad.py").write_text("def mean(xs):\n    return sum(xs) / len(ys)\n")
    model = scripted("```\nsum(xs)\n```\n[low] Slow.")
    done = review("bad.py", "--model", model, "--num-critiques", "1")
    assert "high lint: " in done.stdout
    assert "low critic: Slow." in done.stdout


def test_the_search_and_the_length_modifier_are_the_graphs():
    one = "```\nxs\n```\n[low] A poor name."
    two = f"{one}\n\n{EMPTY}"
    lengths = {}
    for modifier in ("0", "0.5"):
        model = scripted([one, two], helpfulness=(0.6, 0.5))
        done = review("mean.py", "--model", model, "--num-critiques", "2", "--length-modifier", modifier, "--json")
        lengths[modifier] = len(json.loads(done.stdout)["files"][0]["comments"])
    assert lengths == {"0": 1, "0.5": 2}


def test_fsbs_on_the_simulated_model():
    Path("sum.txt").write_text("128 + 256 = 374")
    question = ["--question", "What is 128 + 256?", "--seed", "3", "--checker", "syntax"]
    done = review(
        "sum.txt", "--model", "simulated?miss_rate=0&false_alarm_rate=0", "--search", "fsbs", "--json", *question
    )
    [file] = json.loads(done.stdout)["files"]
    assert len(file["rounds"][0]["critiques"]) == 28
    assert file["comments"]
    assert "simulated model" in done.stderr


def test_one_budget_over_all_files():
    for name in "abcd":
        Path(f"{name}.py").write_text(MEAN)
    done = review(
        "a.py",
        "b.py",
        "c.py",
        "d.py",
        "--model",
        scripted(files=4),
        "--num-critiques",
        "1",
        "--max-calls",
        "3",
        "--json",
    )
    files = json.loads(done.stdout)["files"]
    assert sum(file["usage"]["calls"] for file in files) == 3
    assert done.exit_code == 0
    assert "budget" in {file["stop_reason"] for file in files}


def test_a_model_that_fails_is_told_and_what_is_known_is_shown():
    Path("bad.py").write_text("def f(:\n    pass\n")
    done = review("bad.py", "--model", "simulated")
    assert done.exit_code == 1
    assert "syntax" in done.stdout
    assert "the review failed" in done.stdout
    assert "error: bad.py: The simulated model knows only" in done.stderr


def test_without_a_model_the_checkers_alone_are_asked():
    Path("bad.py").write_text("import os\n")
    done = review("bad.py")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "bad.py  1 comment: 1 low")
    assert "no model is named" in done.stderr


def test_standard_input_goes_by_a_name():
    done = review("-", "--model", "none", "--stdin-filename", "x.py", input="def f(:\n    pass\n")
    assert done.stdout.startswith("x.py  2 comments: 2 high\n  1  ┃ »def f(:«\n")
    assert "     ╰ high syntax: SyntaxError" in done.stdout


def test_a_diff_from_git_is_reviewed_by_its_changed_lines():
    run = ["git", "-c", "user.name=n", "-c", "user.email=e@x"]
    Path("mean.py").write_text(MEAN + "\n\ndef unused():\n    return undefined\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "before"]):
        subprocess.run([*run, *command], check=True)
    Path("mean.py").write_text(MEAN.replace("len(xs)", "len(ys)") + "\n\ndef unused():\n    return undefined\n")
    diff = subprocess.run([*run, "diff"], capture_output=True, check=True).stdout
    done = review("-", "--model", "none", input=diff.decode())
    assert "  5 +┃     »return sum(xs) / len(ys)«\n     ╰ high lint: " in done.stdout
    assert "On lines that the diff did not change: 1 left out." in done.stdout
    assert "undefined`" not in done.stdout


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (b"", 0, "is empty"),
        (b" \n\t\n", 0, "is empty"),
        (b"\x89PNG\0\0", 2, "is binary"),
        ("café\n".encode("latin-1"), 2, "is not UTF-8: byte 0xe9 in line 1"),
        (b"x = 1\n" * 100_000, 2, "600,000 characters; a model is handed 400,000 at most"),
    ],
)
def test_bad_input_is_told_plainly_before_anything_is_paid(data: bytes, code: int, told: str):
    Path("x.txt").write_bytes(data)
    done = review("x.txt", "--model", scripted([]))
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no-such.py"], "no-such.py"),
        (["."], "Is a directory"),
        (["mean.py", "--json", "--sarif"], "choose one"),
        (["mean.py", "--model", "gtp-5"], "There is no model 'gtp-5'"),
        (["mean.py", "--checker", "spelling"], "there is no checker 'spelling'"),
        (["mean.py", "--tests", "no-such-tests.py"], "no-such-tests.py"),
        (["mean.py", "--tests", "mean.py"], "There are no tests"),
        (["notes.md", "--tests", "test_mean.py", "--model", "none"], "no Python file"),
        (["mean.py", "--fail-on", "severe"], "--fail-on"),
        (["mean.py", "--length-modifier", "nan"], "length_modifier"),
        ([], "FILE"),
    ],
)
def test_bad_usage_is_a_clear_error(arguments: list[str], told: str):
    Path("notes.md").write_text("Words.\n")
    Path("test_mean.py").write_text("assert mean([1]) == 1\n")
    done = review(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_five_megabytes_go_to_checkers_alone():
    Path("big.py").write_text("x = 1\n" * 900_000)
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
def test_fences_languages_tabs_and_line_ends(text: str, quote: str):
    Path("x.md").write_bytes(text.encode())
    done = review("x.md", "--model", scripted(f"`````\n{quote}\n`````\nWrong."), "--num-critiques", "1", "--json")
    [comment] = json.loads(done.stdout)["files"][0]["comments"]
    assert text[comment["start"] : comment["end"]].split() == quote.split()
    assert comment["line"] == text[: comment["start"]].count("\n") + 1


def test_a_file_that_no_checker_looks_at_is_told():
    Path("x.rs").write_text("fn main() {}\n")
    done = review("x.rs", "mean.py", "--model", "none")
    assert (done.exit_code, done.stdout) == (0, "mean.py  no comments\n")
    assert "x.rs: no checker looks at such a file" in done.stderr


def test_a_python_file_that_its_checkers_pass_over_is_told():
    Path("x.py").write_text("x = 1\ny = x +\n")
    Path("y.py").write_text("# to come\n")
    done = review("x.py", "y.py", "mean.py", "--model", "none")
    assert done.exit_code == 0
    told = [line for line in done.stderr.splitlines() if "pass it over" in line]
    assert [line.partition(":")[0] for line in told] == ["x.py"]


@pytest.mark.parametrize(
    ("name", "language", "code", "checkers"),
    [
        ("x.py", "(Python)", True, ["syntax", "lint"]),
        ("x.rs", "(Rust)", True, []),
        ("x.md", "(Markdown)", False, ["arithmetic"]),
        ("notes", "notes", False, ["arithmetic"]),
    ],
)
def test_a_name_says_what_a_file_is(name: str, language: str, code: bool, checkers: list[str]):
    one = Document(name=name, text="x", uri=name)
    assert language in default_question(one)
    assert (is_code(one), checkers_for(one)) == (code, checkers)
    assert "change" in default_question(Document(name=name, text="x", uri=name, diff="+x"))


def test_no_checker_looks_at_a_piece_of_a_file():
    assert checkers_for(Document(name="x.py", text="x", uri="x.py", numbers=[7])) == []


@pytest.mark.parametrize(("encoding", "quoted"), [("utf-8", "»sum(xs)"), ("ascii", "\\xbbsum(xs)")])
def test_a_real_process_in_a_pipe_of_any_encoding(encoding: str, quoted: str):
    done = subprocess.run(
        [*COMMAND, "mean.py", "--model", scripted(), "--num-critiques", "1"], capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert quoted in done.stdout.decode(encoding)
    assert b"\x1b" not in done.stdout


def test_ctrl_c_keeps_the_reviews_that_are_done(tmp_path: Path):
    """A program around the command line whose model never replies about the second file."""
    Path("second.py").write_text("hang = 1\n")
    program = tmp_path / "hangs.py"
    program.write_text(
        "import asyncio, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background lets it be ignored\n"
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
        f"    return 0.9 if parse_prompt(messages).role == 'helpfulness' else {EMPTY!r}\n"
        "models.PROVIDERS['hanging'] = models.Provider('hanging', 'hangs', lambda: Hanging(script=script))\n"
        "main()\n"
    )
    command = [sys.executable, str(program), "review", "mean.py", "second.py", "--model", "hanging"]
    with subprocess.Popen(
        [*command, "--num-critiques", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        first = process.stdout.readline()
        while not Path("waiting").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        stdout, stderr = process.stdout.read(), process.stderr.read()  # `communicate` loses what was read ahead
    assert process.returncode == 1
    assert first == "mean.py  1 comment: 1 high\n"
    assert "An empty list divides by zero." in stdout
    assert "Interrupted: 1 of 2 reviewed." in stderr
    assert "Traceback" not in stderr
