"""Run the loop on one question and print every draft.

python examples/hello.py
"""

from selfcritic.agent import load
from selfcritic.graphs import create_self_critique

model = load("simulated", seed=11)  # or any litellm name, such as "openai/gpt-5-mini"
graph = create_self_critique(model=model, num_critiques=8, max_rounds=3).compile()
output = graph.invoke(
    {"question": "Sort these words alphabetically: pear, apple, plum, fig, lime, kiwi"}
)

for number, current in enumerate(output["rounds"]):
    print(f"draft {number}, P(critiqueable) {current.p_critiqueable:.2f}: {current.answer}")
    for critique in current.critiques:
        if not critique.selected:
            continue
        for comment in critique.comments:
            print(f"  “{comment.quote}”: {comment.text}")
print()
print(output["answer"])
print(f"{output['stop_reason']} after {output['usage'].calls} calls")
