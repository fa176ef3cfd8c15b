"""Measure seeded repeats, and save each of them, so that a stopped proof continues."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.benchmarks.estimators.measures import (
    Values,
    measure_all,
    measure_answers,
    measure_critiques,
    measure_refinements,
    null_p_value,
)
from examples.benchmarks.estimators.world import World, sample_answers, sample_world
from selfcritic.agent.evals.measures import intervals

TRUTH_SEED = 1_000_000
"""Repeats have the seeds 0, 1, 2 …, so the truth comes from other tasks."""
_ANSWERS_SEED = 10_000
_TRUTH_RESAMPLES = 200
"""The interval of the truth only shows how precise it is."""
Saved = dict[str, Any]


def run_repeats(path: Path, count: int, num_tasks: int) -> Iterator[Saved]:
    """Yield the values of each repeat; finished repeats are read from the file."""
    saved = _read(path)
    for seed in range(count):
        key = {"seed": seed, "tasks": num_tasks}
        repeat = next((line for line in saved if line["key"] == key), None)
        if repeat is None:
            world = sample_world(seed, num_tasks)
            repeat = {
                "key": key,
                "values": _to_json(measure_all(world)),
                "unclustered": _to_json(_measure_unclustered(world)),
                "p_value": null_p_value(world),
            }
            _append(path, repeat)
        yield repeat


def run_answer_repeats(count: int, num_tasks: int) -> Iterator[Saved]:
    """Yield the measures of answers for other tasks than those of `run_repeats`, without saving them."""
    for seed in range(_ANSWERS_SEED, _ANSWERS_SEED + count):
        world = sample_answers(seed, num_tasks)
        yield {"values": _to_json(measure_answers(world)), "unclustered": {}}


def measure_truth(path: Path, num_tasks: int) -> Saved:
    """Return the values of one large sample of other tasks."""
    key = {"seed": TRUTH_SEED, "tasks": num_tasks}
    for line in _read(path):
        if line["key"] == key:
            return line
    with _few_resamples():
        values = measure_all(sample_world(TRUTH_SEED, num_tasks))
    truth = {"key": key, "values": _to_json(values)}
    _append(path, truth)
    return truth


def _measure_unclustered(world: World) -> Values:
    """Measure as if all answers were independent."""
    independent = world.without_clusters()
    values = measure_answers(independent)
    values |= measure_critiques(independent)
    return values | measure_refinements(independent)


@contextmanager
def _few_resamples() -> Iterator[None]:
    number = intervals.RESAMPLES
    intervals.RESAMPLES = _TRUTH_RESAMPLES
    try:
        yield
    finally:
        intervals.RESAMPLES = number


def _to_json(values: Values) -> dict[str, list[float]]:
    return {name: [value.value, value.low, value.high] for name, value in values.items()}


def _read(path: Path) -> list[Saved]:
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def _append(path: Path, line: Saved) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(line))  # a line that was cut off before stays apart
