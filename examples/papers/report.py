"""Measure the records of `examples.papers.run`, plot the results and fill the tables of a page.

    python -m examples.papers.report FOLDER [--results FOLDER/results] [--page docs/science.md]

Nothing is sampled. The results of each step are kept in its folder, as intervals take a minute per model: delete
`results.csv` there to measure it again. With `--reuse`, the saved results are plotted and tabulated again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from examples.papers import settings
from examples.papers.abilities import (
    compare_sizes,
    measure_best_of_n,
    measure_critiqueability,
    measure_gaps,
)
from examples.papers.arms import measure_arms, read_arms
from examples.papers.chains import Chain
from examples.papers.cross import compare_critics, measure_cross
from examples.papers.frontier import measure_searches
from examples.papers.models import MODELS, WORD_MODELS, TinyLanguageModel
from examples.papers.plots import draw_plots
from examples.papers.records import read_pools
from examples.papers.results import RESULTS_FILE, Result, ResultTable, read_results, write_results
from examples.papers.tables import fill_page, render_tables
from selfcritic.agent.errors import InputError

Measure = Callable[[TinyLanguageModel, Path], list[Result]]
TABLES_FILE = "tables.txt"
_CRITIC_PAIRS = (("small", "medium-0"), ("medium-0", "large"), ("small", "large"))


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the records.")],
    results: Annotated[Path | None, typer.Option(help="Folder for tables and plots.")] = None,
    page: Annotated[Path | None, typer.Option(help="Page whose tables are replaced.")] = None,
    reuse: Annotated[bool, typer.Option(help="Use the saved results.")] = False,
) -> None:
    """Write results.csv, tables.txt and the plots."""
    target = results or folder / "results"
    target.mkdir(parents=True, exist_ok=True)
    path = target / RESULTS_FILE
    if not reuse:
        measured = measure_folder(folder)
        if not measured:
            raise InputError(f"{folder} has no records. Run `examples.papers.run` first.")
        write_results(path, measured)
    table = ResultTable(read_results(path))
    draw_plots(table, target)
    tables = render_tables(table)
    text = "\n\n".join(f"## {name}\n\n{body}" for name, body in tables.items())
    (target / TABLES_FILE).write_text(text + "\n", encoding="utf-8")
    if page is not None:
        page.write_text(fill_page(page.read_text("utf-8"), tables), encoding="utf-8")


def measure_folder(folder: Path) -> list[Result]:
    """Return the results of all steps that have records."""
    measured: list[Result] = []
    for step, measure in _MEASURES.items():
        for model in MODELS.values():
            records = folder / step / model.name
            if records.exists():
                measured += _measure_once(folder, step, model, measure)
    measured += _compare_models(folder)
    return measured


def _measure_once(
    folder: Path, step: str, model: TinyLanguageModel, measure: Measure
) -> list[Result]:
    """Return the results of a step, from a file in its folder if it was measured before."""
    path = folder / step / model.name / RESULTS_FILE
    if not path.exists():
        results = measure(model, path.parent)
        partial = path.with_suffix(".partial")
        write_results(partial, results)
        partial.replace(path)
        typer.echo(f"measured {step} {model.name}", err=True)
    return read_results(path)


def _measure_pools(model: TinyLanguageModel, records: Path) -> list[Result]:
    pools = read_pools(records)
    results = measure_critiqueability(model, pools)
    results += measure_best_of_n(model, pools)
    return results + measure_gaps(model, pools)


_MEASURES: dict[str, Measure] = {
    "pools": _measure_pools,
    "refine": measure_arms,
    "cross": measure_cross,
    "search": measure_searches,
}


def _compare_models(folder: Path) -> list[Result]:
    """Compare models on the same tasks, and critics on the same answers."""
    results: list[Result] = []
    pool_folders = [folder / "pools" / model.name for model in WORD_MODELS]
    if all(path.exists() for path in pool_folders):
        results += compare_sizes({path.name: read_pools(path) for path in pool_folders})
    cross_folders = [folder / "cross" / model.name for model in WORD_MODELS]
    if all(path.exists() for path in cross_folders):
        pools = {path.name: read_pools(path) for path in cross_folders}
        for first, second in _CRITIC_PAIRS:
            if first in pools and second in pools:
                results += compare_critics(first, second, pools)
    return results + _measure_settings(folder)


def _measure_settings(folder: Path) -> list[Result]:
    """Measure the loop's settings, as far as they were run."""
    results: list[Result] = []
    dev = _read_chains(folder / "settings-dev")
    if dev:
        results += settings.measure_settings(dev, "settings_dev", settings.dev_settings())
    test = settings.select_test_chains(_read_chains(folder / "refine"))
    if dev and test.keys() == dev.keys():
        final = settings.final_settings(settings.choose_settings(dev))
        results += settings.measure_settings(test, "settings_test", final)
    return results


def _read_chains(folder: Path) -> dict[str, dict[str, list[Chain]]]:
    """Return the recorded chains of each model."""
    chains = {}
    for model in WORD_MODELS:
        if (folder / model.name).exists():
            chains[model.name] = read_arms(folder / model.name)
    return chains


if __name__ == "__main__":
    typer.run(main)
