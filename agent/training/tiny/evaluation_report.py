"""Report the evaluations of a grid's runs: making, verdicts and critiques on tasks of the same sizes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from selfcritic.agent.evals.measures.discrimination import Predictions, area_under_curve
from selfcritic.agent.evals.measures.intervals import Estimate, rate
from selfcritic.agent.training.tiny.evaluation import Evaluation, FirstDrafts
from selfcritic.agent.training.tiny.progress import run_name
from selfcritic.agent.training.tiny.task_range import TARGET, describe_range

DRAFTS = "first drafts correct"
VERDICTS = "critiqueability AUC"
CRITIQUES = "one critique valid"
BY_SIZE = "first drafts correct by size"
_MAX_ROWS = 10  # of the table by size; more sizes are pooled
_MAX_RUNS = 5  # columns of the table by size


def measure(evaluation: Evaluation) -> dict[str, Any]:
    """Return the measures of a run for JSON."""
    test = evaluation.test
    flawed = [task for task, flaw in zip(test.tasks, test.is_flawed, strict=True) if flaw]
    predictions = Predictions(evaluation.p_flawed, test.is_flawed, test.tasks)
    return {
        "sizes": list(evaluation.choice.sizes),
        "problem": evaluation.choice.problem,
        "tasks": len(set(test.tasks)),
        DRAFTS: asdict(_rate_correct(test)),
        VERDICTS: asdict(area_under_curve(predictions)),
        CRITIQUES: asdict(rate(evaluation.is_valid, flawed)),
        BY_SIZE: list(_measure_by_size(evaluation.dev)),
    }


def _rate_correct(drafts: FirstDrafts) -> Estimate:
    return rate([not flaw for flaw in drafts.is_flawed], drafts.tasks)


def _measure_by_size(drafts: FirstDrafts) -> Iterator[dict[str, Any]]:
    """Yield the rate of correct drafts at each size, or at each few consecutive sizes."""
    sizes = sorted(set(drafts.sizes))
    num_pooled = math.ceil(len(sizes) / _MAX_ROWS)
    for start in range(0, len(sizes), num_pooled):
        pooled = sizes[start : start + num_pooled]
        yield {"sizes": pooled, **asdict(_rate_correct(drafts.of_sizes(pooled)))}


def render_evaluations(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the section about evaluations."""
    yield "## Evaluations"
    yield ""
    yield (
        f"On held-out tasks, with int8 weights and 95% intervals. *{DRAFTS.capitalize()}* is how well a run makes "
        f"answers; *{VERDICTS}* and *{CRITIQUES}* are how well it checks them, on the same tasks. The sizes are those "
        f"at which {TARGET[0]:.0%} to {TARGET[1]:.0%} of first drafts are correct, chosen on development tasks and "
        "measured on test tasks. An asterisk marks first drafts outside of this range on the test tasks. Evaluations "
        "that the time cut short have fewer tasks; rerun the command to complete them."
    )
    for task_name in dict.fromkeys(run["task"] for run in runs):
        task_runs = [run for run in runs if run["task"] == task_name]
        yield ""
        yield f"### {task_name}"
        yield from _render_task(task_runs)


def _render_task(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    evaluated = [run for run in runs if run["evaluation"]]
    if evaluated:
        yield ""
        yield from render_table(
            ["run", "sizes", "tasks", DRAFTS, VERDICTS, "flawed", CRITIQUES],
            [_evaluation_row(run) for run in evaluated],
        )
    notes = list(_render_notes(runs))
    if notes:
        yield ""
        yield from notes
    if evaluated:
        yield from _render_by_size(evaluated)


def _render_notes(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    missing = []
    for run in runs:
        if not run["evaluation"]:
            missing.append(_name(run))
        elif run["evaluation"]["problem"]:
            problem = run["evaluation"]["problem"]
            yield f"- {_name(run)}: {problem}. Its row is about the whole range."
    if missing:
        yield f"- Not evaluated: {', '.join(missing)}. If they are trained, rerun the command to evaluate them."


def _evaluation_row(run: Mapping[str, Any]) -> list[str]:
    evaluation = run["evaluation"]
    drafts = Estimate(**evaluation[DRAFTS])
    critiques = Estimate(**evaluation[CRITIQUES])
    is_outside = not TARGET[0] <= drafts.value <= TARGET[1]
    return [
        _name(run),
        describe_range(evaluation["sizes"]),
        str(evaluation["tasks"]),
        _percent(drafts) + (r" \*" if is_outside else ""),
        _area(Estimate(**evaluation[VERDICTS])),
        str(critiques.count),
        _percent(critiques),
    ]


def _render_by_size(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table of sizes × runs, several if there are many runs."""
    counts = [row["count"] for run in runs for row in run["evaluation"][BY_SIZE]]
    yield ""
    yield (
        f"{BY_SIZE.capitalize()} after {runs[0]['tokens']:,} tokens, on {describe_range(counts)} development tasks in "
        "each cell:"
    )
    for start in range(0, len(runs), _MAX_RUNS):
        columns = runs[start : start + _MAX_RUNS]
        rows: dict[str, list[str]] = {}
        for run in columns:
            for row in run["evaluation"][BY_SIZE]:
                estimate = Estimate(row["value"], row["low"], row["high"], row["count"])
                rows.setdefault(describe_range(row["sizes"]), []).append(_percent(estimate))
        yield ""
        yield from render_table(
            ["size", *[_name(run) for run in columns]],
            [[size, *cells] for size, cells in rows.items()],
        )


def render_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join(['---'] * len(header))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _name(run: Mapping[str, Any]) -> str:
    return run_name(run["size"], run["seed"])


def _percent(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "–"
    return f"{estimate.value:.0%} ({100 * estimate.low:.0f}–{100 * estimate.high:.0f})"


def _area(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "–"
    text = f"{estimate.value:.3f}"
    if math.isnan(estimate.low):
        return text
    return f"{text} ({estimate.low:.2f}–{estimate.high:.2f})"
