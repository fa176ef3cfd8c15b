"""`selfcritic data`: comparisons, preference pairs, exports and imports."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from selfcritic.agent.data.files import read_comparisons, write_records
from selfcritic.agent.data.records import AnswerRecord, Comparison, Rating, RatingForm
from selfcritic.graphs.cli.app import app
from tests.support.desk_records import create_record

CRITIQUES = ("c1", "c2", "c3", "c4")


def rate(record: str, critique: str, overall: int, rater: str = "bob") -> Rating:
    form = RatingForm(bug_inclusion={"b1": 5}, overall=overall)
    return Rating(record=record, critique=critique, rater=rater, rater_type="human", form=form)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of records and of the ratings of two people."""
    monkeypatch.chdir(tmp_path)
    records = [
        create_record("r1").model_copy(update={"split": "train"}),
        create_record("r2").model_copy(update={"split": "test"}),
    ]
    ratings = []
    for number, critique in enumerate(CRITIQUES):
        ratings.append(rate("r1", critique, 2 + number))
        ratings.append(rate("r2", critique, 6 - number))
    ratings += [rate("r1", "c1", 3, "eve"), rate("r1", "c2", 3, "eve")]
    path = tmp_path / "run"
    path.mkdir()
    write_records(path / "records.jsonl", records)
    write_records(path / "ratings.jsonl", ratings)
    return path


def run(*arguments: object, code: int = 0) -> Result:
    words = ["data", *map(str, arguments)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result


def message(result: Result) -> str:
    return " ".join(result.stderr.split())


def read_lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.parametrize("command", ["compare", "pairs", "export", "import"])
def test_help_texts_are_short(command: str):
    group = typer.main.get_command(app).commands["data"]
    texts = {parameter.name: parameter.help for parameter in group.commands[command].params}
    assert all(texts.values())
    assert [name for name, text in texts.items() if len(text) > 60] == []


def test_compares_what_each_rater_rated(folder: Path):
    result = run("compare", folder)
    assert result.stdout == f"{folder}/comparisons.jsonl\n"
    assert "3 comparisons" in result.stderr
    comparisons = read_comparisons(folder / "comparisons.jsonl")
    by_rater = {(each.rater, each.record): each for each in comparisons}
    scores = dict(zip(by_rater["bob", "r1"].critiques, by_rater["bob", "r1"].forms, strict=True))
    assert {name: form.overall for name, form in scores.items()} == {
        "c1": 2,
        "c2": 3,
        "c3": 4,
        "c4": 5,
    }
    assert sorted(by_rater["eve", "r1"].critiques) == ["c1", "c2"]


def test_pairs_have_no_ties_and_report_their_lengths(folder: Path):
    run("compare", folder)
    result = run("pairs", folder, "--out", "pairs.jsonl")
    assert "12 pairs of 2 tasks." in result.stderr
    assert "The chosen critique is longer in" in message(result)
    rows = read_lines("pairs.jsonl")
    assert {row["margin"] for row in rows} == {1.0, 2.0, 3.0}
    assert len(read_lines("pairs.jsonl")) == 12


def test_pairs_of_one_split_and_rater(folder: Path):
    run("compare", folder)
    run("pairs", folder, "--split", "train", "--rater", "bob", "--out", "pairs.jsonl")
    assert {row["record"] for row in read_lines("pairs.jsonl")} == {"r1"}
    run("pairs", folder, "--min-margin", "3", "--out", "wide.jsonl")
    assert [row["margin"] for row in read_lines("wide.jsonl")] == [3.0, 3.0]


def test_balances_lengths(folder: Path):
    run("compare", folder)
    result = run("pairs", folder, "--balance", "--seed", "3", "--out", "pairs.jsonl")
    assert "The chosen critique is longer in 50%." in message(result)
    assert " dropped)" in result.stderr


@pytest.mark.parametrize(
    ("name", "rows"),
    [("prompt-only", 2), ("unpaired", 10), ("argilla", 3), ("label-studio", 3)],
)
def test_exports_each_format(folder: Path, name: str, rows: int):
    run("compare", folder)
    result = run("export", folder, name, "--out", "rows.json")
    assert f"{rows} rows" in result.stderr
    assert len(json.loads(Path("rows.json").read_text())) == rows
    assert Path("rows.xml").exists() == (name == "label-studio")


def test_exports_scores_of_one_rater(folder: Path):
    result = run("export", folder, "inspect", "--out", "scores.jsonl", code=2)
    assert "--rater is required: the ratings are by bob, eve." in message(result)
    run("export", folder, "inspect", "--rater", "eve", "--out", "scores.jsonl")
    assert [row["id"] for row in read_lines("scores.jsonl")] == ["r1/c1", "r1/c2"]


@pytest.mark.parametrize("name", ["label-studio", "argilla"])
def test_people_fill_in_blank_comparisons(folder: Path, name: str):
    run("compare", folder, "--blank", "ann")
    blank = read_comparisons(folder / "comparisons.jsonl")
    assert [each.forms for each in blank] == [[], []]
    assert "c1" not in blank[0].critiques  # by ann herself
    run("export", folder, name, "--out", "tasks.json")
    tasks = json.loads(Path("tasks.json").read_text())
    for task in tasks:
        if name == "argilla":
            task["responses"] = {"overall_a": [{"user_id": "7", "value": 6}]}
        else:
            score = {"from_name": "overall_a", "value": {"rating": 6}}
            task["annotations"] = [{"completed_by": 7, "result": [score]}]
    Path("answers.json").write_text(json.dumps(tasks))
    result = run("import", folder, name, "answers.json", "--out", "filled.jsonl")
    assert "2 comparisons" in result.stderr
    filled = read_comparisons(Path("filled.jsonl"))
    assert [(each.rater, each.forms[0].overall) for each in filled] == [("7", 6), ("7", 6)]


def test_reads_a_file_of_records(folder: Path):
    run("export", folder / "records.jsonl", "prompt-only", "--out", "prompts.jsonl")
    assert [row["record"] for row in read_lines("prompts.jsonl")] == ["r1", "r2"]


def test_keeps_existing_files(folder: Path):
    run("compare", folder)
    before = (folder / "comparisons.jsonl").read_bytes()
    result = run("compare", folder, "--blank", "ann", code=2)
    assert "comparisons.jsonl exists. Pass another --out, or --force" in message(result)
    assert (folder / "comparisons.jsonl").read_bytes() == before
    run("compare", folder, "--blank", "ann", "--force")
    assert (folder / "comparisons.jsonl").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pairs", "run", "--out", "x"], "Run `selfcritic data compare run` first"),
        (["pairs", "absent", "--out", "x"], "absent does not exist"),
        (["export", "run", "unpaired", "--rater", "kim", "--out", "x"], "It has bob, eve."),
        (["export", "run", "prompt-only", "--split", "dev", "--out", "x"], "--split dev: run/"),
        (
            ["export", "run", "unpaired", "--ratings", "run/records.jsonl", "--out", "x"],
            "invalid records",
        ),
        (["export", "run", "prompt-only", "--out", "none/x.jsonl"], "folder 'none' does not exist"),
        (
            ["compare", "run", "--ratings", "none.jsonl"],
            "none.jsonl does not exist. Pass --ratings",
        ),
    ],
)
def test_explains_bad_input(folder: Path, arguments: list[str], expected: str):
    assert folder.is_dir()
    result = run(*arguments, code=2)
    assert expected in message(result)
    assert not Path("x").exists()


def test_explains_what_gives_no_comparison_and_no_pair(folder: Path):
    write_records(folder / "ratings.jsonl", [rate("r1", "c1", 5)])
    assert "No rater rated two critiques" in message(run("compare", folder, code=2))
    record = AnswerRecord(id="r1", task="t", question="q", answer="a")
    write_records(folder / "records.jsonl", [record])
    result = run("compare", folder, "--blank", "ann", code=2)
    assert "No answer has two critiques" in message(result)
    unknown = Comparison(record="r9", critiques=["a", "b"], rater="bob", rater_type="human")
    write_records(folder / "comparisons.jsonl", [unknown])
    result = run("pairs", folder, "--out", "pairs.jsonl", code=2)
    assert "There is no record 'r9'" in message(result)


def test_reports_that_balancing_leaves_nothing(folder: Path):
    write_records(folder / "ratings.jsonl", [rate("r1", "c1", 2), rate("r1", "c2", 6)])
    run("compare", folder)
    result = run("pairs", folder, "--balance", "--out", "pairs.jsonl", code=2)
    assert "--balance leaves no pair" in message(result)


def test_a_task_without_answers_is_no_import(folder: Path):
    run("compare", folder, "--blank", "ann")
    run("export", folder, "argilla", "--out", "tasks.json")
    result = run("import", folder, "argilla", "tasks.json", "--out", "filled.jsonl", code=2)
    assert "tasks.json has no answers" in message(result)
