"""Count how well the loop understands a model's replies.

    python -m examples.benchmarks.replies local:smollm2
    python -m examples.benchmarks.replies thinking     a fake server of a reasoning model, once per form of thinking

Two verdicts are requested about each of the 24 drafts in `flawed_drafts.jsonl`, then the loop runs on each question,
with replies of at most 48 tokens (24 for the local model's drafts) so that some are cut off. Tokens are compared with
the engine's or server's own count.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.prompts import Draft, read_drafts
from selfcritic import prompts
from selfcritic.agent import Budget, Context, load
from selfcritic.agent.critic.format import render
from selfcritic.agent.errors import JudgeUnreadable
from selfcritic.agent.models.llama_cpp import LlamaCppModel
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.state import Input
from selfcritic.graphs import create_self_critique
from tests.support.completions import Body
from tests.support.local_model import engine_tokens
from tests.support.provider_loop import prompt_name
from tests.support.reasoning_provider import FORMS, ReasoningProvider

_THINKING = re.compile(r"</?think|Is there no problem", re.IGNORECASE)


@dataclass(frozen=True)
class Tokens:
    """Tokens by our count and by the server's."""

    ours: tuple[int, int]
    servers: tuple[int, int]


async def read_verdicts(model: Any, drafts: Sequence[Draft], seed: int) -> tuple[Counter[str], Any]:
    """Request both verdicts about each draft; count how they were read."""
    tracker = BudgetTracker(Budget())
    pipeline = RequestPipeline([model], "judge", tracker, seed=seed)
    prompt_set = prompts.load()
    counts: Counter[str] = Counter()
    for draft in drafts:
        data = {"question": draft.question, "context": draft.context, "answer": draft.answer}
        critique = render([draft.comment])
        classify = prompt_set.render("classify", draft.task_type, **data)
        helpfulness = prompt_set.render("helpfulness", draft.task_type, **data, critique=critique)
        for messages in (classify, helpfulness):
            # A sampler for each verdict: one that needed votes would keep to them.
            sampler = Sampler(pipeline, prompt_set.retry_verdict)
            sampler.capabilities.probability = None
            try:
                verdict = await sampler.probability(messages)
            except JudgeUnreadable:
                counts["unreadable"] += 1
            else:
                counts[verdict.judged_by] += 1
    return counts, tracker.usage


async def run_loops(model: Any, drafts: Sequence[Draft], options: dict[str, Any]) -> list[Any]:
    """Run the loop on each question."""
    graph = create_self_critique().compile()
    outputs = []
    for draft in drafts:
        state: Input = {"question": draft.question, "context": draft.context}
        context = Context(
            model=model, num_critiques=2, max_rounds=1, task_type=draft.task_type, **options
        )
        outputs.append(await graph.ainvoke(state, context=context))
    return outputs


def count_outcomes(outputs: Sequence[Any]) -> Counter[str]:
    """Count truncated drafts, accepted ones among them, and texts with thinking."""
    counts: Counter[str] = Counter(runs=len(outputs))
    for output in outputs:
        counts[f"stopped: {output['stop_reason']}"] += 1
        rounds = output["rounds"]
        is_accepted = output["stop_reason"] == "accepted"
        counts["truncated drafts"] += sum(round_.is_truncated for round_ in rounds)
        counts["truncated accepted"] += is_accepted and rounds[output["best_round"]].is_truncated
        for round_ in rounds:
            counts["judged"] += round_.judged_by is not None
            critiques = round_.critiques
            counts["critiques"] += len(critiques)
            counts["truncated critiques"] += sum(critique.is_truncated for critique in critiques)
            texts = [round_.answer, *[critique.text for critique in critiques]]
            counts["texts"] += len(texts)
            counts["texts with thinking"] += sum(bool(_THINKING.search(text)) for text in texts)
    return counts


def measure_local(model: LlamaCppModel, drafts: Sequence[Draft], seed: int) -> dict[str, str]:
    """Measure the local model; llama.cpp counts its tokens."""
    options = {
        "seed": seed,
        "max_output_tokens": {"generator": 24, "critic": 48, "judge": 48, "refiner": 48},
    }
    before = engine_tokens(model)
    verdicts, verdict_usage = asyncio.run(read_verdicts(model, drafts, seed))
    outputs = asyncio.run(run_loops(model, drafts, options))
    counted = engine_tokens(model).since(before)
    usages = [verdict_usage, *[output["usage"] for output in outputs]]
    evaluated = sum(usage.input_tokens - usage.cached_tokens for usage in usages)
    generated = sum(usage.output_tokens for usage in usages)
    return _column(verdicts, count_outcomes(outputs), Tokens((evaluated, generated), counted))


def measure_form(form: Any, drafts: Sequence[Draft]) -> dict[str, str]:
    """Measure a form of thinking on the fake server."""
    with ReasoningProvider(_reply, form) as provider:
        model = load(f"openai/{form}", api_base=provider.url, api_key="x")
        verdicts, verdict_usage = asyncio.run(read_verdicts(model, drafts, 1))
        outputs = asyncio.run(run_loops(model, drafts, {}))
        served = provider.usage()
    usages = [verdict_usage, *[output["usage"] for output in outputs]]
    ours = (
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
    )
    return _column(verdicts, count_outcomes(outputs), Tokens(ours, (served.input, served.output)))


def _reply(messages: list[Body], _: int) -> str | float:
    """Reply like a model whose first draft has a flaw."""
    prompt = str(messages[-1]["content"])
    match prompt_name(messages):
        case "classify":
            return 0.1 if "a right answer" in prompt else 0.9
        case "helpfulness":
            return 0.8
        case "critique":
            return "```\na wrong answer\n```\n[high] It is wrong."
        case "refine":
            return "This is a right answer."
    return "This is a wrong answer."


def _column(verdicts: Counter[str], outcomes: Counter[str], tokens: Tokens) -> dict[str, str]:
    total = verdicts.total()
    column = {
        "verdicts read by logprobs": f"{verdicts['logprobs']} of {total}",
        "verdicts read by votes": f"{verdicts['votes']}",
        "verdicts unreadable": f"{verdicts['unreadable']}",
    }
    for name in (
        "runs",
        "truncated drafts",
        "truncated accepted",
        "critiques",
        "truncated critiques",
        "texts",
        "texts with thinking",
    ):
        column[name] = str(outcomes[name])
    for name, count in sorted(outcomes.items()):
        if name.startswith("stopped"):
            column[name] = str(count)
    column["input tokens: ours"], column["output tokens: ours"] = map(str, tokens.ours)
    column["input tokens: server"], column["output tokens: server"] = map(str, tokens.servers)
    return column


def main(
    model: Annotated[str, typer.Argument(help="A local: model, or thinking.")] = "local:smollm2",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
) -> None:
    """Print a column for the model, or for each form of thinking."""
    drafts = read_drafts("all")
    columns: dict[str, dict[str, str]] = {}
    if model == "thinking":
        for form in FORMS:
            columns[form] = measure_form(form, drafts)
    else:
        local = load(model)
        if not isinstance(local, LlamaCppModel):
            raise typer.BadParameter(
                f"'{model}' is no local model: pass local:smollm2 or thinking."
            )
        columns[model] = measure_local(local, drafts, seed)
    table = Table("", *columns)
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        table.add_row(name, *[column.get(name, "0") for column in columns.values()])
    Console(highlight=False, width=160).print(table)


if __name__ == "__main__":
    typer.run(main)
