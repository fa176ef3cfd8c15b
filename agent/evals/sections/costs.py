"""Measure what a success costs: a caught bug or a correct answer."""

from collections.abc import Sequence
from dataclasses import replace

from selfcritic.agent.data.records import CritiqueSample, Refinement
from selfcritic.agent.evals.measurement import Label, Measurement, Unit
from selfcritic.agent.evals.measures.costs import cost_per_success

_COSTS: tuple[tuple[str, str, Unit], ...] = (
    ("calls", "calls", "number"),
    ("tokens", "tokens", "number"),
    ("dollars", "cost_usd", "usd"),
    ("seconds", "seconds", "number"),
)
"""Name, field of the sample, and unit."""


def measure_costs(
    label: Label,
    samples: Sequence[CritiqueSample] | Sequence[Refinement],
    successes: Sequence[float],
    tasks: Sequence[str],
    success: str,
) -> list[Measurement]:
    """Return the costs of samples per success, for each known kind of cost.

    Args:
        label: Section, group and critic of the measurements.
        samples: What was paid for.
        successes: Successes of each sample.
        tasks: Task of each sample.
        success: Name of a success, such as "caught bug".
    """
    measurements = []
    for name, field, unit in _COSTS:
        costs = [getattr(sample, field) for sample in samples]
        if any(cost is not None for cost in costs):
            estimate = cost_per_success(costs, successes, tasks)
            shown = replace(label, name=f"{name} per {success}")
            measurements.append(Measurement(shown, estimate, unit, is_higher_better=False))
    return measurements
