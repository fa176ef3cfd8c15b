"""Options that more than one command takes, each defined once."""

from enum import StrEnum
from typing import Annotated

import typer

from selfcritic.agent.schemas import Budget


class KindChoice(StrEnum):
    """What is answered."""

    question = "question"
    summary = "summary"
    code = "code"


class SearchChoice(StrEnum):
    """How critiques are drawn."""

    best_of_n = "rejection"
    fsbs = "fsbs"


ModelOption = Annotated[str, typer.Option(envvar="SELFCRITIC_MODEL", help="See `selfcritic models`.")]
Critic = Annotated[str | None, typer.Option(help="Another model for the critiques.")]
ApiBase = Annotated[str | None, typer.Option(help="Address of an OpenAI-compatible server.")]
TaskType = Annotated[KindChoice, typer.Option(help="What is answered.")]
Drafts = Annotated[int, typer.Option(min=1, max=256, help="Drafts drawn at first.")]
Critiques = Annotated[int, typer.Option(min=1, max=256, help="Critiques drawn of each draft.")]
Search = Annotated[SearchChoice, typer.Option(help="How critiques are drawn.")]
Rounds = Annotated[int, typer.Option(min=0, max=100, help="Refinements at most.")]
MaxCalls = Annotated[int | None, typer.Option(min=1, help="Requests at most, in all.")]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Tokens at most, input and output, in all.")]
MaxCost = Annotated[float | None, typer.Option(help="US dollars at most, in all; prices must be known.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Seconds at most, in all.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same run, where the model takes one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole result as one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on standard error but errors.")]


def budget_of(calls: int | None, tokens: int | None, cost: float | None, seconds: float | None) -> Budget:
    """The budget that the --max options give."""
    return Budget(calls=calls, tokens=tokens, cost_usd=cost, seconds=seconds)
