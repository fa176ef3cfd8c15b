import pytest

from selfcritic.agent.data.records import HumanReview, Rating, RatingForm
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.assistance import measure_reviews, merge_records
from selfcritic.agent.schemas import Comment, ReviewedComment
from tests.support.desk_records import FLAW, create_comment, create_record

RECORDS = [create_record("r1"), create_record("r2")]


def review(record: str, comment: Comment | None, *, prefilled: bool, **values) -> HumanReview:
    labels = []
    if comment is not None:
        labels.append(ReviewedComment(id=1, action="added", after=comment))
    options = {"reviewer": "bob", "critique": f"desk-{record}", "active_seconds": 120.0}
    return HumanReview(record=record, prefilled=prefilled, labels=labels, **{**options, **values})


def test_bugs_are_found_by_quote():
    reviews = [
        review("r1", create_comment("sorted(values)", "Slow."), prefilled=False),
        review("r2", create_comment(FLAW, "Add parentheses."), prefilled=True),
    ]
    result = measure_reviews(RECORDS, reviews, [])
    assert result.unassisted.hits.value == 0.0
    assert result.assisted.hits.value == 1.0
    assert result.assisted.minutes.value == 2.0


def test_ratings_of_others_take_precedence_over_quotes():
    form = RatingForm(bug_inclusion={"b1": 2})
    reviews = [review("r1", create_comment(FLAW, "Nice line."), prefilled=True)]
    common = {"record": "r1", "critique": "desk-r1", "rater_type": "human"}
    others = Rating(rater="eve", form=form, is_helpful=False, **common)
    own = Rating(rater="bob", form=RatingForm(bug_inclusion={"b1": 7}), is_helpful=True, **common)
    result = measure_reviews(RECORDS, reviews, [others, own])
    assert result.assisted.hits.value == 0.0
    assert result.assisted.valid.value == 0.0


def test_skipped_reviews_do_not_count():
    skipped = review("r1", None, prefilled=True, skip_reason="no Python")
    with pytest.raises(InputError, match="no finished review"):
        measure_reviews(RECORDS, [skipped], [])


def test_refuses_reviews_of_other_records():
    with pytest.raises(InputError, match="'r9', which is missing"):
        measure_reviews(RECORDS, [review("r9", None, prefilled=True)], [])


@pytest.mark.parametrize(("score", "is_valid"), [(2, 1.0), (4, 1.0), (6, 0.0)])
def test_a_review_without_a_hallucinated_problem_is_valid(score: int, is_valid: float):
    reviews = [review("r1", create_comment(FLAW, "Add parentheses."), prefilled=True)]
    form = RatingForm(hallucinated_problem=score)
    rating = Rating(record="r1", critique="desk-r1", rater="eve", rater_type="human", form=form)
    assert measure_reviews(RECORDS, reviews, [rating]).assisted.valid.value == is_valid


def test_merges_the_critiques_of_later_exports():
    first, second = RECORDS
    later = first.model_copy(update={"critiques": first.critiques[:1]})
    [merged, _] = merge_records([[later], [first, second]])
    assert [critique.id for critique in merged.critiques] == ["c1", "c2", "c3", "c4"]


def test_refuses_to_merge_different_answers():
    other = RECORDS[0].model_copy(update={"answer": "def other(): ..."})
    with pytest.raises(InputError, match="'r1' has two different answers"):
        merge_records([RECORDS, [other]])
