"""Use the loop as a node of a chat graph.

python examples/embed_in_chat.py
"""

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from selfcritic.agent.schemas import StopReason, Usage
from selfcritic.graphs import create_self_critique


class Chat(MessagesState, total=False):
    """Chat state; declare the outputs of the loop that you want to keep."""

    stop_reason: StopReason
    usage: Usage


builder = StateGraph(Chat)
builder.add_node("answer", create_self_critique(model="simulated", max_rounds=5, seed=5).compile())
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
chat = builder.compile(checkpointer=InMemorySaver())

if __name__ == "__main__":
    config = RunnableConfig(configurable={"thread_id": "ann"})
    for question in (
        "What is 4,387 + 2,965?",
        "Sort these words alphabetically: pear, apple, plum, fig",
    ):
        output = chat.invoke({"messages": [HumanMessage(question)]}, config)
        answer = output["messages"][-1].text
        print(question)
        print(f"  {answer}  ({output['stop_reason']}, {output['usage'].calls} calls)")
