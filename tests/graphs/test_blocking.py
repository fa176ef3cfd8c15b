"""No node blocks the event loop.

Uses the check of LangGraph's dev server, and forbids file reads as well. Each run gets a new prompt folder or script,
so that no cache hides a read.
"""

import asyncio
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster, BlockingError, blockbuster_ctx
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from selfcritic.agent.checkers.registry import CHECKERS
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Budget
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs.runtime import sync_and_async

GRAPHS = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text())["graphs"]
QUESTION = {"question": "What is 128 + 256?"}
CRITIQUE = "```\n374\n```\nThe tens digit should be 8."
SCRIPT = {
    "generate": ["374"],
    "classify": [0.9, 0.1],
    "critique": [CRITIQUE],
    "helpfulness": [0.9],
    "refine": ["384"],
}


@pytest.fixture(autouse=True)
def blocking_detector() -> Iterator[BlockBuster]:
    with blockbuster_ctx(
        ["selfcritic.agent", "selfcritic.graphs", "selfcritic.prompts"]
    ) as detector:
        yield detector


def run(
    name: str,
    tmp_path: Path,
    question: str = QUESTION["question"],
    answer: str = "374",
    **options: Any,
) -> dict[str, Any]:
    """Run a graph of langgraph.json on a thread, as Studio does."""
    (tmp_path / "prompts").mkdir()
    module, _, attribute = GRAPHS[name].partition(":")
    graph = getattr(importlib.import_module(module), attribute).builder.compile(
        checkpointer=InMemorySaver()
    )
    context = Context(prompt_dir=str(tmp_path / "prompts"), budget=Budget(cost_usd=1), **options)
    thread = {"configurable": {"thread_id": "1"}}
    asyncio.run(graph.ainvoke({"question": question, "answer": answer}, thread, context=context))
    return dict(graph.get_state(thread).values)


@pytest.mark.parametrize("name", [name for name in GRAPHS if name != "tamper"])
def test_graph_run_does_not_block(name: str, tmp_path: Path):
    out = run(name, tmp_path, model="simulated?draft_error_rate=1&miss_rate=0&seed=5")
    assert out["stop_reason"] != "model_error"
    assert out["usage"].calls


def test_tampering_does_not_block():
    record = {
        "id": "clip",
        "task": "clip",
        "question": "Return x, but at most high.",
        "answer": "def clip(x, high):\n    if x > high:\n        return high\n    return x\n",
        "language": "python",
        "metadata": {"tests": "assert clip(5, 3) == 3\nassert clip(2, 3) == 2\n"},
    }
    module, _, attribute = GRAPHS["tamper"].partition(":")
    graph = getattr(importlib.import_module(module), attribute)
    output = asyncio.run(graph.ainvoke({"record": record, "seed": 4}))
    assert output["result"]["bugs"]


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_checkers_and_scorers_do_not_block(
    search: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "reward").mkdir()
    # The run would end before the folder is loaded.
    monkeypatch.setattr("selfcritic.agent.scoring.registry.check_folder", lambda folder: None)
    scorer = {"helpfulness": 1.0, "evidence": 1.0, f"reward:{tmp_path / 'reward'}": 1.0}
    scorer |= {"reward-server:http://127.0.0.1:9/score": 1.0}  # no server listens there
    options = {
        "checkers": list(CHECKERS),
        "search": search,
        "scorer": scorer,
        "retries": {"tries": 1},
    }
    out = run(
        "review", tmp_path, model="simulated?draft_error_rate=1&miss_rate=0&seed=5", **options
    )
    assert out["stop_reason"] == "model_error"
    assert "no reward model" in out["error"] or "The scorer at" in out["error"]


def test_checking_a_scorer_does_not_block(tmp_path: Path):
    with pytest.raises(InputError, match="no reward model in"):
        run("self_critique", tmp_path, model="simulated", scorer=f"reward:{tmp_path}")


def test_reading_a_script_does_not_block(tmp_path: Path):
    (tmp_path / "script.json").write_text(json.dumps(SCRIPT))
    out = run(
        "self_critique", tmp_path, model=f"scripted:{tmp_path / 'script.json'}", num_critiques=1
    )
    assert [draft.answer for draft in out["rounds"]] == ["374", "384"]


def test_detects_a_blocking_node(tmp_path: Path):
    async def blocks(state: State, runtime) -> State:
        (tmp_path / "draft.txt").write_text("384")
        return {"answer": (tmp_path / "draft.txt").read_text()}

    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    builder.add_node("blocks", sync_and_async(blocks, Context()))
    builder.add_edge(START, "blocks")
    with pytest.raises(BlockingError):
        asyncio.run(builder.compile().ainvoke(QUESTION))


def test_code_checkers_do_not_block(tmp_path: Path):
    code = {
        "question": "Write a Python function f(xs). Return the sum plus 2.",
        "answer": "def f(xs):\n    return sum(ys",
    }
    out = run(
        "review",
        tmp_path,
        model="simulated?seed=5",
        task_type="code",
        checkers=list(CHECKERS),
        **code,
    )
    assert "syntax" in {finding.source for finding in out["rounds"][0].findings}
