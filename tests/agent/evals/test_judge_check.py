"""Test checking a judge against labels."""

import math

import pytest

from selfcritic.agent.data.records import Comparison, Rating, RatingForm
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.judge_check import NO_BETTER_THAN_CHANCE, check_judges
from tests.support.eval_records import critique, rating, record

pytestmark = pytest.mark.usefixtures("few_resamples")


def judged(name: str, verdict: bool | None, **values: object) -> Rating:
    return rating(name, "c1", verdict, rater="gpt", rater_type="judge", **values)


def labeled(name: str, label: bool) -> Rating:
    return rating(name, "c1", label, rater="ann", rater_type="human")


def test_measures_sensitivity_specificity_and_kappa():
    labels = [True, True, True, True, False, False, False, False, False, False]
    verdicts = [True, True, True, False, True, False, False, False, False, False]
    ratings = []
    for number, (label, verdict) in enumerate(zip(labels, verdicts, strict=True)):
        ratings += [labeled(f"r{number}", label), judged(f"r{number}", verdict)]
    [check] = check_judges(ratings)
    [question] = check.questions
    assert (check.judge, check.labelers, question.num_labeled) == ("gpt", ["ann"], 10)
    assert question.result.sensitivity.value == 0.75
    assert question.result.specificity.value == pytest.approx(5 / 6)
    # Agreement 0.8; by chance 0.4·0.4 + 0.6·0.6 = 0.52.
    assert question.result.kappa.value == pytest.approx((0.8 - 0.52) / 0.48)
    # The judge's rate 0.4 corrected: (0.4 + 5/6 - 1) / (0.75 + 5/6 - 1) = 0.4.
    assert question.corrected_rate.value == pytest.approx(0.4)
    assert "whether the judge is also the critic is not checked" in check.warnings[0]


def test_the_corrected_rate_uses_unlabeled_critiques():
    ratings = []
    for number in range(8):
        label = number < 4
        ratings += [labeled(f"r{number}", label), judged(f"r{number}", label or number == 4)]
    ratings += [judged(f"u{number}", True) for number in range(8)]
    [question] = check_judges(ratings)[0].questions
    assert question.judged_rate.value == pytest.approx(13 / 16)
    # Sensitivity 1, specificity 0.75: (13/16 - 0.25) / 0.75 = 0.75.
    assert question.corrected_rate.value == pytest.approx(0.75)
    assert question.labeled_rate.value == 0.5


def test_a_judge_no_better_than_chance_has_no_corrected_rate():
    ratings = []
    for number in range(8):
        ratings += [labeled(f"r{number}", number < 4), judged(f"r{number}", number % 2 == 0)]
    [question] = check_judges(ratings)[0].questions
    assert question.corrected_rate.note == NO_BETTER_THAN_CHANCE
    assert question.result.kappa.value == 0.0


def test_labels_of_one_class_leave_measures_undefined_in_words():
    ratings = [labeled("a", True), judged("a", True), labeled("b", True), judged("b", True)]
    [question] = check_judges(ratings)[0].questions
    assert math.isnan(question.result.kappa.value)
    assert question.result.specificity.note == "no rows with a value"
    assert question.corrected_rate.note == "all labels are equal"


def test_unreadable_verdicts_are_missing():
    ratings = [labeled("a", True), judged("a", None, error="no verdict"), labeled("b", False)]
    ratings += [judged("b", False), labeled("c", True), judged("c", True)]
    [question] = check_judges(ratings)[0].questions
    assert (question.num_labeled, question.result.missing) == (2, 1)


def test_each_question_of_the_form_is_checked():
    form = RatingForm(bug_inclusion={"b1": 6, "b2": 2}, nitpick=5)
    ratings = [
        rating("a", form=form, rater="tests", rater_type="tests"),
        judged("a", None, form=RatingForm(bug_inclusion={"b1": 7, "b2": 6}, nitpick=1)),
    ]
    questions = {row.question: row for row in check_judges(ratings)[0].questions}
    assert set(questions) == {"bug inclusion", "nitpick"}
    inclusion = questions["bug inclusion"].result
    assert (inclusion.sensitivity.value, inclusion.specificity.value) == (1.0, 0.0)


def test_warns_if_the_judge_is_the_critic():
    records = [record("a", critiques=[critique(critic="gpt")])]
    [check] = check_judges([labeled("a", True), judged("a", True)], records)
    assert "is also the critic of 1 of the 1 critiques" in check.warnings[0]


def test_measures_position_and_length_bias():
    pool = [critique("c1", text="long text"), critique("c2", text="short")]
    records = [record(name, critiques=pool) for name in "abcd"]
    ratings = [labeled("a", True), judged("a", True)]
    comparisons = []
    for name in "abcd":
        ratings += [rating(name, key, True, rater="ann", rater_type="human") for key in ("c2",)]
        ratings.append(labeled(name, True))
        order = ["c1", "c2"] if name in "ab" else ["c2", "c1"]
        scores = [6, 2] if name != "d" else [2, 6]
        comparisons.append(
            Comparison(
                record=name,
                critiques=order,
                rater="gpt",
                rater_type="judge",
                forms=[RatingForm(overall=score) for score in scores],
            )
        )
    [check] = check_judges(ratings, records, comparisons)
    assert check.position is not None
    assert check.length is not None
    assert check.position.value == 0.75
    assert check.length.value == 0.75


def test_says_what_is_missing():
    with pytest.raises(InputError, match="no ratings by a judge"):
        check_judges([labeled("a", True)])
    with pytest.raises(InputError, match="no labels to check"):
        check_judges([judged("a", True)])
    with pytest.raises(InputError, match="No critique has both"):
        check_judges([judged("a", True), labeled("b", True)])
    with pytest.raises(InputError, match=r"--judge 'eve' rated nothing\. The judges are gpt"):
        check_judges([judged("a", True), labeled("a", True)], judge="eve")
