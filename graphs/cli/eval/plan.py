"""Turn the options of `selfcritic eval run` into an experiment, its samples and its manifest."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.context import Context
from selfcritic.agent.data.manifest import Manifest
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.evals.arms import ARMS
from selfcritic.agent.evals.experiments import Experiment, Item
from selfcritic.agent.evals.judge import Judge
from selfcritic.agent.evals.names import ExperimentName
from selfcritic.agent.evals.runner import describe_run
from selfcritic.agent.evals.splits import assign_splits
from selfcritic.agent.nodes.preload import load_files
from selfcritic.agent.nodes.validation import check_prices
from selfcritic.agent.redaction import redact
from selfcritic.graphs.cli.console import check_api_base, load_model
from selfcritic.graphs.cli.eval.checks import (
    check_answers,
    check_frontier,
    check_judge,
    check_options,
    find_notices,
    find_seed,
)
from selfcritic.graphs.cli.eval.experiment_graphs import compile_graphs
from selfcritic.graphs.cli.eval.run_options import RunRequest, parse_fsbs
from selfcritic.graphs.cli.options import parse_max_output_tokens

_NO_MODEL = "none"


@dataclass(frozen=True)
class Plan:
    """A run that can start."""

    experiment: Experiment
    items: list[Item]
    manifest: Manifest
    judged_critics: list[str]
    """Critics that are the judge, too."""
    notices: list[str]
    """What the report will lack."""

    @property
    def contexts(self) -> Mapping[str, Context]:
        """Options of each critic."""
        return self.experiment.contexts


def build_plan(request: RunRequest, records: Sequence[AnswerRecord]) -> Plan:
    """Load the models and return the run.

    Raises:
        InputError: An option does not fit the experiment or the data.
        ValidationError: An option of the graphs is invalid.
    """
    check_options(request)
    check_answers(request, records)
    sampling = request.sampling
    if request.name == "frontier":
        records = assign_splits(records, sampling.seed)
        check_frontier(records)
    check_judge(request, records)
    fields = _context_fields(request, records)
    contexts = _build_contexts(request, fields)
    judge = _build_judge(request, fields)
    experiment = Experiment(
        name=request.name,
        graphs=compile_graphs(),
        contexts=contexts,
        judge=judge,
        num_answers=sampling.num_answers or (2 if request.name == "gdc" else 1),
        arms=tuple(sampling.arm or _all_arms(request.name)),
    )
    items = []
    for record in records:
        # Critiques in the data are not of these critics.
        bare = record.model_copy(update={"critiques": [], "refinements": []})
        for epoch in range(1, sampling.epochs + 1):
            items += [Item(bare, critic, epoch) for critic in contexts]
    manifest = describe_run(
        experiment,
        records,
        command=["selfcritic", *sys.argv[1:]],
        data=request.data,
        models=_model_names(request, contexts),
        seed=sampling.seed,
        options=_result_options(experiment, fields, request),
    )
    same: list[str] = []
    if judge is not None:
        same = [name for name, context in contexts.items() if judge.is_same_model(context)]
    return Plan(experiment, items, manifest, same, find_notices(request, records))


def check_plan_prices(plan: Plan) -> None:
    """Raise InputError if the price of a model is unknown."""
    for context in plan.contexts.values():
        if context.has_critic:
            check_prices(context)
    judge = plan.experiment.judge
    if isinstance(judge, Judge):
        check_prices(judge.context, ("judge",))


def _all_arms(name: ExperimentName) -> Sequence[str]:
    if name != "refine":
        return ()
    return ARMS


def _context_fields(request: RunRequest, records: Sequence[AnswerRecord]) -> dict[str, Any]:
    """Return the options that all critics share, as fields of `Context`."""
    models, sampling = request.models, request.sampling
    is_code = all(record.language for record in records)
    return {
        "prompts": models.prompts,
        "prompt_dir": models.prompt_dir,
        "cache": models.cache,
        "task_type": models.task_type or ("code" if is_code else "question"),
        "max_output_tokens": parse_max_output_tokens(models.max_output_tokens),
        "num_critiques": sampling.num_critiques or (1 if request.name == "review" else 8),
        "search": sampling.search,
        "fsbs": parse_fsbs(sampling.fsbs),
        "max_rounds": sampling.max_rounds,
        "seed": sampling.seed,
    }


def _build_contexts(request: RunRequest, fields: Mapping[str, Any]) -> dict[str, Context]:
    """Return the options of each critic, by its name.

    Raises:
        InputError: No model is given.
    """
    models = request.models
    checkers = list(request.sampling.checker or [])
    is_review = request.name == "review"
    contexts: dict[str, Context] = {}
    names = models.critic or ([models.model] if models.model else [])
    if not names and not (is_review and checkers):
        Context().model_for("critic")  # raises the error that lists the choices
    check_api_base(models.api_base, models.model, *(models.critic or []), request.ratings.judge)
    evidence = [] if is_review else checkers
    for name in names:
        critic = load_model(name, models.api_base)
        generator = critic
        specs: list[str | None] = [name]
        if request.name == "refine" and models.model:
            generator = load_model(models.model, models.api_base)
            specs.append(models.model)
        own_fields = {**fields, "seed": find_seed(specs, fields["seed"])}
        context = Context(model=generator, critic=critic, checkers=evidence, **own_fields)
        if request.name != "refine":
            context = context.model_copy(update={"model": critic, "critic": None})
        contexts[redact(name)] = context
    if is_review:
        for checker in checkers:
            contexts[checker] = Context(model=_NO_MODEL, checkers=[checker], **fields)
    for context in contexts.values():
        load_files(context)
    return contexts


def _build_judge(request: RunRequest, fields: Mapping[str, Any]) -> Judge | None:
    name = request.ratings.judge
    if name is None:
        return None
    model = load_model(name, request.models.api_base)
    judge_fields = {key: fields[key] for key in ("prompts", "prompt_dir", "cache", "task_type")}
    seed = find_seed([name], fields["seed"])
    context = Context(judge=model, seed=seed, **judge_fields)
    return Judge(redact(name), context, request.ratings.judge_form)


def _model_names(request: RunRequest, contexts: Mapping[str, Context]) -> dict[str, str]:
    names = {"critic": ", ".join(contexts)}
    if request.models.model:
        names["model"] = redact(request.models.model)
    if request.ratings.judge:
        names["judge"] = redact(request.ratings.judge)
    return names


def _result_options(
    experiment: Experiment, fields: Mapping[str, Any], request: RunRequest
) -> dict[str, Any]:
    """Return the options that change the results of a run."""
    shared = {key: value for key, value in fields.items() if key not in ("seed", "cache", "fsbs")}
    options = {
        **shared,
        "api_base": redact(request.models.api_base or ""),
        "num_answers": experiment.num_answers,
        "arms": list(experiment.arms),
        "checkers": list(request.sampling.checker or []),
        "judge_form": request.ratings.judge_form,
    }
    # Left out by default, so that runs of earlier versions resume.
    if request.sampling.fsbs is not None:
        options["fsbs"] = request.sampling.fsbs
    if request.sampling.epochs > 1:
        options["epochs"] = request.sampling.epochs
    return options
