import math

import pytest

from selfcritic.agent.data.records import RatingForm
from selfcritic.agent.evals.measures.forms import (
    RatedForm,
    bug_inclusion,
    is_spurious,
    mean_score,
    share_with_spurious_claim,
    share_yes,
)

FORMS = [
    RatedForm(
        "a",
        RatingForm(
            bug_inclusion={"1": 7, "2": 5}, comprehensiveness=6, nitpick=1, hallucinated_problem=2
        ),
    ),
    RatedForm(
        "b",
        RatingForm(bug_inclusion={"1": 4}, comprehensiveness=2, nitpick=6, hallucinated_problem=1),
    ),
    RatedForm("c", RatingForm(comprehensiveness=5, nitpick=3)),
    RatedForm("d", None),
]


def test_each_bug_is_a_row_of_bug_inclusion():
    estimate = bug_inclusion(FORMS)
    assert (estimate.value, estimate.count, estimate.missing) == pytest.approx((2 / 3, 3, 1))
    assert bug_inclusion(FORMS, threshold=6).value == pytest.approx(1 / 3)


def test_unsure_is_not_a_yes():
    assert bug_inclusion([RatedForm("a", RatingForm(bug_inclusion={"1": 4}))]).value == 0.0


def test_shares_and_means_leave_out_unanswered_questions():
    share = share_yes(FORMS, "comprehensiveness")
    assert (share.value, share.count, share.missing) == pytest.approx((2 / 3, 3, 1))
    assert mean_score(FORMS, "comprehensiveness").value == pytest.approx(13 / 3)
    assert share_yes(FORMS, "overall").missing == 4


def test_a_spurious_claim_is_a_nitpick_or_a_hallucinated_problem():
    assert [is_spurious(rated.form) for rated in FORMS] == [False, True, None, None]
    estimate = share_with_spurious_claim(FORMS)
    assert (estimate.value, estimate.count, estimate.missing) == (0.5, 2, 2)


def test_unknown_questions_name_the_known_ones():
    with pytest.raises(ValueError, match=r"no question 'brevity'.*conciseness"):
        share_yes(FORMS, "brevity")


def test_no_forms():
    assert math.isnan(bug_inclusion([]).value)
