"""Locate the comments of a review and convert them to JSON."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from selfcritic.agent.schemas import SEVERITIES, Comment, Critique, Severity
from selfcritic.agent.state import ReviewOutput
from selfcritic.graphs.cli.review.approval import is_approval
from selfcritic.graphs.cli.review.documents import Document, Location, Skipped
from selfcritic.graphs.cli.review.earlier_findings import SYNTAX_ERRORS, FindingKey, key_of

CRITIC = "critic"
"""Source of comments that do not come from a checker."""
_DEFAULT_SEVERITY: Severity = "medium"
_TEST_SOURCES = ("unit_tests", "task_tests")


@dataclass(frozen=True)
class LocatedComment:
    """A comment whose quote is in the document, with its location."""

    comment: Comment
    start: int
    """Offset of the quote."""
    end: int
    location: Location
    is_quotable: bool
    """Whether there is no diff, the quote touches a changed line, or the change may cause the comment."""

    @property
    def severity(self) -> Severity:
        """An unrated comment counts as medium."""
        return self.comment.severity or _DEFAULT_SEVERITY

    @property
    def source(self) -> str:
        """Name of the checker, or `CRITIC`."""
        return self.comment.source or CRITIC

    def is_at_least(self, severity: Severity) -> bool:
        """Check for a severity or a higher one."""
        return severity_rank(self.severity) >= severity_rank(severity)


def severity_rank(severity: Severity) -> int:
    """Return a sort key: higher is more severe."""
    return SEVERITIES.index(severity)


@dataclass(frozen=True)
class Review:
    """The reviewed document and the output of the review graph."""

    document: Document
    question: str
    output: ReviewOutput
    earlier: Counter[FindingKey] | None = None
    """Findings in the file before the change; None if they are not known."""

    @property
    def error(self) -> str | None:
        """Error that ended the review."""
        return self.output.get("error")

    @property
    def is_cut_short(self) -> bool:
        """Whether the budget was spent before the review was complete."""
        return self.output.get("stop_reason") == "budget"

    @property
    def critique(self) -> Critique | None:
        """The selected critique."""
        return self.output.get("critique")

    @property
    def ungrounded_critiques(self) -> int:
        """Number of sampled critiques that quote nothing in the document."""
        return self.output.get("ungrounded_critiques", 0)

    @property
    def findings(self) -> list[Comment]:
        """Comments made by checkers."""
        return self.output["rounds"][0].findings

    @cached_property
    def located(self) -> list[LocatedComment]:
        """All comments with a location, in document order.

        Omits critic comments that repeat a finding.
        """
        comments = list(self.findings)
        if self.critique is not None:
            comments += self.critique.comments
        unique: dict[tuple[int | None, int | None, str], Comment] = {}
        for comment in reversed(comments):  # findings come last and replace equal critic comments
            unique[comment.start, comment.end, comment.text] = comment
        located = [
            self._locate(comment) for comment in unique.values() if comment.start is not None
        ]
        located = sorted(located, key=lambda comment: (comment.start, comment.end))
        return self._show_caused(located)

    def comments(self, min_severity: Severity) -> list[LocatedComment]:
        """Return the quotable comments of at least this severity, the most severe first.

        Comments of the same severity are in document order.
        """
        shown = [
            comment
            for comment in self.located
            if comment.is_quotable and comment.is_at_least(min_severity)
        ]
        return sort_by_severity(shown)

    @property
    def hidden_count(self) -> int:
        """Number of comments on lines that the diff did not change."""
        return sum(not comment.is_quotable for comment in self.located)

    @property
    def hidden_sources(self) -> set[str]:
        """Names of the checkers with a finding on lines that the diff did not change."""
        hidden = [located for located in self.located if not located.is_quotable]
        return {located.source for located in hidden if located.comment.source is not None}

    @property
    def unlocated(self) -> list[Comment]:
        """Comments whose quote is not in the document."""
        unlocated = [finding for finding in self.findings if finding.start is None]
        for critique in self._shown_critiques:
            unlocated += [comment for comment in critique.ungrounded if comment not in unlocated]
        return unlocated

    @property
    def unparsed(self) -> str:
        """Text of the critic that belongs to no comment."""
        texts = [critique.unparsed for critique in self._shown_critiques if critique.unparsed]
        return "\n\n".join(dict.fromkeys(texts))

    @property
    def _shown_critiques(self) -> Sequence[Critique]:
        """The selected critique, or all of them if none is selected."""
        if self.critique is not None:
            return [self.critique]
        return self.output["rounds"][0].critiques

    def is_clean(self, min_severity: Severity) -> bool:
        """Check that there is nothing to print."""
        if self.error or self.unlocated or self.ungrounded_critiques:
            return False
        return not self.comments(min_severity)

    def fails(self, min_severity: Severity, fail_on: Severity) -> bool:
        """Check for a shown, unrefuted comment of severity `fail_on` or higher."""
        for located in self.comments(min_severity):
            if located.comment.evidence != "refuted" and located.is_at_least(fail_on):
                return True
        return False

    def is_undecided(self, fail_on: Severity) -> bool:
        """Check whether critiques object but quote nothing.

        An objection is a comment of severity `fail_on` or higher, or text without a comment that is no approval.
        """
        if self.critique is not None:
            return False
        critiques = self.output["rounds"][0].critiques
        return any(_may_object(critique, fail_on) for critique in critiques)

    def _show_caused(self, located: Sequence[LocatedComment]) -> list[LocatedComment]:
        """Make the findings on unchanged lines quotable that were not in the file before the change."""
        if self.earlier is None:
            return list(located)
        earlier = self.earlier.copy()
        shown: list[LocatedComment] = []
        for each in located:
            is_hidden_finding = each.comment.source is not None and not each.is_quotable
            if not is_hidden_finding:
                shown.append(each)
                continue
            key = key_of(self.document, each.comment)
            shown.append(replace(each, is_quotable=earlier[key] <= 0))
            earlier[key] -= 1
        return shown

    def _locate(self, comment: Comment) -> LocatedComment:
        start = comment.start or 0
        end = comment.end or start
        location = self.document.locate(start, end)
        if comment.source is None and not self.document.is_quotable(location):
            start, end = self._find_changed(start, end)
            location = self.document.locate(start, end)
            comment = comment.model_copy(update={"start": start, "end": end})
        return LocatedComment(
            comment=comment,
            start=start,
            end=end,
            location=location,
            is_quotable=self.document.is_quotable(location) or _is_about_file(comment),
        )

    def _find_changed(self, start: int, end: int) -> tuple[int, int]:
        """Return the first occurrence of a quote on a changed line, else the same one."""
        text = self.document.text
        quote = text[start:end]
        if not quote.strip():
            return start, end
        pattern = re.escape(quote)
        if re.match(r"\w", quote):
            pattern = rf"\b{pattern}"
        if re.search(r"\w\Z", quote):
            pattern = rf"{pattern}\b"
        for match in re.finditer(pattern, text):
            if self.document.is_quotable(self.document.locate(match.start(), match.end())):
                return match.start(), match.end()
        return start, end


def _may_object(critique: Critique, fail_on: Severity) -> bool:
    """Check whether a critique without a quote objects to the document."""
    severities = [comment.severity or _DEFAULT_SEVERITY for comment in critique.ungrounded]
    if severities:
        return any(severity_rank(each) >= severity_rank(fail_on) for each in severities)
    return bool(critique.text.strip()) and not is_approval(critique.text)


def _is_about_file(comment: Comment) -> bool:
    """Check whether a finding can be caused by another line.

    A failed test quotes the function that it calls. A syntax error can be reported far from its cause, and no other
    error in the file is found.
    """
    return comment.source in _TEST_SOURCES or comment.rule in SYNTAX_ERRORS


def sort_by_severity(comments: Sequence[LocatedComment]) -> list[LocatedComment]:
    """Sort the most severe first; keep the order of equal severities."""
    return sorted(comments, key=lambda comment: severity_rank(comment.severity), reverse=True)


def to_json(
    reviews: Sequence[Review], min_severity: Severity, skipped: Sequence[Skipped] = ()
) -> dict[str, Any]:
    """Build one object for all reviews.

    Each file has the shown comments, the most severe first, and the output of the graph. Lines and columns count from
    1, in characters; those of a notebook count in its cells.
    """
    return {
        "files": [_review_to_json(review, min_severity) for review in reviews],
        "skipped": [asdict(skip) for skip in skipped],
    }


def _review_to_json(review: Review, min_severity: Severity) -> dict[str, Any]:
    comments = [
        _comment_to_json(comment, review.document) for comment in review.comments(min_severity)
    ]
    output = TypeAdapter(ReviewOutput).dump_python(review.output, mode="json")
    return {
        "file": review.document.name,
        "question": review.question,
        "comments": comments,
        **output,
    }


def _comment_to_json(located: LocatedComment, document: Document) -> dict[str, Any]:
    location = located.location
    return {
        **located.comment.model_dump(mode="json"),
        "cell": document.cell_number(location),
        "line": document.line_number(location.line),
        "column": location.column + 1,
        "end_line": document.line_number(location.end_line),
        "end_column": location.end_column + 1,
    }
