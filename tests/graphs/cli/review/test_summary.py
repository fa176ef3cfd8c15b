"""The lines that say what was looked at."""

import pytest

from selfcritic.graphs.cli.review.documents import Skipped
from selfcritic.graphs.cli.review.result import Review
from selfcritic.graphs.cli.review.summary import describe_reviews, describe_skipped
from tests.support.reviews import make_comment, make_review

TEXT = "one two\nthree\n"
CLEAN = make_review(TEXT)
COMMENTED = make_review(
    TEXT,
    findings=[make_comment(TEXT, "one", "A.", "low"), make_comment(TEXT, "two", "B.", "high")],
    num_hunks=2,
)
FAILED = Review(CLEAN.document, "", {**CLEAN.output, "error": "The model is down."})


@pytest.mark.parametrize(
    ("reviews", "reviewers", "line"),
    [
        ([], ["lint"], "reviewed 0 files"),
        ([CLEAN], ["lint"], "reviewed 1 file with lint; no comments"),
        (
            [CLEAN, COMMENTED],
            ["lint", "the critic m"],
            "reviewed 2 files (2 hunks) with lint, the critic m; 2 comments: 1 high, 1 low",
        ),
        ([FAILED], [], "reviewed 1 file; no comments; 1 review failed"),
    ],
)
def test_describes_the_reviews(reviews: list[Review], reviewers: list[str], line: str):
    assert describe_reviews(reviews, "low", reviewers) == line


def test_counts_the_shown_comments():
    assert describe_reviews([COMMENTED], "high", []).endswith("; 1 comment: 1 high")


def test_groups_skipped_files_by_reason():
    skipped = [Skipped(f"{number}.rs", "has no checker", "unsupported") for number in range(5)]
    skipped.append(Skipped("x.py", "is empty", "empty"))
    assert describe_skipped(skipped) == [
        "skipped 5 files: each has no checker: 0.rs, 1.rs, 2.rs and 2 more",
        "skipped x.py: it is empty",
    ]
    assert describe_skipped([]) == []
