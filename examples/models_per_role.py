"""Use a different model for each role, with a fallback for the critic.

python examples/models_per_role.py
"""

from selfcritic.agent import load
from selfcritic.graphs import create_self_critique

careless = load("simulated", draft_error_rate=1.0, refine_error_rate=0.3, seed=2)
careful = load("simulated", miss_rate=0.02, false_alarm_rate=0.02, judge_error_rate=0.02, seed=3)

graph = create_self_critique(
    generator=careless,
    refiner=careless,
    critic=careful,  # or a name: "anthropic/claude-sonnet-4-5"
    judge=careful,
    fallbacks={"critic": ["simulated?seed=4"]},
    temperatures={"judge": 0.0},
).compile()
output = graph.invoke({"question": "What is 90,210 + 18,795?"})

print(f"first draft: {output['rounds'][0].answer}")
print(f"answer: {output['answer']} ({output['stop_reason']})")
print(f"self-graded: {output['self_graded']}")
for role, usage in output["usage"].by_role.items():
    num_tokens = usage.input_tokens + usage.output_tokens
    print(f"{role:9} {usage.calls} calls, {num_tokens} tokens")
