"""The loop as a tool that an agent may call: LangChain's own decorator is all that it takes.

python examples/as_tool.py
"""

from langchain_core.tools import tool

from selfcritic.agent import Budget
from selfcritic.graphs import create_self_critique

careful = create_self_critique(model="simulated", budget=Budget(calls=40), seed=1).compile()


@tool
def answer_with_care(question: str) -> str:
    """Answer a question that must be right; slow, as the answer is criticised and mended."""
    return str(careful.invoke({"question": question})["answer"])


if __name__ == "__main__":
    call = {"type": "tool_call", "id": "1", "name": "answer_with_care", "args": {"question": "What is 4,387 + 2,965?"}}
    print(answer_with_care.invoke(call))  # as an agent calls it: create_agent(…, tools=[answer_with_care])
