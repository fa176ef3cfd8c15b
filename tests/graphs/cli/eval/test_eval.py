"""Test `selfcritic eval report`, `compare` and `judge-check`."""

import csv
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE, write_records
from selfcritic.agent.data.manifest import MANIFEST_FILE
from selfcritic.agent.data.records import Comparison, HumanReview, RatingForm
from selfcritic.agent.evals.epochs import mark_epoch
from selfcritic.agent.evals.measures import intervals
from selfcritic.graphs.cli.app import app
from tests.support.eval_records import critique, manifest, plant_run, rating, record, write_run


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a run with four answers and a critique of each."""
    return make_run(tmp_path / "run", [True, True, False, False])


def make_run(folder: Path, helpful: list[bool], critic: str = "model", **values: str) -> Path:
    records = []
    ratings = []
    for number, is_helpful in enumerate(helpful):
        name = f"r{number}"
        records.append(record(name, is_correct=False, critiques=[critique("c1", critic)]))
        ratings.append(rating(name, "c1", is_helpful))
    return write_run(folder, records, ratings, run_manifest=manifest(**values))


def run(*arguments: object) -> Result:
    words = ["eval", *map(str, arguments)]
    return CliRunner().invoke(app, words, env={"COLUMNS": "80"})


def message(result: Result) -> str:
    return " ".join(result.stderr.split())


@pytest.mark.parametrize("command", ["report", "compare", "judge-check", "assistance"])
def test_help_texts_are_short(command: str):
    group = typer.main.get_command(app).commands["eval"]
    texts = {parameter.name: parameter.help for parameter in group.commands[command].params}
    assert all(texts.values())
    assert [name for name, text in texts.items() if len(text) > 60] == []


def test_report_prints_a_table_and_writes_it(folder: Path):
    result = run("report", folder)
    assert result.exit_code == 0
    assert "Critiques, natural answers" in result.stdout
    assert "helpful, of all answers  model   0.500" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "| helpful, of all answers |" in (folder / "table.md").read_text()
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    [helpful] = [row for row in rows if row["measure"] == "helpful, of all answers"]
    assert (float(helpful["value"]), helpful["count"]) == (0.5, "4")
    assert "Wrote table.md and table.csv to" in result.stderr


@pytest.mark.slow
def test_report_of_everything_fits_into_80_columns(tmp_path: Path):
    write_run(tmp_path, *plant_run(tasks=6, pool=4))
    result = run("report", tmp_path)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert (tmp_path / "plots" / "gdc.png").is_file()


def test_report_shows_hostile_names_as_text(tmp_path: Path):
    make_run(tmp_path, [True, False], critic="=1|\x1b[31m[red]")
    result = run("report", tmp_path, "--no-plots")
    assert "\x1b" not in result.stdout
    assert "<U+001B>" in "".join(result.stdout.split())
    assert "[red]" in "".join(result.stdout.split())
    assert ",'=1|" in (tmp_path / "table.csv").read_text()
    assert not (tmp_path / "plots").exists()


def test_report_breaks_long_names_after_separators(tmp_path: Path):
    make_run(tmp_path, [True, False], critic="openai/qwen3-coder-480b-a35b-instruct")
    result = run("report", tmp_path, "--no-plots")
    lines = [line.split("  ")[-1].strip() for line in result.stdout.splitlines()]
    assert "openai/qwen3-coder-" in result.stdout
    assert "480b-a35b-instruct" in lines
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_report_of_epochs_shows_their_spread(tmp_path: Path):
    records = []
    ratings = []
    for epoch, verdicts in ((1, [True, True]), (2, [True, False])):
        for number, is_helpful in enumerate(verdicts):
            item = record(f"r{number}", is_correct=False, critiques=[critique("c1", "model")])
            rated = [rating(item.id, "c1", is_helpful)]
            marked, marked_ratings = mark_epoch([item], rated, epoch)
            records += marked
            ratings += marked_ratings
    write_run(tmp_path, records, ratings)
    result = run("report", tmp_path, "--no-plots")
    assert "Spread over epochs: 2 runs, natural answers" in result.stdout
    [row] = [line for line in result.stdout.splitlines() if line.endswith("0.500")][-1:]
    assert row.split()[-4:] == ["0.354", "0.500", "1.000", "0.500"]
    assert "| 0.354 | 0.500 | 1.000 | 0.500 |" in (tmp_path / "table.md").read_text()
    rows = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    spreads = [row for row in rows if row["section"] == "Spread over epochs"]
    [helpful] = [row for row in spreads if row["measure"] == "helpful, of all answers"]
    assert (helpful["low"], helpful["high"], helpful["count"]) == ("0.5", "1.0", "2")


def test_report_of_a_killed_run_names_the_lost_row(folder: Path):
    path = folder / RATINGS_FILE
    path.write_text(path.read_text()[:-10])
    result = run("report", folder, "--no-plots")
    assert result.exit_code == 0
    assert "the last line is cut off, so 1 row is skipped" in message(result)


def test_report_warns_if_the_judge_is_the_critic(tmp_path: Path):
    records = [record("a", is_correct=False, critiques=[critique(critic="gpt")])]
    write_run(tmp_path, records, [rating("a", is_helpful=True, rater="gpt", rater_type="judge")])
    result = run("report", tmp_path, "--no-plots")
    assert "Warning: The judge 'gpt' is also the critic" in message(result)


@pytest.mark.parametrize(
    ("prepare", "arguments", "error"),
    [
        ("missing", [], "does not exist"),
        ("no records", [], "has no records.jsonl"),
        ("empty", [], "has no records. Each line"),
        ("new schema", [], "schema_version 9, but this version of selfcritic reads 1"),
        ("run", ["--rater", "bob"], "--rater 'bob' rated nothing. The ratings are by 'oracle'."),
    ],
)
def test_report_rejects_bad_input(prepare: str, arguments: list[str], error: str, tmp_path: Path):
    folder = tmp_path / "run"
    if prepare != "missing":
        make_run(folder, [True, False])
    if prepare == "no records":
        (folder / RECORDS_FILE).unlink()
    if prepare == "empty":
        (folder / RECORDS_FILE).write_text("")
    if prepare == "new schema":
        path = folder / RECORDS_FILE
        path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 9', 1))
    result = run("report", folder, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in message(result)
    assert "Traceback" not in result.stderr


def test_names_the_extra_if_a_package_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "selfcritic.agent.evals.plots", raising=False)
    result = run("report", folder)
    assert result.exit_code == 2
    assert "needs matplotlib: pip install 'selfcritic[eval]'" in message(result)


def test_compare_pairs_two_runs_by_item(tmp_path: Path):
    first = make_run(tmp_path / "a", [False] * 8, "old")
    second = make_run(tmp_path / "b", [True] * 7 + [False], "new")
    result = run("compare", first, second)
    assert result.exit_code == 0
    assert "8 records are in both runs." in result.stdout
    assert "old → new" in result.stdout
    [row] = [line for line in result.stdout.splitlines() if "helpful, of all" in line]
    words = row.split()
    assert (words[-7:-5], words[-2:]) == (["0.875", "+0.875"], ["0.016", "8"])
    assert "p is corrected for 1 tests (Holm)." in result.stdout
    assert "1 more measure is equal for every item." in result.stdout
    assert max(map(len, result.stdout.splitlines()[3:])) <= 80  # after the folders' names


def test_compare_refuses_different_data(tmp_path: Path):
    first = make_run(tmp_path / "a", [True, False])
    second = make_run(tmp_path / "b", [True, False, True], data="new.jsonl", data_sha256="b" * 64)
    result = run("compare", first, second)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "different data: 'planted'" in message(result)
    assert "2 records have the same id in both" in message(result)


def test_compare_needs_both_manifests(tmp_path: Path):
    first = make_run(tmp_path / "a", [True, False])
    second = make_run(tmp_path / "b", [True, False])
    (second / MANIFEST_FILE).unlink()
    result = run("compare", first, second)
    assert result.exit_code == 2
    assert "has no manifest.json" in message(result)
    assert "`create_manifest`" in message(result)


def test_compare_of_equal_runs_has_no_more_measures(tmp_path: Path):
    first = make_run(tmp_path / "a", [True, False])
    result = run("compare", first, first)
    assert result.exit_code == 0
    assert "2 measures are equal for every item." in result.stdout


def test_compare_names_measures_that_do_not_exist(tmp_path: Path):
    first = make_run(tmp_path / "a", [True, False])
    result = run("compare", first, first, "--measure", "speed")
    assert result.exit_code == 2
    assert "no measure with 'speed' in its name" in message(result)


def judge_run(folder: Path, right: int, wrong: int, judge: str = "gpt") -> Path:
    """Write labels and a judge's verdicts, of which some are wrong."""
    records = []
    ratings = []
    for number in range(right + wrong):
        name = f"r{number}"
        label = number % 2 == 0
        verdict = label if number < right else not label
        records.append(record(name, critiques=[critique()]))
        ratings.append(rating(name, "c1", label, rater="ann", rater_type="human"))
        ratings.append(rating(name, "c1", verdict, rater=judge, rater_type="judge"))
    return write_run(folder, records, ratings)


def test_judge_check_accepts_a_good_judge(tmp_path: Path):
    folder = judge_run(tmp_path, 38, 2)
    result = run("judge-check", folder / RATINGS_FILE)
    assert result.exit_code == 0
    assert "Judge gpt, against labels by ann" in result.stdout
    assert "kappa: agreement beyond chance      0.900" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_judge_check_refuses_to_gate_below_the_bar(tmp_path: Path):
    folder = judge_run(tmp_path, 24, 16)
    result = run("judge-check", folder)
    assert result.exit_code == 1
    assert "Do not gate with these ratings: gpt, helpful: kappa is 0.20" in message(result)
    assert run("judge-check", folder, "--min-agreement", "-1").exit_code == 0


def test_judge_check_refuses_too_few_labels(tmp_path: Path):
    folder = judge_run(tmp_path, 1, 0)
    result = run("judge-check", folder)
    assert result.exit_code == 1
    assert "kappa is undefined" in message(result)


def test_judge_check_warns_loudly_if_the_judge_is_the_critic(tmp_path: Path):
    folder = judge_run(tmp_path, 20, 0, judge="model")
    result = run("judge-check", folder)
    assert result.exit_code == 0
    assert "WARNING: The judge 'model' is also the critic of 20 of the 20" in message(result)


def test_judge_check_rejects_an_empty_file(tmp_path: Path):
    path = tmp_path / RATINGS_FILE
    path.write_text("")
    result = run("judge-check", path)
    assert result.exit_code == 2
    assert "is empty: no critique was rated" in message(result)


def test_judge_check_rejects_a_file_without_labels(tmp_path: Path):
    folder = write_run(tmp_path, [record()], [rating(rater="gpt", rater_type="judge")])
    result = run("judge-check", folder / RATINGS_FILE)
    assert result.exit_code == 2
    assert "There are no labels to check the judge against" in message(result)


def test_assistance_compares_reviews_with_and_without_the_critic(tmp_path: Path):
    flawed = record("r1", is_correct=False, critiques=[critique("c1", "model")])
    write_run(tmp_path, [flawed], [])
    reviews = [
        HumanReview(record="r1", reviewer=name, critique=None, prefilled=name == "bob")
        for name in ("bob", "eve")
    ]
    write_records(tmp_path / "reviews.jsonl", reviews)
    result = run("assistance", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "alone (1)" in result.stdout
    assert "with the critic (1)" in result.stdout
    assert "comments per review" in result.stdout


def test_assistance_reads_the_comparisons_of_a_later_desk(tmp_path: Path):
    critiques = [
        critique("c1", "model"),
        critique("desk-1", "bob"),
        critique("desk-2", "eve + model"),
    ]
    flawed = record("r1", is_correct=False, critiques=critiques)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        write_run(folder, [flawed], [])
    reviews = [
        HumanReview(record="r1", reviewer="bob", critique="desk-1", prefilled=False),
        HumanReview(record="r1", reviewer="eve", critique="desk-2", prefilled=True),
    ]
    write_records(first / "reviews.jsonl", reviews)
    forms = [RatingForm(overall=score) for score in (3, 2, 6)]
    names = ["c1", "desk-1", "desk-2"]
    compared = Comparison(
        record="r1", critiques=names, rater="kim", rater_type="human", forms=forms
    )
    write_records(second / "comparisons.jsonl", [compared])
    result = run("assistance", first, second)
    assert result.exit_code == 0, result.stderr
    table = [line.split() for line in result.stdout.splitlines()[-3:]]
    assert table == [
        ["human", "+", "critic", "human", "1.00", "1"],
        ["human", "+", "critic", "critic", "1.00", "1"],
        ["human", "critic", "0.00", "1"],
    ]


def test_assistance_needs_reviews(folder: Path):
    result = run("assistance", folder)
    assert result.exit_code == 2
    assert "reviews.jsonl does not exist" in message(result)
