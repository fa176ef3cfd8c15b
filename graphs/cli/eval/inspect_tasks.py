"""Tasks for `inspect eval selfcritic/NAME -T data=… -T model=…`, found through the entry point group `inspect_ai`.

inspect's own resume applies. `selfcritic eval run` adds a budget over all requests, records, ratings and a report.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from inspect_ai import Task, task

from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.evals.names import ExperimentName
from selfcritic.agent.evals.tasks import build_task
from selfcritic.graphs.cli.eval.plan import build_plan
from selfcritic.graphs.cli.eval.run_options import (
    CriticOptions,
    DataOptions,
    RatingOptions,
    RunRequest,
    SamplingOptions,
)
from selfcritic.graphs.cli.options import BudgetOptions


@task
def self_critique(data: str, model: str, **options: Any) -> Task:
    """Sample answers, and criticize each one."""
    return _build("self-critique", data, model, options)


@task
def critic(data: str, model: str, **options: Any) -> Task:
    """Criticize the answers of the data."""
    return _build("critic", data, model, options)


@task
def refine(data: str, model: str, **options: Any) -> Task:
    """Refine answers in several ways at equal calls."""
    return _build("refine", data, model, options)


@task
def gdc(data: str, model: str, **options: Any) -> Task:
    """Sample answers for generator, discriminator and critique gaps."""
    return _build("gdc", data, model, options)


@task
def frontier(data: str, model: str, **options: Any) -> Task:
    """Search with FSBS and best of n."""
    return _build("frontier", data, model, options)


@task
def review(data: str, model: str, **options: Any) -> Task:
    """Review the answers of the data once per critic."""
    return _build("review", data, model, options)


def _build(name: ExperimentName, data: str, model: str, options: dict[str, Any]) -> Task:
    """Return the task of an experiment; `options` are those of `selfcritic eval run`, by field name.

    Raises:
        TypeError: An option is unknown.
        InputError: The data or an option cannot be used.
    """
    count = options.pop("count", None)
    judge = RatingOptions(options.pop("judge", None), bool(options.pop("judge_form", False)))
    models = CriticOptions(model, prompts=str(options.pop("prompts", "default")))
    request = RunRequest(
        name,
        data,
        Path(),
        replace(models, api_base=options.pop("api_base", None)),
        SamplingOptions(**options),
        judge,
        DataOptions(count),
        BudgetOptions(),
    )
    records = load_answers(data, count=count, seed=request.sampling.seed)
    plan = build_plan(request, records)
    return build_task(name, plan.items, plan.experiment.run)
