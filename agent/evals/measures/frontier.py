"""Draw the frontier of comprehensiveness against spurious claims (paper 2, figures 8 and 9).

Each length modifier selects a critique from the same pools, so that the whole frontier costs no calls. A modifier that
is reported for use is chosen on development tasks, and measured on test tasks.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate


@dataclass(frozen=True)
class RatedSample:
    """A critique of a pool, with its rating."""

    reward: float
    num_highlights: int
    is_comprehensive: bool | None
    """None if the rating is missing."""
    is_spurious: bool | None
    """Whether it has a nitpick or a hallucinated problem."""


@dataclass(frozen=True)
class FrontierPoint:
    """The selected critiques at one length modifier."""

    length_modifier: float
    comprehensive: Estimate
    spurious: Estimate
    highlights: Estimate


def measure_frontier(
    pools: Mapping[Hashable, Sequence[RatedSample]], length_modifiers: Sequence[float]
) -> list[FrontierPoint]:
    """Return one point for each length modifier; intervals resample tasks.

    Args:
        pools: Rated critiques of each answer; the key's first item is the task if it is a tuple.
        length_modifiers: Values of λ in reward + λ · highlights.
    """
    tasks = [_task(name) for name in pools]
    points = []
    for modifier in length_modifiers:
        chosen = [select_sample(pool, modifier) for pool in pools.values()]
        points.append(
            FrontierPoint(
                modifier,
                rate([sample.is_comprehensive if sample else None for sample in chosen], tasks),
                rate([sample.is_spurious if sample else None for sample in chosen], tasks),
                mean([sample.num_highlights if sample else None for sample in chosen], tasks),
            )
        )
    return points


def select_sample(pool: Sequence[RatedSample], length_modifier: float) -> RatedSample | None:
    """Return the sample with the highest reward plus modifier times highlights (paper 2, section 7.1)."""
    if not pool:
        return None
    modifier = Fraction(length_modifier)  # exact, as a calibrated modifier is next to a tie
    return max(pool, key=lambda sample: Fraction(sample.reward) + modifier * sample.num_highlights)


def _task(name: Hashable) -> Hashable:
    return name[0] if isinstance(name, tuple) else name
