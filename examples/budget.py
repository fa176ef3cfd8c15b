"""Limit the requests of a run; it returns its best draft at the limit.

python examples/budget.py
"""

from selfcritic.agent import Budget, Context, load
from selfcritic.graphs import create_self_critique

# Every draft is wrong, and so are most refinements.
model = load("simulated", draft_error_rate=1.0, refine_error_rate=0.7, seed=5)
graph = create_self_critique(model=model, max_rounds=20, patience=20).compile()

for max_calls in (2, 10, 40):
    context = Context(budget=Budget(calls=max_calls, tokens=100_000, seconds=60))
    output = graph.invoke({"question": "What is 4,387 + 2,965?"}, context=context)
    num_calls = output["usage"].calls
    num_refinements = len(output["rounds"]) - 1
    print(f"limit {max_calls} calls: {num_calls} sent, {num_refinements} refinements,", end=" ")
    print(f"{output['answer']} ({output['stop_reason']})")
