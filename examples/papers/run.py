"""Repeat the papers' experiments on the tiny models.

    python -m examples.papers.run FOLDER [--count 500] [--dev-count 120]     (make papers, make papers-full)

Each step writes its records to FOLDER/STEP/MODEL, and is skipped if they are there: rerun the command to resume. To use
several cores, run some models or steps at the same time with `--model` and `--step`, then the rest without them.
`python -m examples.papers.report` measures the records without any call of a model.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from examples.papers import cross, search, settings
from examples.papers.arms import make_chains
from examples.papers.models import MODELS, SEEDS, WORD_MODELS, TinyLanguageModel, draw_tasks
from examples.papers.pools import make_pools
from selfcritic.agent.data.manifest import create_manifest, read_manifest, write_manifest
from selfcritic.agent.errors import InputError

ADDITION_FACTOR = 2
"""Addition has this many times as many tasks, as few of its answers are wrong."""
STEPS = ("pools", "refine", "settings-dev", "search", "cross")
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Counts:
    """How many tasks a run has."""

    count: int
    dev_count: int
    share: float
    """Of the tasks, for the steps after the pools."""


def main(
    folder: Annotated[Path, typer.Argument(help="Folder for the records.")],
    count: Annotated[int, typer.Option(min=10, help="Test tasks.")] = 500,
    dev_count: Annotated[int, typer.Option(min=10, help="Development tasks.")] = 120,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of tasks for the steps after the pools.")
    ] = 1.0,
    model: Annotated[list[str] | None, typer.Option(help="Only these models.")] = None,
    step: Annotated[list[str] | None, typer.Option(help="Only these steps.")] = None,
) -> None:
    """Run all experiments, the most important ones first."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = Counts(count, dev_count, share)
    check_manifest(folder, counts)
    chosen = select_models(model or list(MODELS))
    steps = select_steps(step or list(STEPS))
    words = [item for item in chosen if item in WORD_MODELS]
    others = [item for item in chosen if item not in WORD_MODELS]
    for name, make in _own_steps(folder, counts).items():
        if name in steps:
            for item in words:
                run_step(folder, name, item, make)
    if "cross" in steps and all(_pools_of(folder, item).exists() for item in WORD_MODELS):
        run_cross(folder, words, share)
    for name in ("pools", "refine"):
        if name in steps:
            for item in others:
                run_step(folder, name, item, _own_steps(folder, counts)[name])


Make = Callable[[TinyLanguageModel, Path], object]


def _own_steps(folder: Path, counts: Counts) -> dict[str, Make]:
    """Return the steps that need one model only, in order."""
    share = counts.share

    def pools(model: TinyLanguageModel, out: Path) -> None:
        _pools(model, counts, out)

    def refine(model: TinyLanguageModel, out: Path) -> None:
        make_chains(model, _pools_of(folder, model), out, share)

    def settings_dev(model: TinyLanguageModel, out: Path) -> None:
        settings.make_dev_chains(model, _pools_of(folder, model), out, share)

    def search_critiques(model: TinyLanguageModel, out: Path) -> None:
        search.make_searches(model, _pools_of(folder, model), out, share)

    return {
        "pools": pools,
        "refine": refine,
        "settings-dev": settings_dev,
        "search": search_critiques,
    }


def select_steps(names: Sequence[str]) -> list[str]:
    """Return the names of steps; raises InputError if there is no such step."""
    for name in names:
        if name not in STEPS:
            raise InputError(f"There is no step {name!r} (--step): choose from {', '.join(STEPS)}.")
    return list(names)


def select_models(names: Sequence[str]) -> list[TinyLanguageModel]:
    """Return models by name.

    Raises:
        InputError: There is no such model.
    """
    models = []
    for name in names:
        if name not in MODELS:
            raise InputError(
                f"There is no model {name!r} (--model): choose from {', '.join(MODELS)}."
            )
        models.append(MODELS[name])
    return models


def check_manifest(folder: Path, counts: Counts) -> None:
    """Write the manifest of a new run, or check that an old one has the same tasks.

    Raises:
        InputError: The folder has the records of another run.
    """
    options = {**asdict(counts), "seeds": dict(SEEDS)}
    if (folder / "manifest.json").exists():
        saved = read_manifest(folder).options
        if saved != options:
            raise InputError(
                f"{folder} has a run with {saved}, not {options}. Pass another folder, or the same options."
            )
        return
    command = ["python", "-m", "examples.papers.run", "FOLDER"]
    for name, value in asdict(counts).items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    manifest = create_manifest(
        command=command,
        task="papers",
        models={model.name: model.folder.name for model in MODELS.values()},
        data="generated tasks",
        data_sha256="",
        options=options,
    )
    write_manifest(folder, manifest)


def run_step(folder: Path, step: str, model: TinyLanguageModel, make: Make) -> None:
    """Run a step, unless its records exist; an interrupted step leaves only a partial folder."""
    target = folder / step / model.name
    if target.exists():
        return
    partial = target.with_name(model.name + _PARTIAL)
    partial.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    start_cpu = time.process_time()
    make(model, partial)
    partial.rename(target)
    wall = time.perf_counter() - start
    cpu = time.process_time() - start_cpu
    typer.echo(f"{step} {model.name}: {wall:.0f} s, {cpu:.0f} s of CPU time", err=True)


def run_cross(folder: Path, critics: Sequence[TinyLanguageModel], share: float) -> None:
    """Let each critic criticize all models' answers."""
    author_pools = {author.name: _pools_of(folder, author) for author in WORD_MODELS}

    def make(critic: TinyLanguageModel, out: Path) -> None:
        cross.make_cross_critiques(critic, author_pools, out, share)

    for critic in critics:
        run_step(folder, "cross", critic, make)


def _pools(model: TinyLanguageModel, counts: Counts, out: Path) -> None:
    factor = ADDITION_FACTOR if model.task_type == "addition" else 1
    dev = draw_tasks(model.task_type, "dev", counts.dev_count * factor)
    seen = {task.id for task in dev}
    test = [
        task
        for task in draw_tasks(model.task_type, "test", 2 * counts.count * factor)
        if task.id not in seen
    ]
    make_pools(model, {"dev": dev, "test": test[: counts.count * factor]}, out)


def _pools_of(folder: Path, model: TinyLanguageModel) -> Path:
    return folder / "pools" / model.name


if __name__ == "__main__":
    typer.run(main)
