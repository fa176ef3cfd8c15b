"""Summarize what was reviewed, by whom, and what was skipped."""

from collections.abc import Sequence

from selfcritic.agent.schemas import SEVERITIES, Severity
from selfcritic.graphs.cli.review.documents import Skipped
from selfcritic.graphs.cli.review.result import LocatedComment, Review

MAX_NAMES = 3


def describe_reviews(
    reviews: Sequence[Review],
    min_severity: Severity,
    reviewers: Sequence[str],
) -> str:
    """Return the line about the reviewed files, who reviewed them, and the comments."""
    comments: list[LocatedComment] = []
    for review in reviews:
        comments += review.comments(min_severity)
    files = count(len(reviews), "file")
    num_hunks = sum(review.document.num_hunks for review in reviews)
    if num_hunks:
        files += f" ({count(num_hunks, 'hunk')})"
    line = f"reviewed {files}"
    if not reviews:
        return line
    if reviewers:
        line += f" with {', '.join(reviewers)}"
    line += f"; {count_comments(comments)}"
    num_failed = sum(review.error is not None for review in reviews)
    if num_failed:
        line += f"; {count(num_failed, 'review')} failed"
    return line


def describe_skipped(skipped: Sequence[Skipped]) -> list[str]:
    """Return a line for each reason, with the names of some of its files."""
    names: dict[str, list[str]] = {}
    for skip in skipped:
        names.setdefault(skip.reason, []).append(skip.name)
    lines: list[str] = []
    for reason, group in names.items():
        if len(group) == 1:
            lines.append(f"skipped {group[0]}: it {reason}")
            continue
        shown = ", ".join(group[:MAX_NAMES])
        if len(group) > MAX_NAMES:
            shown += f" and {len(group) - MAX_NAMES} more"
        lines.append(f"skipped {len(group)} files: each {reason}: {shown}")
    return lines


def count_comments(comments: Sequence[LocatedComment]) -> str:
    """Return the number of comments, in total and by severity."""
    if not comments:
        return "no comments"
    severities = [comment.severity for comment in comments]
    counts: list[str] = []
    for severity in reversed(SEVERITIES):
        number = severities.count(severity)
        if number:
            counts.append(f"{number} {severity}")
    return f"{count(len(comments), 'comment')}: {', '.join(counts)}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 file" or "2 files"."""
    suffix = "" if number == 1 else "s"
    return f"{number:,} {noun}{suffix}"
