"""A budget: one limit for drafting, judging, criticising and mending together, and the best draft when it is spent.

python examples/budget.py
"""

from selfcritic.agent import Budget
from selfcritic.graphs import create_self_critique

graph = create_self_critique(
    model="simulated?slip=1&miss=0&misjudge=0&botch=1&seed=1",  # every draft has a flaw, and every mend puts another in
    critiques=8,
    max_rounds=20,
    patience=20,
    budget=Budget(calls=15, seconds=60),  # tokens and cost_usd can be limited, too
).compile()


def main() -> None:
    """Run until the budget is spent; request number 16 is never sent."""
    out = graph.invoke({"question": "What is 438,712 + 296,543?"})
    usage = out["usage"]
    print(f"stopped for: {out['stop_reason']}, after {usage.calls} calls and {len(out['rounds']) - 1} refinements")
    for role, spent in usage.by_role.items():
        print(f"  {role:9}  {spent.calls:2} calls, {spent.input_tokens + spent.output_tokens:5} tokens")
    print(f"the best draft so far: {out['answer']} (P(critiqueable) {out['p_critiqueable']:.2f})")


if __name__ == "__main__":
    main()
