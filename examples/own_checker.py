"""Pass your own checker and scorer to the loop as functions.

python examples/own_checker.py
"""

import re
from collections.abc import Sequence

from selfcritic.agent import Comment, Critique, load
from selfcritic.graphs import create_self_critique


async def adds_up(question: str, draft: str) -> list[Comment]:
    """Check a sum; findings take precedence over the opinions of a model."""
    numbers = re.findall(r"\d[\d,]*", question)
    total = sum(int(number.replace(",", "")) for number in numbers)
    if draft.strip() == str(total):
        return []
    return [Comment(quote=draft, text=f"The numbers add up to {total}.", severity="high")]


async def brief(question: str, draft: str, critiques: Sequence[Critique]) -> list[float]:  # noqa: ARG001
    """Score all critiques of a draft: the fewer comments, the better."""
    return [-float(len(critique.comments)) for critique in critiques]


model = load("simulated", draft_error_rate=1)
graph = create_self_critique(
    model=model, checkers=[adds_up], scorer=brief, max_rounds=5, seed=3
).compile()

if __name__ == "__main__":
    output = graph.invoke({"question": "What is 4,387 + 2,965?"})
    for draft in output["rounds"]:
        findings = [f"{finding.source}: {finding.text}" for finding in draft.findings]
        rewards = {critique.reward for critique in draft.critiques if critique.reward is not None}
        print(draft.answer, "|", *findings, "|", *sorted(rewards))
    print(f"stopped for {output['stop_reason']} with {output['answer']}")
