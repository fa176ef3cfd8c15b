"""One budget over all parts: the run ends with its best draft before a request would exceed it.

python examples/budget.py
"""

from selfcritic.agent import Budget, Context, load
from selfcritic.graphs import create_self_critique

stubborn = load(
    "simulated", draft_error_rate=1.0, refine_error_rate=0.7, seed=5
)  # its drafts are wrong, and most of its mends, too
graph = create_self_critique(model=stubborn, max_rounds=20, patience=20).compile()

for calls in (2, 10, 40):
    options = Context(budget=Budget(calls=calls, tokens=100_000, seconds=60))
    out = graph.invoke({"question": "What is 4,387 + 2,965?"}, context=options)
    used, rounds = out["usage"].calls, len(out["rounds"]) - 1
    print(f"at most {calls} calls: {used} sent, {rounds} refinements, {out['answer']} ({out['stop_reason']})")
