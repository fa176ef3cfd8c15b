"""A node of your own in the place of the loop's: here the critiques come from a function that knows the alphabet.

python examples/own_nodes.py
"""

from itertools import pairwise

from langgraph.runtime import Runtime

from selfcritic.agent import Context, State, Step, load
from selfcritic.agent.critic.grounding import ground
from selfcritic.graphs import create_self_critique


def critique(state: State, runtime: Runtime[Context]) -> State:
    """Object to the first word that stands before one it should follow; async nodes are taken as well."""
    step = Step(state, runtime)
    words, order = step.round.answer.split(", "), sorted(step.round.answer.split(", "))
    late = next((after for before, after in pairwise(words) if before > after), words[0])
    before = order.index(late) - 1
    place = f'right after "{order[before]}"' if before >= 0 else "at the start"
    objection = f'```\n{late}\n```\n"{late}" is out of order: it belongs {place}.'
    return step.update(rounds=step.rounds_with(critiques=[ground(objection, step.round.answer)]))


model = load("simulated", draft_error_rate=1, miss_rate=0, refine_error_rate=0, seed=10)
graph = create_self_critique(nodes={"critique": critique}, model=model, max_rounds=5).compile()

if __name__ == "__main__":
    out = graph.invoke({"question": "Sort these words alphabetically: pear, apple, plum, fig, kiwi"})
    for draft in out["rounds"]:
        print(draft.answer, *("← " + critique.comments[0].text for critique in draft.critiques))
    print(f"stopped for {out['stop_reason']}; asked were: {', '.join(out['usage'].by_role)}")
