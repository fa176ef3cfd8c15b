"""Rank, select and merge scored critiques (paper 2, section 7.1).

A critique's value is its reward + length_modifier × its number of highlights. All functions work on a pool of critiques
that is already scored, so one search serves every tradeoff between precision and comprehensiveness. A highlight is a
located comment, duplicates counted once; the paper counts every quote.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import product

from selfcritic.agent.critic.format import render
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment, Critique

_BISECTION_STEPS = 60


def rerank(
    pool: Sequence[Critique], length_modifier: float, *, allow_ungrounded: bool = False
) -> int | None:
    """Select the critique with the highest value.

    A critique without a reward, or with only ungrounded quotes, is never selected. A critique that quotes nothing is
    only selected with `allow_ungrounded`. A higher modifier never selects fewer highlights.

    Returns:
        The index of the best critique, the first of ties; None if no critique is eligible.
    """
    ranking = rank(pool, length_modifier, allow_ungrounded=allow_ungrounded)
    if not ranking:
        return None
    return ranking[0]


def rank(
    pool: Sequence[Critique], length_modifier: float, *, allow_ungrounded: bool = False
) -> list[int]:
    """Return the indices of the eligible critiques, highest value first."""
    eligible: list[int] = []
    for index, critique in enumerate(pool):
        if is_eligible(critique, allow_ungrounded=allow_ungrounded):
            eligible.append(index)
    return sorted(eligible, key=lambda index: _value(pool[index], length_modifier), reverse=True)


def is_eligible(critique: Critique, *, allow_ungrounded: bool = False) -> bool:
    """Whether a critique has a reward and may be used."""
    return critique.reward is not None and is_usable(critique, allow_ungrounded=allow_ungrounded)


def is_usable(critique: Critique, *, allow_ungrounded: bool = False) -> bool:
    """Whether a critique has a located comment, or may be without quotes."""
    if critique.comments:
        return True
    return allow_ungrounded and not critique.ungrounded


def count_ungrounded(pool: Iterable[Critique]) -> int:
    """Count the critiques without a located comment."""
    return sum(not critique.comments for critique in pool)


def _reward(critique: Critique) -> float:
    return critique.reward or 0.0


def _value(critique: Critique, length_modifier: float) -> Fraction:
    # Exact: rounding could make a higher modifier select fewer highlights.
    return Fraction(_reward(critique)) + Fraction(length_modifier) * len(critique.comments)


def calibrate(
    pools: Sequence[Sequence[Critique]], percentile: float, *, allow_ungrounded: bool = False
) -> float:
    """Find the length modifier for a percentile of the sampled highlights.

    With this modifier, the selected critiques have on average as many highlights as the percentile of all eligible
    critiques. The average is a step function of the modifier; the nearer side of the nearest step is taken. The paper
    sets its four modifiers at the 10th, 25th, 50th and 75th percentile of the lengths sampled during the search.

    Raises:
        InputError: No pool has an eligible critique, or `percentile` is not between 0 and 100.
    """
    if not 0 <= percentile <= 100:
        raise InputError(f"`percentile` must be between 0 and 100, not {percentile}.")
    frontiers: list[list[Critique]] = []
    lengths: list[int] = []
    for pool in pools:
        ranking = rank(pool, 0.0, allow_ungrounded=allow_ungrounded)
        eligible = [pool[index] for index in sorted(ranking)]
        if eligible:
            frontiers.append(_frontier(eligible))
            lengths.extend(len(critique.comments) for critique in eligible)
    if not frontiers:
        raise InputError("`pools` contain no scored critique: run a review or FSBS to create some.")
    return _bisect(frontiers, _percentile(lengths, percentile))


def _bisect(frontiers: Sequence[Sequence[Critique]], target: float) -> float:
    """Return the modifier whose mean length is nearest to the target."""
    rewards = [_reward(critique) for frontier in frontiers for critique in frontier]
    high = max(rewards) - min(rewards) + 1.0
    low = -high
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        if _mean_length(frontiers, middle) < target:
            low = middle
        else:
            high = middle
    low_error = abs(_mean_length(frontiers, low) - target)
    high_error = abs(_mean_length(frontiers, high) - target)
    if high_error < low_error:
        return high
    return low


def _frontier(critiques: Sequence[Critique]) -> list[Critique]:
    """Return the best critique for each number of highlights; no other can be selected."""
    best: dict[int, Critique] = {}
    for critique in critiques:
        length = len(critique.comments)
        current = best.setdefault(length, critique)
        if _reward(critique) > _reward(current):
            best[length] = critique
    return list(best.values())


def _mean_length(frontiers: Sequence[Sequence[Critique]], length_modifier: float) -> float:
    total = 0
    for frontier in frontiers:
        best = max(frontier, key=lambda critique: _value(critique, length_modifier))
        total += len(best.comments)
    return total / len(frontiers)


def _percentile(values: Sequence[int], percentile: float) -> float:
    """Return a percentile, interpolated between the two nearest values."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percentile / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def select_critiques(
    pool: Sequence[Critique],
    length_modifier: float,
    limit: int,
    is_good_enough: Callable[[Critique], bool],
    *,
    allow_ungrounded: bool = False,
) -> list[int]:
    """Select critiques for one refinement, best first.

    Of two critiques with overlapping quotes, or with the same text about different quotes, only the better one is
    selected. A critique without a located quote is only selected with `allow_ungrounded`, and alone.

    Returns:
        The indices of at most `limit` critiques; none if the best one is not good enough.
    """
    ranking = rank(pool, length_modifier, allow_ungrounded=allow_ungrounded)
    if not ranking or not is_good_enough(pool[ranking[0]]):
        return []
    selected = ranking[:1]
    for index in ranking[1:]:
        if len(selected) >= limit:
            break
        critique = pool[index]
        others = [pool[selected_index] for selected_index in selected]
        if is_good_enough(critique) and _is_independent(critique, others):
            selected.append(index)
    return selected


def _is_independent(critique: Critique, others: Sequence[Critique]) -> bool:
    if not critique.comments:
        return False
    for other in others:
        if not other.comments:
            return False
        for comment, other_comment in product(critique.comments, other.comments):
            if comment.overlaps(other_comment) or comment.text == other_comment.text:
                return False
    return True


def selected_critique(pool: Sequence[Critique]) -> Critique | None:
    """Merge the selected critiques into one; None if there are none."""
    selected = [critique for critique in pool if critique.selected]
    if not selected:
        return None
    return merge_critiques(selected)


def merge_critiques(critiques: Sequence[Critique]) -> Critique:
    """Combine critiques into one, its comments ordered by position.

    A single critique is returned unchanged.
    """
    if len(critiques) == 1:
        return critiques[0]
    comments = [comment for critique in critiques for comment in critique.comments]
    comments.sort(key=lambda comment: (comment.start or 0, comment.end or 0))
    return Critique(text=render(comments), comments=comments, selected=True)


def findings_as_critique(findings: Sequence[Comment]) -> Critique:
    """Return a selected critique of all findings; `source` of each comment names its checker."""
    return Critique(text=render(findings), comments=list(findings), selected=True)
