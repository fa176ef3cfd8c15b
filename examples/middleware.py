"""An agent whose final answer is criticised and mended (extra `langchain`).

python examples/middleware.py
"""

from langchain.agents import create_agent

from selfcritic.agent import Budget, load
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

agent = create_agent(
    load("simulated", draft_error_rate=1, seed=1),  # its first answer is always wrong
    middleware=[SelfCritiqueMiddleware(model="simulated", max_rounds=5, budget=Budget(calls=60), seed=1)],
)

if __name__ == "__main__":
    out = agent.invoke({"messages": [{"role": "user", "content": "What is 4,387 + 2,965?"}]})
    run = out["self_critique"]
    print("the agent said:", run["rounds"][0].answer)
    print("after critique:", out["messages"][-1].text)
    print(f"stopped for {run['stop_reason']} after {len(run['rounds']) - 1} mends and {run['usage'].calls} calls")
