"""The loop as a node of a chat graph: each turn's answer is mended before the person reads it.

python examples/embed_in_chat.py
"""

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from selfcritic.agent.schemas import StopReason, Usage
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import serializer


class Chat(MessagesState, total=False):
    """The chat's own state; keys of the loop's output that it names come through."""

    stop_reason: StopReason
    usage: Usage


builder = StateGraph(Chat)
builder.add_node("answer", create_self_critique(model="simulated", max_rounds=5, seed=1).compile())
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
chat = builder.compile(checkpointer=InMemorySaver(serde=serializer()))

if __name__ == "__main__":
    thread = RunnableConfig(configurable={"thread_id": "ann"})
    for turn in ("What is 4,387 + 2,965?", "Sort these words alphabetically: pear, apple, plum, fig"):
        out = chat.invoke({"messages": [HumanMessage(turn)]}, thread)
        print(f"{turn}\n  {out['messages'][-1].text}  ({out['stop_reason']}, {out['usage'].calls} calls)")
