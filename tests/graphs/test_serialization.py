"""Any checkpointer loads the records, without warnings and in strict mode."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
from pathlib import Path
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from selfcritic.agent import Round
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_human_review, create_self_critique
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
script = ["Lyon", 0.9, "```\\nLyon\\n```\\nIt is Paris.", 0.8, "Paris", 0.1]
thread = {"configurable": {"thread_id": "1"}}
question = {"question": "The capital?", "messages": [("human", "The capital?")]}

class Chat(MessagesState, total=False):
    rounds: list[Round]

def check(graph, records):
    graph.invoke(question, thread, durability="sync")
    values = list(graph.get_state_history(thread))[0].values
    assert isinstance(records(values)[-1], Round), values

def loop(**options):
    return create_self_critique(model=ScriptedModel(script=list(script)), num_critiques=1, **options)

def within(graph):
    builder = StateGraph(Chat)
    builder.add_node("answer", graph)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder

def check_all(saver):
    check(loop().compile(checkpointer=saver()), lambda values: values["rounds"])
    check(within(loop().compile()).compile(checkpointer=saver()), lambda values: values["rounds"])
    middleware = SelfCritiqueMiddleware(num_critiques=1)
    agent = create_agent(ScriptedModel(script=list(script)), middleware=[middleware], checkpointer=saver())
    check(agent, lambda values: values["self_critique"]["rounds"])
    review = create_human_review(model=ScriptedModel(script=script[2:4]), num_critiques=1).compile(checkpointer=saver())
    review.invoke({"question": "The capital?", "answer": "Lyon"}, thread)
    assert isinstance(review.get_state(thread).values["rounds"][0], Round)

check_all(InMemorySaver)
numbers = iter(range(9))
from contextlib import ExitStack
with ExitStack() as stack:
    check_all(lambda: stack.enter_context(SqliteSaver.from_conn_string(f"{next(numbers)}.sqlite")))
print("done")
"""


@pytest.mark.parametrize("strict", ["true", "false"])
def test_ordinary_checkpointers_load_records_without_warnings(strict: str, tmp_path: Path):
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path,
        env={"LANGGRAPH_STRICT_MSGPACK": strict, "LANGSMITH_TRACING": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.stdout, process.stderr) == ("done\n", "")
