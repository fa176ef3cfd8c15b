"""Measure the samples of all seeds in a folder, draw plots and fill the tables of a page.

    python -m examples.critic_training.report OUT [--results FOLDER] [--page docs/results/critic_training.md]

Nothing is sampled. Steps that have not run yet are left out. With `--reuse`, the saved results are tabulated again.
"""

from pathlib import Path
from typing import Annotated

import typer

from examples.critic_training.measures import measure_critics, measure_elo, measure_searches
from examples.critic_training.plots import draw_plots
from examples.critic_training.rewards import measure_rewards
from examples.critic_training.setup import Run
from examples.critic_training.tables import render_tables
from examples.papers.results import RESULTS_FILE, Result, read_results, write_results
from examples.papers.tables import fill_page
from selfcritic.agent.errors import InputError


def main(
    out: Annotated[Path, typer.Argument(help="Folder of `examples.critic_training.run`.")],
    scale: Annotated[str, typer.Option(help="Size of the run.")] = "full",
    results: Annotated[Path | None, typer.Option(help="Folder for values and plots.")] = None,
    page: Annotated[Path | None, typer.Option(help="Page whose tables are replaced.")] = None,
    reuse: Annotated[bool, typer.Option(help="Use the saved results.")] = False,
) -> None:
    """Write results.csv and plots, and print the tables or replace those of a page."""
    target = results or out / "results"
    target.mkdir(parents=True, exist_ok=True)
    path = target / RESULTS_FILE
    folders = sorted(out.glob("seed-*"))
    if not reuse:
        if not folders:
            raise InputError(
                f"'{out}' has no seed: run `python -m examples.critic_training.run {out}`."
            )
        measured: list[Result] = []
        for folder in folders:
            measured += measure_seed(folder, scale)
        write_results(path, measured)
    measured = read_results(path)
    draw_plots(measured, folders, target)
    tables = render_tables(measured)
    if page is None:
        for name, table in tables.items():
            typer.echo(f"## {name}\n\n{table}\n")
    else:
        page.write_text(fill_page(page.read_text("utf-8"), tables), encoding="utf-8")


def measure_seed(folder: Path, scale: str) -> list[Result]:
    """Return the results of a seed's finished steps."""
    run = Run.open(folder, int(folder.name.removeprefix("seed-")), scale)
    results = measure_rewards(run)
    results += measure_critics(run)
    results += measure_searches(run)
    return results + measure_elo(run)


if __name__ == "__main__":
    typer.run(main)
