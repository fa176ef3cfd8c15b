"""Replace the critique node with a function that checks the order of words.

python examples/own_nodes.py
"""

from itertools import pairwise

from langgraph.runtime import Runtime

from selfcritic.agent import Context, State, Step, load
from selfcritic.agent.critic.grounding import ground
from selfcritic.graphs import create_self_critique


def critique(state: State, runtime: Runtime[Context]) -> State:
    """Criticize the first word that is out of order; nodes can also be async."""
    step = Step(state, runtime)
    answer = step.round.answer
    words = answer.split(", ")
    order = sorted(words)
    misplaced = words[0]
    for previous, word in pairwise(words):
        if previous > word:
            misplaced = word
            break
    rank = order.index(misplaced)
    target = f'right after "{order[rank - 1]}"' if rank > 0 else "at the start"
    text = f'```\n{misplaced}\n```\n"{misplaced}" is out of order: it belongs {target}.'
    return step.update(rounds=step.rounds_with(critiques=[ground(text, answer)]))


model = load("simulated", draft_error_rate=1, miss_rate=0, refine_error_rate=0, seed=6)
graph = create_self_critique(nodes={"critique": critique}, model=model, max_rounds=5).compile()

if __name__ == "__main__":
    output = graph.invoke(
        {"question": "Sort these words alphabetically: pear, apple, plum, fig, kiwi"}
    )
    for current in output["rounds"]:
        print(current.answer, *("← " + critique.comments[0].text for critique in current.critiques))
    print(f"{output['stop_reason']}; roles with a model: {', '.join(output['usage'].by_role)}")
