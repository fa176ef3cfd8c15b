"""The choice among scored critiques: reward + length_modifier × highlights, and how to set the modifier (paper 2, 7.1).

All of it is arithmetic on a pool of critiques that is already paid for, so a whole frontier between precise and
thorough costs one search. A highlight is a comment whose quote stands in the draft, equal ones counted once; the paper
counts whatever is quoted.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

from selfcritic.agent.critic.format import render
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Critique

_HALVINGS = 60


def rerank(pool: Sequence[Critique], length_modifier: float) -> int | None:
    """The index of the critique that a modifier chooses, the first of equals; None where none can be chosen.

    A critique that has no reward, or of whose quotes none stands in the draft, is never chosen. A greater modifier
    never chooses fewer highlights.
    """
    return next(iter(rank(pool, length_modifier)), None)


def rank(pool: Sequence[Critique], length_modifier: float) -> list[int]:
    """The indices of the critiques that a modifier can choose, in the order in which it would."""
    eligible = [index for index, critique in enumerate(pool) if is_eligible(critique)]
    return sorted(eligible, key=lambda index: -_worth(pool[index], length_modifier))


def is_eligible(critique: Critique) -> bool:
    """Whether a critique has a reward and does not rest on invented quotes alone."""
    return critique.reward is not None and not is_ungrounded(critique)


def is_ungrounded(critique: Critique) -> bool:
    """Whether a critique quotes, and none of its quotes stands in the draft."""
    return bool(critique.ungrounded) and not critique.comments


def _worth(critique: Critique, length_modifier: float) -> Fraction:
    # Exact, for rounding could make a greater modifier choose fewer highlights.
    return Fraction(critique.reward or 0.0) + Fraction(length_modifier) * len(critique.comments)


def calibrate(pools: Sequence[Sequence[Critique]], percentile: float) -> float:
    """The modifier whose choices have, on average, a percentile of the highlights of all critiques in the pools.

    The paper sets its four modifiers so, at the 10th, 25th, 50th and 75th percentile of the lengths sampled during the
    search. The average is a step function of the modifier: the side of the nearest step that is closer is taken.
    Raises InputError where no pool has a critique to choose, or the percentile is not between 0 and 100.
    """
    if not 0 <= percentile <= 100:
        raise InputError(f"A percentile lies between 0 and 100; {percentile} does not.")
    frontiers = [frontier for pool in pools if (frontier := _frontier(pool))]
    if not frontiers:
        raise InputError("The pools hold no scored critique: draw them first, with a review or the search itself.")
    lengths = [len(critique.comments) for pool in pools for critique in pool if is_eligible(critique)]
    wanted = _percentile(lengths, percentile)
    rewards = [critique.reward or 0.0 for frontier in frontiers for critique in frontier]
    below, above = -(max(rewards) - min(rewards) + 1.0), max(rewards) - min(rewards) + 1.0
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        below, above = (middle, above) if _mean_length(frontiers, middle) < wanted else (below, middle)
    return min(below, above, key=lambda modifier: abs(_mean_length(frontiers, modifier) - wanted))


def _frontier(pool: Sequence[Critique]) -> list[Critique]:
    """The best critique of each number of highlights: no modifier chooses another."""
    best: dict[int, Critique] = {}
    for critique in filter(is_eligible, pool):
        other = best.setdefault(len(critique.comments), critique)
        if (critique.reward or 0.0) > (other.reward or 0.0):
            best[len(critique.comments)] = critique
    return list(best.values())


def _mean_length(frontiers: Sequence[Sequence[Critique]], length_modifier: float) -> float:
    selected_critique = [frontier[rerank(frontier, length_modifier) or 0] for frontier in frontiers]
    return sum(len(critique.comments) for critique in selected_critique) / len(selected_critique)


def _percentile(values: Sequence[int], percentile: float) -> float:
    """Between the two values next to it in order, by how near each is."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percentile / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def select_critiques(
    pool: Sequence[Critique], length_modifier: float, follow: int, is_enough: Callable[[Critique], bool]
) -> list[int]:
    """The indices of at most `follow` critiques, the best first; none where the best is not good enough.

    Of a pair whose quotes overlap, or that says the same of different words, the better one is taken. One without any
    located quote is followed alone.
    """
    order = rank(pool, length_modifier)
    taken = [index for index in order[:1] if is_enough(pool[index])]
    for index in order[1:] if taken else []:
        if len(taken) < follow and is_enough(pool[index]) and _are_apart(pool[index], [pool[at] for at in taken]):
            taken.append(index)
    return taken


def _are_apart(critique: Critique, others: Sequence[Critique]) -> bool:
    known = [comment for other in others for comment in other.comments]
    clash = any(one.overlaps(other) or one.text == other.text for one in critique.comments for other in known)
    return bool(critique.comments) and all(other.comments for other in others) and not clash


def selected_critique(pool: Sequence[Critique]) -> Critique | None:
    """What the selected critiques say together; None where none is selected."""
    selected = [critique for critique in pool if critique.selected]
    return merge_critiques(selected) if selected else None


def merge_critiques(critiques: Sequence[Critique]) -> Critique:
    """The one critique there is; of several, one of all their comments, in the order of their places."""
    first, *others = critiques
    if not others:
        return first
    comments = [comment for critique in critiques for comment in critique.comments]
    comments.sort(key=lambda comment: (comment.start or 0, comment.end or 0))
    return Critique(text=render(comments), comments=comments, selected=True)
