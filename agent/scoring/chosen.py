"""Which critiques one refinement follows: the best and, where `follow` allows, the next best about other passages.

Paper 1 refines by one critique, the best. Where critiques name one flaw each, as those of small models do, following
several at once mends several flaws for the price of one refinement.
"""

from collections.abc import Callable, Sequence

from selfcritic.agent.evidence.marks import overlap
from selfcritic.agent.parsing import render
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.rerank import ranked


def choose(
    pool: Sequence[Critique], length_modifier: float, follow: int, is_enough: Callable[[Critique], bool]
) -> list[int]:
    """The indices of at most `follow` critiques, the best first; none where the best is not good enough.

    Of a pair whose quotes overlap, or that says the same of different words, the better one is taken. One without any
    located quote is followed alone.
    """
    order = ranked(pool, length_modifier)
    taken = [index for index in order[:1] if is_enough(pool[index])]
    for index in order[1:] if taken else []:
        if len(taken) < follow and is_enough(pool[index]) and _are_apart(pool[index], [pool[at] for at in taken]):
            taken.append(index)
    return taken


def _are_apart(critique: Critique, others: Sequence[Critique]) -> bool:
    known = [comment for other in others for comment in other.comments]
    clash = any(overlap(one, other) or one.text == other.text for one in critique.comments for other in known)
    return bool(critique.comments) and all(other.comments for other in others) and not clash


def chosen(pool: Sequence[Critique]) -> Critique | None:
    """What the selected critiques say together; None where none is selected."""
    selected = [critique for critique in pool if critique.selected]
    return together(selected) if selected else None


def together(critiques: Sequence[Critique]) -> Critique:
    """The one critique there is; of several, one of all their comments, in the order of their places."""
    first, *others = critiques
    if not others:
        return first
    comments = [comment for critique in critiques for comment in critique.comments]
    comments.sort(key=lambda comment: (comment.start or 0, comment.end or 0))
    return Critique(text=render(comments), comments=comments, selected=True)
