"""Use the loop as a tool that an agent can call.

python examples/as_tool.py
"""

from langchain_core.tools import tool

from selfcritic.agent import Budget
from selfcritic.graphs import create_self_critique

graph = create_self_critique(model="simulated", budget=Budget(calls=40), seed=1).compile()


@tool
def answer_carefully(question: str) -> str:
    """Answer a question that must be correct. Slow: the answer is criticized and refined."""
    output = graph.invoke({"question": question})
    return str(output["answer"])


if __name__ == "__main__":
    # An agent created with create_agent(…, tools=[answer_carefully]) sends calls like this.
    arguments = {"question": "What is 4,387 + 2,965?"}
    tool_call = {"type": "tool_call", "id": "1", "name": "answer_carefully", "args": arguments}
    print(answer_carefully.invoke(tool_call))
