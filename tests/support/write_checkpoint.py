"""Write a finished and an interrupted thread that later versions must read."""

import asyncio
import sys
from typing import Any

from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import open_checkpointer

QUESTION = {"question": "Which city is the capital of France?", "context": "A country in Europe."}
FINDING = "```\nLyon\n```\nIt is Paris.\n\n```\nMarseille\n```\nNor is it this."


def model() -> ScriptedModel:
    """Script two drafts, two critiques and a refinement.

    The first critique has an ungrounded quote.
    """
    script: Any = {
        "generate": ["Nice", "Lyon"],
        "classify": [0.9, 0.8, 0.1],
        "critique": [FINDING, "```\nLyon\n```\nIt is a question about a country."],
        "helpfulness": [0.8, 0.3],
        "refine": ["Paris"],
    }
    return ScriptedModel(script=script)


async def write(path: str) -> None:
    """Run both threads; the second stops after its critiques are sampled."""
    async with open_checkpointer(path) as saver:
        builder = create_self_critique(model=model(), num_drafts=2, num_critiques=2)
        finished: Any = {"configurable": {"thread_id": "finished"}}
        await builder.compile(checkpointer=saver).ainvoke(QUESTION, finished, durability="sync")
        builder = create_self_critique(model=model(), num_drafts=2, num_critiques=2)
        stopped: Any = {"configurable": {"thread_id": "stopped"}}
        graph = builder.compile(checkpointer=saver, interrupt_after=["critique"])
        await graph.ainvoke(QUESTION, stopped, durability="sync")


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
