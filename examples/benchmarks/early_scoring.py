"""Measure how much earlier a review ends if each critique is scored when it has arrived.

    python -m examples.benchmarks.early_scoring

The model replies in this process after a random time and ignores `n`. With a budget of calls, all critiques are scored
at the end, as without early scoring. Both sides have the same times, and are run in turn.
"""

import asyncio
import random
import statistics
import time
from typing import Annotated, Any

import typer
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr
from rich.console import Console
from rich.table import Table

from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_review
from selfcritic.prompts import parse_prompt

ANSWER = "Lyon"


class SlowModel(BaseChatModel):
    """Replies after 0.1 to 1 second."""

    seed: int
    _rng: random.Random = PrivateAttr()
    _critiques: int = PrivateAttr(default=0)

    def model_post_init(self, _context: Any, /) -> None:
        """Seed the times."""
        self._rng = random.Random(self.seed)

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **_options: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: Any = None,  # noqa: ARG002
        **_options: Any,
    ) -> ChatResult:
        text = "Yes"
        if parse_prompt([messages[-1]]).name == "critique":
            self._critiques += 1
            text = f"```\n{ANSWER}\n```\nRemark {self._critiques}."
        await asyncio.sleep(self._rng.uniform(0.1, 1.0))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def main(
    repeats: Annotated[int, typer.Option(help="Runs of each side, in turn.")] = 15,
    critiques: Annotated[int, typer.Option(help="Critiques of each review.")] = 8,
) -> None:
    """Print the wall time of both sides."""
    early: list[float] = []
    late: list[float] = []
    for seed in range(repeats):
        early.append(asyncio.run(_measure(seed, critiques, Budget())))
        late.append(asyncio.run(_measure(seed, critiques, Budget(calls=10_000))))
    ratios = [first / second for first, second in zip(early, late, strict=True)]
    table = Table("scoring", "median wall time")
    table.add_row("at the end", f"{statistics.median(late):.2f} s")
    table.add_row("as they arrive", f"{statistics.median(early):.2f} s")
    console = Console(width=100)
    console.print(table)
    console.print(f"median ratio of {repeats} pairs: {statistics.median(ratios):.2f}")


async def _measure(seed: int, critiques: int, budget: Budget) -> float:
    model = SlowModel(seed=seed)
    graph = create_review(
        model=model, num_critiques=critiques, num_votes=1, budget=budget
    ).compile()
    started = time.perf_counter()
    await graph.ainvoke({"question": "Which city?", "answer": ANSWER})
    return time.perf_counter() - started


if __name__ == "__main__":
    typer.run(main)
