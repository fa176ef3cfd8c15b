"""Compare intervals of AUC and Brier score on development data, where they were chosen.

    python -m examples.benchmarks.estimators.development

The seeds and tasks differ from those of the proof, so the proof does not test an interval on the data that selected it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import typer
from scipy import special

from examples.benchmarks.estimators.planted import KINDS, TEMPERATURE, Rates
from selfcritic.agent.evals.measures.discrimination import (
    Predictions,
    area_under_curve,
    brier_score,
    weighted_auc,
)
from selfcritic.agent.evals.measures.intervals import Estimate, mean, resample_weighted

_REPEATS = 200
_FIRST_SEED = 1_000
_TRUTH_SEED = 99
_TRUTH_TASKS = 20_000
_GOOD = replace(KINDS[0], draft_error_rate=0.3, miss_rate=0.05, false_alarm_rate=0.03)
_RARE = replace(KINDS[0], draft_error_rate=0.1, miss_rate=0.2, false_alarm_rate=0.1)
Method = Callable[[Predictions], Estimate]


@dataclass(frozen=True)
class Scenario:
    """Tasks of one repeat."""

    name: str
    num_tasks: int
    kinds: Sequence[Rates]
    max_answers: int

    def draw(self, seed: int, num_tasks: int) -> Predictions:
        """Draw the verdicts on the answers to some tasks."""
        rng = np.random.default_rng(seed)
        probabilities: list[float] = []
        labels: list[bool] = []
        tasks: list[int] = []
        for task in range(num_tasks):
            kind = self.kinds[int(rng.integers(len(self.kinds)))]
            for _ in range(rng.integers(1, self.max_answers + 1)):
                is_flawed = bool(rng.random() < kind.draft_error_rate)
                opinion = kind.mean_opinion(is_flawed) + rng.normal()
                probabilities.append(float(special.ndtr(opinion / TEMPERATURE)))
                labels.append(is_flawed)
                tasks.append(task)
        return Predictions(probabilities, labels, tasks)


SCENARIOS = (
    Scenario("60 easy and hard tasks", 60, KINDS, 5),
    Scenario("15 easy and hard tasks", 15, KINDS, 5),
    Scenario("60 tasks, good judge", 60, [_GOOD], 1),
    Scenario("60 tasks, few flaws", 60, [_RARE], 2),
)


def bootstrap_auc(predictions: Predictions) -> Estimate:
    """Return the AUC with a bootstrap interval (BCa)."""
    probabilities = np.array(predictions.probabilities)
    labels = np.array(predictions.labels)
    return resample_weighted(weighted_auc(probabilities, labels), predictions.tasks)


def bootstrap_brier(predictions: Predictions) -> Estimate:
    """Return the Brier score with a bootstrap interval (BCa)."""
    errors = np.subtract(predictions.probabilities, predictions.labels) ** 2
    return mean(errors.tolist(), predictions.tasks, is_share=True)


MEASURES: dict[str, tuple[Method, Method]] = {
    "AUC": (bootstrap_auc, area_under_curve),
    "Brier score": (bootstrap_brier, brier_score),
}
"""The bootstrap and the interval in use."""


def compare(scenario: Scenario, repeats: int) -> list[str]:
    """Return one row of the table for each measure."""
    large = scenario.draw(_TRUTH_SEED, _TRUTH_TASKS)
    samples = [scenario.draw(_FIRST_SEED + number, scenario.num_tasks) for number in range(repeats)]
    rows = []
    for name, methods in MEASURES.items():
        truth = _find_truth(name, large)
        cells = [scenario.name, name, f"{truth:.3f}"]
        for method in methods:
            estimates = [method(sample) for sample in samples]
            covered = sum(estimate.covers(truth) for estimate in estimates)
            widths = [estimate.high - estimate.low for estimate in estimates]
            cells.append(f"{covered} of {repeats}, {np.nanmean(widths):.3f}")
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _find_truth(name: str, large: Predictions) -> float:
    labels = np.array(large.labels)
    probabilities = np.array(large.probabilities)
    if name == "AUC":
        return float(weighted_auc(probabilities, labels)(np.ones((1, len(labels))))[0])
    return float(np.mean((probabilities - labels) ** 2))


def format_comparison(repeats: int = _REPEATS) -> str:
    """Return the table in Markdown."""
    lines = [
        "| tasks | measure | truth | bootstrap (BCa): covered, width | in use: covered, width |",
        "|---|---|---:|---:|---:|",
    ]
    for scenario in SCENARIOS:
        lines += compare(scenario, repeats)
    return "\n".join(lines)


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each kind of tasks.")] = _REPEATS,
) -> None:
    """Print how often each interval contains the truth."""
    print(format_comparison(repeats))


if __name__ == "__main__":
    typer.run(main)
