"""What a review found in a document: the comments that are shown, those that are not, and whether they fail a build."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from selfcritic.agent.schemas import Comment, Critique
from selfcritic.agent.state import ReviewOutput
from selfcritic.graphs.cli.review.documents import Document

CRITIC = "critic"
"""The source of a comment that no checker made."""


class SeverityChoice(StrEnum):
    """How bad a flaw is."""

    low = "low"
    medium = "medium"
    high = "high"

    @property
    def rank(self) -> int:
        """The worse, the higher."""
        return list(SeverityChoice).index(self)


def severity(comment: Comment) -> SeverityChoice:
    """A comment's severity; one that has none is taken for medium."""
    return SeverityChoice(comment.severity or "medium")


def source(comment: Comment) -> str:
    """Who made a comment: a checker, or the critic."""
    return comment.source or CRITIC


@dataclass(frozen=True)
class Review:
    """One document, reviewed."""

    document: Document
    question: str
    output: ReviewOutput

    @property
    def error(self) -> str | None:
        """The failure that ended the review, if one did."""
        return self.output.get("error")

    @property
    def critique(self) -> Critique | None:
        """The critique chosen."""
        return self.output.get("critique")

    @property
    def findings(self) -> list[Comment]:
        """What the checkers know."""
        return self.output["rounds"][0].findings

    def comments(self, least: SeverityChoice) -> list[Comment]:
        """The comments to show, by place: as severe as that, and quoting what may be quoted."""
        return [
            comment
            for comment in sorted(self._located(), key=lambda comment: (comment.start or 0, comment.end or 0))
            if severity(comment).rank >= least.rank and self._is_quotable(comment)
        ]

    @property
    def elsewhere(self) -> int:
        """How many comments quote lines alone that the diff did not change."""
        return sum(not self._is_quotable(comment) for comment in self._located())

    @property
    def unlocated(self) -> list[Comment]:
        """The comments whose quote does not stand in the document."""
        lost = [comment for comment in self.findings if comment.start is None]
        return lost + (self.critique.ungrounded if self.critique else [])

    def fails(self, least: SeverityChoice, at: SeverityChoice) -> bool:
        """Whether a comment that is shown, and that no checker refutes, is as severe as `at`."""
        shown = self.comments(least)
        return any(severity(comment).rank >= at.rank for comment in shown if comment.evidence != "refuted")

    def _located(self) -> list[Comment]:
        """The comments that have a place; what a checker found is not said again by the critic."""
        said = [*self.findings, *(self.critique.comments if self.critique else [])]
        once = {(comment.start, comment.end, comment.text): comment for comment in reversed(said)}
        return [comment for comment in once.values() if comment.start is not None]

    def _is_quotable(self, comment: Comment) -> bool:
        return comment.start is not None and self.document.is_quotable(comment.start, comment.end or comment.start)


def as_json(reviews: Sequence[Review], least: SeverityChoice) -> dict[str, Any]:
    """All reviews as one object; lines and columns count from 1, in characters."""
    return {"files": [_one_as_json(review, least) for review in reviews]}


def _one_as_json(review: Review, least: SeverityChoice) -> dict[str, Any]:
    """The output of the review's graph, and above it the comments that are shown."""
    shown = [comment.model_dump(mode="json") | _lines(review.document, comment) for comment in review.comments(least)]
    output = TypeAdapter(ReviewOutput).dump_python(review.output, mode="json")
    return {"file": review.document.name, "question": review.question, "comments": shown, **output}


def _lines(document: Document, comment: Comment) -> dict[str, int]:
    place = document.place(comment.start or 0, comment.end or 0)
    return {
        "line": document.number(place.line),
        "column": place.column + 1,
        "end_line": document.number(place.end_line),
        "end_column": place.end_column + 1,
    }
