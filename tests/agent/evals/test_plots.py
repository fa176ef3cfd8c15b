"""Test that plots are drawn for all measurements, and again the same."""

from pathlib import Path

import pytest

from selfcritic.agent.evals.panels import shorten
from selfcritic.agent.evals.plots import draw_plots
from selfcritic.agent.evals.sections import frontier
from selfcritic.agent.evals.summary import Summary, summarize
from tests.support.eval_records import critique, plant_run, rating, record

ALL_PLOTS = {
    "best_of_n_answers",
    "best_of_n_critiques",
    "cross_model",
    "frontier",
    "gdc",
    "refinement",
    "reliability",
    "sizes",
}


@pytest.mark.slow
@pytest.mark.usefixtures("few_resamples")
def test_draws_every_plot_as_svg_and_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frontier, "RESAMPLES", 100)
    summary = summarize(*plant_run(tasks=6, pool=4))
    written = draw_plots(summary, tmp_path / "plots")
    assert {path.stem for path in written} == ALL_PLOTS
    for name in ALL_PLOTS:
        assert (tmp_path / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / "plots" / f"{name}.svg").read_text()


@pytest.mark.usefixtures("few_resamples")
def test_names_are_drawn_as_text_and_files_are_reproducible(tmp_path: Path):
    name = r"$\frac{a" + "\x1b[31m漢"
    pool = [critique(key, name, reward=0.5) for key in ("c1", "c2")]
    records = [record(key, is_correct=False, critiques=pool) for key in "ab"]
    ratings = [rating(key, "c1", True) for key in "ab"] + [rating(key, "c2", False) for key in "ab"]
    summary = summarize(records, ratings)
    first = draw_plots(summary, tmp_path / "one")
    second = draw_plots(summary, tmp_path / "two")
    assert [path.name for path in first if path.suffix == ".svg"] == [
        "best_of_n_critiques.svg",
        "reliability.svg",
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_draws_nothing_without_measurements(tmp_path: Path):
    assert draw_plots(Summary([], [], [], [], []), tmp_path) == []


def test_a_long_name_keeps_both_ends():
    name = "openai/qwen3-coder-480b-a35b-instruct"
    shown = [shorten(f"{name}/{search}") for search in ("fsbs", "best_of_28")]
    assert shown == [
        "openai/qwen3-coder-…-a35b-instruct/fsbs",
        "openai/qwen3-coder-…instruct/best_of_28",
    ]
    assert shorten("short") == "short"
