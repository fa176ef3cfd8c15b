"""The loop on one question: every draft, the critique that was chosen, and why the run stopped.

python examples/hello.py
"""

from selfcritic.agent import load
from selfcritic.graphs import create_self_critique

model = load("simulated", seed=11)  # a name such as "openai/gpt-5-mini" takes its place
graph = create_self_critique(model=model, num_critiques=8, max_rounds=3).compile()
out = graph.invoke({"question": "Sort these words alphabetically: pear, apple, plum, fig, lime, kiwi"})

for number, draft in enumerate(out["rounds"]):
    print(f"draft {number}, P(critiqueable) {draft.p_critiqueable:.2f}: {draft.answer}")
    for critique in draft.critiques:
        if critique.selected:
            print(*(f"  “{comment.quote}”: {comment.text}" for comment in critique.comments), sep="\n")
print(f"\n{out['answer']}\n{out['stop_reason']} after {out['usage'].calls} calls")
