"""No node blocks the event loop, by the measure of LangGraph's dev server and beyond it: files may not be read either.

What is asked is new each time (a prompt folder, a script), so that nothing is found read already.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, BlockingError, blockbuster_ctx
from langgraph.graph import START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs import create_best_of_n, create_self_critique
from selfcritic.graphs.both_ways import both_ways

QUESTION = {"question": "What is 128 + 256?"}
CRITIQUE = "```\n374\n```\nThe tens digit should be 8."
SCRIPT = {
    "generate": ["374"] * 8,
    "classify": [0.9, 0.1] * 8,
    "critique": [CRITIQUE] * 8,
    "helpfulness": [0.9] * 8,
    "refine": ["384"],
}


@pytest.fixture(autouse=True)
def complaints() -> Iterator[BlockBuster]:
    with blockbuster_ctx(["selfcritic.agent", "selfcritic.graphs", "selfcritic.prompts"]) as guard:
        yield guard


def model(name: str, folder: Path) -> str:
    if name == "simulated":
        return "simulated?slip=1&miss=0&seed=5"
    path = folder / "script.json"
    path.write_text(json.dumps(SCRIPT))
    return f"scripted:{path}"


@pytest.mark.parametrize("create", [create_self_critique, create_best_of_n])
@pytest.mark.parametrize("name", ["simulated", "scripted"])
def test_a_run_never_blocks(create, name: str, tmp_path: Path):
    (tmp_path / "prompts").mkdir()
    options = {"model": model(name, tmp_path), "prompt_folder": str(tmp_path / "prompts"), "budget": {"cost_usd": 1}}
    out = asyncio.run(create(**options).compile().ainvoke(QUESTION))
    assert out["stop_reason"] != "model_error"
    assert out["usage"].calls


def test_a_node_that_blocks_is_found(tmp_path: Path):
    async def blocks(state: State, runtime) -> State:
        (tmp_path / "draft.txt").write_text("384")
        return {"answer": (tmp_path / "draft.txt").read_text()}

    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    builder.add_node("blocks", both_ways(blocks, Context()))
    builder.add_edge(START, "blocks")
    with pytest.raises(BlockingError):
        asyncio.run(builder.compile().ainvoke(QUESTION))
