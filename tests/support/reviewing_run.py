"""Run human reviews in processes that a test can kill.

Takes the jobs of crashing_run.py. The simulated reviewer sees only the displayed review.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from langgraph.types import Command
from pydantic import TypeAdapter

from selfcritic.agent.state import HumanReviewOutput
from selfcritic.graphs import create_human_review
from selfcritic.graphs.checkpoints import open_checkpointer
from tests.support import crashing_run
from tests.support.crashing_run import LoggedModel

REVIEW_INPUT: Any = {"question": "How far is the moon?", "answer": "round 0, handed in"}


def reply_to(shown: dict[str, Any]) -> dict[str, Any]:
    """Search again, add a comment, send an invalid action, then refine."""
    if shown["length_modifier"] == 0.0:
        return {
            "actions": [{"type": "edit", "id": 1, "text": "Not so."}],
            "next": "search_again",
            "length_modifier": 1.0,
        }
    has_added_comment = any(label["action"] == "added" for label in shown["comments"])
    if not has_added_comment:
        return {"actions": [{"type": "add", "quote": "handed", "text": "By whom?"}]}
    if shown["error"]:
        return {"next": "refine"}
    return {"actions": [{"type": "remove", "id": 99}], "next": "refine"}


def work(job: dict[str, Any]) -> None:
    """Start or resume the review, and write the result."""
    output = asyncio.run(_review(job, LoggedModel(log=Path(job["log"]), replies=job["replies"])))
    Path(job["out"]).write_text(
        json.dumps(TypeAdapter(HumanReviewOutput).dump_python(output, mode="json"))
    )


async def _review(job: dict[str, Any], model: LoggedModel) -> Any:
    async with open_checkpointer(job["where"]) as saver:
        graph = create_human_review(model=model, num_critiques=8, seed=7).compile(
            checkpointer=saver
        )
        thread: Any = {"configurable": {"thread_id": job["thread"]}}
        while True:
            state = await graph.aget_state(thread)
            graph_input: Any = None if state.values else REVIEW_INPUT
            if state.interrupts:
                model.note("await_decision", "reply")
                graph_input = Command(resume=reply_to(state.interrupts[0].value))
            elif state.values.get("stop_reason"):
                return {
                    name: state.values[name]
                    for name in HumanReviewOutput.__annotations__
                    if name in state.values
                }
            await graph.ainvoke(graph_input, thread, durability="sync")


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(crashing_run.run(json.loads(line), work) + "\n")
        sys.stdout.flush()
