"""A model for each part: a hasty one drafts, a careful one criticises, and a stand-in waits behind it.

python examples/models_per_role.py
"""

from selfcritic.agent import load
from selfcritic.graphs import create_self_critique

hasty = load("simulated", draft_error_rate=1.0, refine_error_rate=0.3, seed=2)
careful = load("simulated", miss_rate=0.02, false_alarm_rate=0.02, judge_error_rate=0.02, seed=3)

graph = create_self_critique(
    generator=hasty,
    refiner=hasty,
    critic=careful,  # or a name: "anthropic/claude-sonnet-4-5"
    judge=careful,
    fallbacks={"critic": ["simulated?seed=4"]},
    temperatures={"judge": 0.0},
).compile()
out = graph.invoke({"question": "What is 90,210 + 18,795?"})

print(f"{out['rounds'][0].answer} became {out['answer']}: {out['stop_reason']}, graded by itself: {out['self_graded']}")
for role, spent in out["usage"].by_role.items():
    print(f"{role:9} {spent.calls} calls, {spent.input_tokens + spent.output_tokens} tokens")
