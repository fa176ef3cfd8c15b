"""Measure how well a model keeps to the forms that the prompts ask for.

    python -m examples.benchmarks.prompts MODEL [--prompts default] [--prompts default:FOLDER] [--split test]

`flawed_drafts.jsonl` has 24 questions with a draft each; 20 drafts have a flaw. Half of them, the development split,
is for choosing words; report the other half. `--prompts SET:FOLDER` measures a set with the files of a folder.

- verdict mass: P(Yes) + P(No) among the first token's 20 most likely ones, the mean over drafts;
- verdict first: the sampled reply begins with Yes or No;
- located: a critique has a comment whose quote is in the draft;
- quotes found: share of quotes that are in the draft;
- example: a critique repeats the prompt's example;
- truncated: a critique ends at the limit of 120 tokens.

The judged critique names the flaw of the draft; a correct draft has an invalid one. Intervals are 95%: Wilson for
shares, bootstrap (BCa) for means.

Earlier wording for comparison: `git archive ad65749 prompts | tar x -C before`, then
`--prompts default:before/prompts/default`. local:smollm2?threads=1, test split, 3 critiques per draft, seed 1:

                             default before  default now   plain before  plain now
    classify: verdict mass   0.106           0.497         0.020         0.547
    classify: verdict first  3 of 12         4 of 12       0 of 12       8 of 12
    helpfulness: mass        0.097           0.566         0.005         0.637
    helpfulness: first       2 of 12         10 of 12      0 of 12       10 of 12
    critique: located        1 of 36         1 of 36       0 of 36       0 of 36
    critique: example        4 of 36         0 of 36       0 of 36       0 of 36
    critique: truncated      34 of 36        18 of 36      7 of 36       7 of 36

The wording makes no difference in how often this small model quotes the draft.
"""

import asyncio
import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from rich.console import Console
from rich.table import Table

from examples.benchmarks.critics import mean, share
from selfcritic import prompts
from selfcritic.agent import Comment, load
from selfcritic.agent.critic.format import parse, render
from selfcritic.agent.critic.grounding import ground

DRAFTS = Path(__file__).with_name("flawed_drafts.jsonl")
VERDICT_TOKENS = 24
CRITIQUE_TOKENS = 120
VERDICTS = {"yes", "no", "是", "否"}
_VERDICT = re.compile(rf"\W*(?:{'|'.join(VERDICTS)})(?![a-z])", re.IGNORECASE)

Split = Literal["development", "test", "all"]


@dataclass(frozen=True)
class Draft:
    """A question with a draft, and a comment on the draft."""

    task_type: prompts.TaskType
    question: str
    context: str
    answer: str
    is_flawed: bool
    comment: Comment
    """Names the flaw; on a correct draft, it is invalid."""


@dataclass
class Counts:
    """What a prompt set's replies look like; one entry per reply or quote."""

    verdict_masses: dict[str, list[float]] = field(default_factory=dict)
    has_verdict_first: dict[str, list[bool]] = field(default_factory=dict)
    is_located: list[bool] = field(default_factory=list)
    is_quote_found: list[bool] = field(default_factory=list)
    copies_example: list[bool] = field(default_factory=list)
    is_truncated: list[bool] = field(default_factory=list)
    seconds: float = 0.0


def main(
    model: Annotated[str, typer.Argument(help="Model, such as local:smollm2.")],
    prompt_sets: Annotated[
        list[str] | None, typer.Option("--prompts", help="Prompt set, or SET:FOLDER.")
    ] = None,
    critiques: Annotated[int, typer.Option(min=1, help="Critiques per draft.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the first reply.")] = 1,
    split: Annotated[Split, typer.Option(help="Drafts to use.")] = "test",
    show: Annotated[bool, typer.Option("--show", help="Print every reply.")] = False,
) -> None:
    """Print a table with a column for each prompt set."""
    chat_model = load(model)
    drafts = read_drafts(split)
    names = prompt_sets or prompts.available()
    results = {}
    for name in names:
        results[name] = asyncio.run(
            measure(chat_model, load_prompts(name), drafts, critiques, seed, show=show)
        )
    title = f"{model}, {len(drafts)} drafts ({split}), {critiques} critiques each, seed {seed}"
    Console(highlight=False, width=140).print(table_of(results, title))


def load_prompts(name: str) -> prompts.PromptSet:
    """Load a prompt set, and the files of a folder if one follows a colon."""
    set_name, _, folder = name.partition(":")
    return prompts.load(set_name, folder or None)


def read_drafts(split: Split) -> list[Draft]:
    """Read the drafts of a split."""
    drafts = []
    for line in DRAFTS.read_text("utf-8").splitlines():
        row = json.loads(line)
        comment = Comment(quote=row.pop("quote"), text=row.pop("comment"), severity="high")
        if split in (row.pop("split"), "all"):
            drafts.append(Draft(**row, comment=comment))
    return drafts


async def measure(
    model: BaseChatModel,
    prompt_set: prompts.PromptSet,
    drafts: Sequence[Draft],
    critiques: int,
    seed: int,
    *,
    show: bool = False,
) -> Counts:
    """Request verdicts and critiques of every draft, and count their forms."""
    counts = Counts()
    start = time.perf_counter()
    example = parse(prompt_set.templates["critique"].template).comments[:1]
    for number, draft in enumerate(drafts):
        first_seed = seed + number * critiques  # equal seeds would sample equal first words
        data = {"question": draft.question, "context": draft.context, "answer": draft.answer}
        classify = prompt_set.render("classify", draft.task_type, **data)
        helpfulness = prompt_set.render(
            "helpfulness", draft.task_type, **data, critique=render([draft.comment])
        )
        critique = prompt_set.render("critique", draft.task_type, **data)
        for name, messages in (("classify", classify), ("helpfulness", helpfulness)):
            reply = await _ask(model, messages, VERDICT_TOKENS, first_seed, logprobs=True)
            _count_verdict(counts, name, reply)
            if show:
                print(f"--- {name}\n{reply.text}")
        for index in range(critiques):
            reply = await _ask(model, critique, CRITIQUE_TOKENS, first_seed + index)
            _count_critique(counts, reply, draft.answer, example)
            if show:
                print(f"--- critique of {draft.answer!r}\n{reply.text}")
    counts.seconds = time.perf_counter() - start
    return counts


async def _ask(
    model: BaseChatModel,
    messages: list[BaseMessage],
    max_tokens: int,
    seed: int,
    *,
    logprobs: bool = False,
) -> AIMessage:
    options: dict[str, Any] = {"max_tokens": max_tokens, "seed": seed}
    if logprobs:
        options |= {"logprobs": True, "top_logprobs": 20}
    return await model.ainvoke(messages, **options)


def _count_verdict(counts: Counts, name: str, reply: AIMessage) -> None:
    masses = counts.verdict_masses.setdefault(name, [])
    masses.append(verdict_mass(reply))
    has_verdict = _VERDICT.match(reply.text) is not None
    counts.has_verdict_first.setdefault(name, []).append(has_verdict)


def _count_critique(
    counts: Counts, reply: AIMessage, answer: str, example: Sequence[Comment]
) -> None:
    critique = ground(reply.text, answer)
    counts.is_located.append(bool(critique.comments))
    counts.is_quote_found += [True] * len(critique.comments) + [False] * len(critique.ungrounded)
    copied = [part for comment in example for part in (comment.quote, comment.text)]
    counts.copies_example.append(any(part in reply.text for part in copied))
    counts.is_truncated.append(reply.response_metadata.get("finish_reason") == "length")


def verdict_mass(reply: AIMessage) -> float:
    """Return P(Yes) + P(No) of a reply's first token; 0 without logprobs."""
    logprobs = reply.response_metadata.get("logprobs") or {}
    tokens = logprobs.get("content") or [{}]
    mass = 0.0
    for option in tokens[0].get("top_logprobs") or []:
        if option["token"].strip().lower() in VERDICTS:
            mass += math.exp(option["logprob"])
    return mass


def table_of(results: dict[str, Counts], title: str) -> Table:
    """Return a table with a row for each measure."""
    table = Table("", *results, title=title, title_justify="left")
    for name in ("classify", "helpfulness"):
        masses = [mean(counts.verdict_masses[name], "{:.3f}") for counts in results.values()]
        table.add_row(f"{name}: verdict mass", *masses)
        shares = [share(counts.has_verdict_first[name]) for counts in results.values()]
        table.add_row(f"{name}: verdict first", *shares)
    for label, attribute in (
        ("critique: located", "is_located"),
        ("critique: quotes found", "is_quote_found"),
        ("critique: example", "copies_example"),
        ("critique: truncated", "is_truncated"),
    ):
        flags = [getattr(counts, attribute) for counts in results.values()]
        table.add_row(label, *[share(hits) if hits else "no quotes" for hits in flags])
    table.add_row("seconds", *[f"{counts.seconds:.0f}" for counts in results.values()])
    return table


if __name__ == "__main__":
    typer.run(main)
