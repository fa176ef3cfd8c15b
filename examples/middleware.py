"""Review and refine an agent's final answer (extra `langchain`).

python examples/middleware.py
"""

from langchain.agents import create_agent

from selfcritic.agent import Budget, load
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

agent = create_agent(
    load("simulated", draft_error_rate=1, seed=1),  # the first answer is always wrong
    middleware=[
        SelfCritiqueMiddleware(model="simulated", max_rounds=5, budget=Budget(calls=60), seed=1)
    ],
)

if __name__ == "__main__":
    output = agent.invoke({"messages": [{"role": "user", "content": "What is 4,387 + 2,965?"}]})
    run = output["self_critique"]
    num_refinements = len(run["rounds"]) - 1
    print("agent's answer:", run["rounds"][0].answer)
    print("final answer:", output["messages"][-1].text)
    print(
        f"{run['stop_reason']} after {num_refinements} refinements and {run['usage'].calls} calls"
    )
