"""`selfcritic batch`: columns, options, exit codes and messages."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from selfcritic.graphs.batch import ledger as ledger_module
from selfcritic.graphs.batch.ledger import Ledger
from selfcritic.graphs.cli.app import app
from tests.support.fake_provider import FakeProvider

QUESTION = "What is 128 + 256?"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_batch(rows: str | bytes, *options: str, name: str = "in.jsonl") -> Result:
    data = rows.encode() if isinstance(rows, str) else rows
    Path(name).write_bytes(data)
    command = ["batch", name, "out.jsonl", "--model", "simulated?seed=1", *options]
    return CliRunner().invoke(app, command)


def results(path: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def errors() -> list[str]:
    return [record["error"] for record in results("out.errors.jsonl")]


def test_reads_other_columns_and_copies_the_rest():
    rows = [{"prompt": QUESTION, "passage": "A.", "gold": 384, "context": "other", "tags": ["a"]}]
    options = ["--question-column", "prompt", "--context-column", "passage"]
    result = run_batch(json.dumps(rows[0]), *options)
    assert result.exit_code == 0, result.output
    [row] = results()
    assert (row["gold"], row["tags"], row["context"]) == (384, ["a"], "other")
    assert "prompt" not in row


def test_copies_columns_in_input_order_and_after_a_resume():
    rows = "".join(json.dumps({"question": QUESTION, "id": i, "gold": i}) + "\n" for i in range(3))
    assert run_batch(rows, "--ordered").exit_code == 0
    assert [row["gold"] for row in results()] == [0, 1, 2]
    changed = rows.replace('"gold": 1', '"gold": "one"')
    assert run_batch(changed, "--ordered").exit_code == 0
    assert [row["gold"] for row in results()] == [0, "one", 2]


def test_reports_an_unused_answer_once():
    rows = json.dumps({"question": QUESTION, "answer": "6"}) + "\n"
    result = run_batch(rows + rows.replace("128", "129"))
    assert result.exit_code == 0
    assert result.stderr.count("the column 'answer' is not used") == 1
    assert [row["input_answer"] for row in results()] == ["6", "6"]
    assert results()[0]["answer"] != "6"


@pytest.mark.parametrize(
    ("rows", "name", "columns"),
    [
        ("Question,id\nWhy?,1\n", "in.csv", "`Question`, `id`"),
        ('{"prompt": "What is 2 + 3?", "chosen": "5", "rejected": "6"}', "in.jsonl", "`chosen`"),
        ('{"conversations": [{"from": "human", "value": "2?"}]}', "in.jsonl", "`conversations`"),
    ],
)
def test_fails_if_no_row_has_a_question(rows: str, name: str, columns: str):
    result = run_batch(rows, "--quiet", name=name)
    assert result.exit_code == 2
    assert "No row can be used. The first error is: " in result.stderr
    assert columns in result.stderr
    assert "--question-column" in result.stderr
    assert not Path("out.jsonl").exists()


def test_fails_if_the_question_is_not_a_text():
    result = run_batch('{"question": {"problem": "What is 2 + 3?"}}')
    assert result.exit_code == 2
    assert "`question` must be a string, not dict" in result.stderr


def test_fails_for_a_file_without_rows():
    result = run_batch("\n")
    assert result.exit_code == 2
    assert "'in.jsonl' has no rows." in result.stderr


def test_fails_if_the_budget_covers_no_row():
    result = run_batch(json.dumps({"question": QUESTION}), "--max-tokens", "1")
    assert result.exit_code == 1
    assert "The budget does not cover a single row." in result.stderr


def test_one_usable_row_is_enough():
    result = run_batch(json.dumps({"question": QUESTION}) + '\n{"q": 1}\n')
    assert result.exit_code == 0
    assert "1 row failed; see out.errors.jsonl" in result.stderr


@pytest.mark.parametrize(
    ("header", "row"), [("id;question", f"1;{QUESTION}"), ("id\tquestion", f"1\t{QUESTION}")]
)
def test_reads_other_separators(header: str, row: str):
    assert run_batch(f"{header}\n{row}\n", name="in.csv").exit_code == 0
    assert results()[0]["id"] == "1"


def test_a_long_cell_does_not_end_the_batch():
    long_question = "What is 1 + 1? " * 9_400
    rows = f'id,question\na,"{long_question}"\nb,{QUESTION}\n'
    result = run_batch(rows, name="in.csv")
    assert result.exit_code == 0, result.output
    finished = [row["id"] for row in results()]
    assert "b" in finished
    assert len(finished) + result.stderr.count("row failed") == 2


def test_a_csv_file_in_another_encoding_is_an_error():
    result = run_batch("question\nCafé?\n".encode("latin-1"), name="in.csv")
    assert result.exit_code == 2
    assert "'in.csv' is not UTF-8: byte 0xe9" in result.stderr


def test_a_missing_file_is_an_error():
    result = CliRunner().invoke(app, ["batch", "nope.jsonl", "out.jsonl", "--model", "simulated"])
    assert result.exit_code == 2
    assert result.stderr == "error: 'nope.jsonl' does not exist. Check the path.\n"


def test_an_unpaired_surrogate_is_copied():
    result = run_batch('{"question": "' + QUESTION + '", "note": "\\ud800"}')
    assert result.exit_code == 0, result.output
    assert results()[0]["note"] == "\ud800"


def test_takes_the_options_of_run(folder: Path):
    (folder / "de").mkdir()
    options = ["--search", "fsbs", "--num-critiques", "2", "--accept-threshold", "0"]
    options += ["--helpful-threshold", "0.2", "--critiques-per-refinement", "2"]
    options += ["--prompts", "plain", "--prompt-dir", "de"]
    result = run_batch(json.dumps({"question": QUESTION}), *options)
    assert result.exit_code == 0, result.output
    assert results()[0]["stop_reason"] != "accepted"
    direct = run_batch(
        json.dumps({"question": QUESTION}), "--direct", "--accept-threshold", "0", "--restart"
    )
    assert direct.exit_code == 0, direct.output
    assert all(not draft["critiques"] for draft in results()[0]["rounds"])


@pytest.mark.slow
@pytest.mark.usefixtures("close_clients")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_ctrl_c_names_the_way_to_resume():
    rows = "".join(json.dumps({"question": f"Question {i}"}) + "\n" for i in range(200))
    Path("in.jsonl").write_text(rows)
    with FakeProvider("It is so.", latency=0.05) as provider:
        model = ["--model", "openai/toy", "--api-base", provider.url, "--max-rounds", "0"]
        program = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from selfcritic.graphs.cli.app import main\nmain()"
        )
        command = [sys.executable, "-c", program, "batch", "in.jsonl", "out.jsonl", *model]
        environment = {**os.environ, "OPENAI_API_KEY": "none"}
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            while provider.calls() < 40 and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "of 200 rows are finished. Rerun the command to resume." in stderr
    assert "Traceback" not in stderr


GOOD = "".join(json.dumps({"id": f"good{i}", "question": QUESTION}) + "\n" for i in range(3))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("[" * 100_000, "is not valid JSON"),
        ('{"id": "b", "question": "?", "x": ' + "[" * 500 + "]" * 500 + "}", "nested deeper"),
        ('{"id": "\\ud800", "question": "?"}', "not valid Unicode"),
        ('{"id": "b", "question": "\\ud800"}', "not valid Unicode"),
        (json.dumps({"id": "good0", "question": "again?"}), "is already in this input"),
        ('{"id": "b", "question": ', "is not valid JSON"),
    ],
)
def test_a_bad_row_is_set_aside(bad: str, reason: str):
    result = run_batch(GOOD + bad + "\n")
    assert result.exit_code == 0, result.output
    assert sorted(row["id"] for row in results()) == ["good0", "good1", "good2"]
    [error] = errors()
    assert reason in error


def test_the_errors_of_an_earlier_call_do_not_remain():
    run_batch(GOOD + "{}\n")
    assert len(errors()) == 1
    assert run_batch(GOOD).exit_code == 0
    assert not Path("out.errors.jsonl").exists()


@pytest.mark.parametrize(
    "options", [[], ["--ledger", "in.jsonl"], ["--ledger", "out.errors.jsonl"]]
)
def test_files_must_differ(options: list[str]):
    Path("in.jsonl").write_text(GOOD)
    out = "other.jsonl" if "in.jsonl" in options else "out.jsonl" if options else "in.jsonl"
    result = CliRunner().invoke(app, ["batch", "in.jsonl", out, "--model", "simulated", *options])
    assert result.exit_code == 2
    assert "are the same file" in result.stderr
    assert Path("in.jsonl").read_text() == GOOD


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_creates_files_for_their_owner_only(umask: int):
    before = os.umask(umask)
    try:
        Path("in.jsonl").write_text(GOOD + "{}\n")
        Path("in.jsonl").chmod(0o600)
        command = ["batch", "in.jsonl", "out.jsonl", "--model", "simulated"]
        result = CliRunner().invoke(app, command)
    finally:
        os.umask(before)
    assert result.exit_code == 0, result.output
    for name in ("out.jsonl", "out.errors.jsonl", "out.jsonl.ledger"):
        assert Path(name).stat().st_mode & 0o777 == 0o600, name


def test_keeps_the_permissions_of_existing_files():
    Path("out.jsonl").touch(0o644)
    assert run_batch(GOOD).exit_code == 0
    assert Path("out.jsonl").stat().st_mode & 0o777 == 0o644


def test_names_a_broken_ledger():
    assert run_batch(GOOD).exit_code == 0
    ledger = Path("out.jsonl.ledger")
    whole = ledger.read_bytes()
    printed = Path("out.jsonl").read_text()
    breakages = {
        "junk": b"This is a long text and no database. " * 50,
        "truncated": whole[: len(whole) // 2 + 100],
        "flipped": whole[:100] + bytes(byte ^ 0x5A for byte in whole[100:]),
        "flipped later": whole[:5000] + bytes(byte ^ 0x5A for byte in whole[5000:]),
    }
    for name, data in breakages.items():
        ledger.write_bytes(data)
        result = run_batch(GOOD)
        assert result.exit_code in (1, 2), name
        assert isinstance(result.exception, SystemExit), (name, result.exception)
        assert "out.jsonl.ledger' (--ledger) is damaged" in result.stderr, (name, result.stderr)
        assert Path("out.jsonl").read_text() == printed
    ledger.write_bytes(whole)
    assert run_batch(GOOD).exit_code == 0


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP TABLE done; CREATE TABLE done (a)", "of another program"),
        ("CREATE TABLE bookmarks (a)", "of another program"),
        ("UPDATE done SET result = '[]'", "damaged or from another program"),
        ("UPDATE done SET result = x'ff00'", "damaged or from another program"),
        ("UPDATE facts SET value = '{' WHERE name = 'usage'", "damaged or from another program"),
    ],
)
def test_names_a_foreign_ledger(statement: str, message: str):
    assert run_batch(GOOD).exit_code == 0
    with closing(sqlite3.connect("out.jsonl.ledger")) as db:
        db.executescript(statement)
    result = run_batch(GOOD)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in result.stderr
    assert "out.jsonl.ledger'" in result.stderr


def test_a_ledger_without_spending_takes_new_options():
    with closing(Ledger("out.jsonl.ledger", {"other": 1})):
        pass
    assert run_batch(GOOD, "--num-critiques", "2").exit_code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_keeps_the_finished_rows_in_the_ledger():
    Path("out.jsonl").symlink_to("/dev/full")
    result = run_batch(GOOD)
    assert result.exit_code == 1
    assert "'out.jsonl' cannot be written: No space left on device" in result.stderr
    Path("out.jsonl").unlink()
    resumed = run_batch(GOOD)
    assert resumed.exit_code == 0
    assert len(results()) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--ordered"]])
def test_prints_rows_that_neither_the_ledger_nor_out_has(
    options: list[str], monkeypatch: pytest.MonkeyPatch
):
    Path("out.jsonl").symlink_to("/dev/full")
    monkeypatch.setattr(ledger_module, "_FINISH", "INSERT INTO missing VALUES (?, ?, ?)")
    result = run_batch(GOOD, "--concurrency", "2", *options)
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert 0 < len(rows) <= 2
    assert all(row["answer"] for row in rows)
    [unwritten, failure] = result.stderr.split("error: ")[1:]
    assert unwritten.startswith("Neither the ledger nor 'out.jsonl' can be written")
    assert failure.startswith("The ledger 'out.jsonl.ledger' (--ledger) cannot be used")


def test_rows_that_only_the_ledger_lacks_are_in_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ledger_module, "_FINISH", "INSERT INTO missing VALUES (?, ?, ?)")
    result = run_batch(GOOD, "--concurrency", "2")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert 0 < len(results()) <= 2
    assert result.stderr.splitlines()[-1].startswith("error: The ledger 'out.jsonl.ledger'")
