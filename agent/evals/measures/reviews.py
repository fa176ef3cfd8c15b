"""Measure code reviews against known bugs, with one-to-one matching of comments and bugs.

A comment can match a bug only in the same file. Matches maximize the sum of their scores, and a score below the
threshold is no match. Clean items count only for the false-alarm rate: silence on them is not perfect precision.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from selfcritic.agent.data.records import Bug
from selfcritic.agent.evals.measures.costs import cost_per_success
from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate
from selfcritic.agent.schemas import Comment

MatchScore = Callable[[Comment, Bug], float]
"""Returns how well a comment describes a bug, from 0 to 1."""


@dataclass(frozen=True)
class ReviewedItem:
    """The comments on one answer, and which bugs they match."""

    task: Hashable
    num_comments: int
    bugs: Sequence[Bug]
    matched: Sequence[bool]
    """For each bug, whether a comment matches it."""

    @property
    def is_clean(self) -> bool:
        """Whether the answer has no known bug."""
        return not self.bugs


@dataclass(frozen=True)
class ReviewResult:
    """Recall and precision on flawed items, and false alarms on clean ones."""

    recall: Estimate
    """Share of bugs that a comment matches."""
    precision: Estimate
    """Share of the comments on flawed items that match a bug."""
    severe_misses: Estimate
    """Share of bugs of high severity that no comment matches."""
    false_alarms: Estimate
    """Share of clean items with a comment."""
    comments: Estimate
    """Mean comments per item."""


def overlap_score(comment: Comment, bug: Bug) -> float:
    """Return the share of the bug's quote that the comment's quote covers; 0 without places."""
    if comment.start is None or comment.end is None or bug.start is None or bug.end is None:
        return 0.0
    shared = min(comment.end, bug.end) - max(comment.start, bug.start)
    return max(0, shared) / max(1, bug.end - bug.start)


def match_comments(
    comments: Sequence[Comment],
    bugs: Sequence[Bug],
    score: MatchScore = overlap_score,
    threshold: float = 0.5,
) -> list[int | None]:
    """Return the index of each bug's comment, None for missed bugs; no comment is used twice."""
    matches: list[int | None] = [None] * len(bugs)
    if not comments or not bugs:
        return matches
    scores = np.array([[score(comment, bug) for comment in comments] for bug in bugs])
    scores[scores < threshold] = 0.0
    rows, columns = optimize.linear_sum_assignment(scores, maximize=True)
    for row, column in zip(rows, columns, strict=True):
        if scores[row, column] > 0:
            matches[int(row)] = int(column)
    return matches


def measure_reviews(items: Sequence[ReviewedItem]) -> ReviewResult:
    """Measure reviews of flawed and clean items; intervals resample tasks."""
    flawed = [item for item in items if not item.is_clean]
    clean = [item for item in items if item.is_clean]
    found: list[bool] = []
    severe_missed: list[bool] = []
    bug_tasks: list[Hashable] = []
    severe_tasks: list[Hashable] = []
    for item in flawed:
        for bug, is_matched in zip(item.bugs, item.matched, strict=True):
            found.append(is_matched)
            bug_tasks.append(item.task)
            if bug.severity == "high":
                severe_missed.append(not is_matched)
                severe_tasks.append(item.task)
    return ReviewResult(
        recall=rate(found, bug_tasks),
        precision=_precision(flawed),
        severe_misses=rate(severe_missed, severe_tasks),
        false_alarms=rate([item.num_comments > 0 for item in clean], [item.task for item in clean]),
        comments=mean([item.num_comments for item in items], [item.task for item in items]),
    )


def _precision(items: Sequence[ReviewedItem]) -> Estimate:
    """Return the share of comments that match a bug; each comment is a row."""
    hits: list[bool] = []
    tasks: list[Hashable] = []
    for item in items:
        num_matched = sum(item.matched)
        for index in range(item.num_comments):
            hits.append(index < num_matched)
            tasks.append(item.task)
    return rate(hits, tasks)


def calls_per_caught_bug(items: Sequence[ReviewedItem], costs: Sequence[float | None]) -> Estimate:
    """Return the costs of all items divided by the bugs caught in them."""
    caught = [float(sum(item.matched)) for item in items]
    return cost_per_success(costs, caught, [item.task for item in items])
