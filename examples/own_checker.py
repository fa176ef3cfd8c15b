"""A checker and a scorer of your own: functions that know what is wrong, and what a critique is worth.

python examples/own_checker.py
"""

import re
from collections.abc import Sequence

from selfcritic.agent import Comment, Critique
from selfcritic.graphs import create_self_critique


async def adds_up(question: str, draft: str) -> list[Comment]:
    """Find what is wrong with a sum; what a checker finds goes before every opinion of a model."""
    total = sum(int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", question))
    if draft.strip() == str(total):
        return []
    return [Comment(quote=draft, text=f"The numbers add up to {total}.", severity="high")]


async def brief(question: str, draft: str, critiques: Sequence[Critique]) -> list[float]:  # noqa: ARG001
    """Score the critiques of a draft, all in one call: here the fewer comments, the better."""
    return [-float(len(critique.comments)) for critique in critiques]


graph = create_self_critique(
    model="simulated?draft_error_rate=1", checkers=[adds_up], scorer=brief, max_rounds=5, seed=3
).compile()  # fmt: skip

if __name__ == "__main__":
    out = graph.invoke({"question": "What is 4,387 + 2,965?"})
    for draft in out["rounds"]:
        rewards = sorted({critique.reward for critique in draft.critiques if critique.reward is not None})
        print(draft.answer, "|", *(f"{found.source}: {found.text}" for found in draft.findings), "|", *rewards)
    print(f"stopped for {out['stop_reason']} with {out['answer']}")
