"""Test `summarize` on small records with values computed by hand."""

import math

import pytest

from selfcritic.agent.data.records import Comparison, RatingForm, Refinement
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.measurement import Measurement
from selfcritic.agent.evals.summary import Summary, summarize
from selfcritic.agent.schemas import Comment
from tests.support.eval_records import bug, comment, critique, plant_run, rating, record

pytestmark = pytest.mark.usefixtures("few_resamples")


def find(summary: Summary, name: str, group: str = "natural", critic: str = "") -> Measurement:
    """Return the only measurement with a name, group and critic."""
    matches = [
        row
        for row in summary.measurements
        if (row.label.name, row.label.group) == (name, group) and critic in ("", row.label.critic)
    ]
    assert len(matches) == 1, [row.label for row in summary.measurements]
    return matches[0]


def names(summary: Summary) -> set[str]:
    return {row.label.name for row in summary.measurements}


def test_rejects_an_empty_set():
    with pytest.raises(InputError, match="no records to measure"):
        summarize([])


def test_says_if_there_is_nothing_to_measure():
    summary = summarize([record()])
    assert summary.measurements == []
    assert "nothing to measure" in summary.warnings[0]


def test_natural_inserted_and_clean_answers_are_apart():
    records = [
        record("n1", is_correct=True),
        record("n2", is_correct=False),
        record("i1", origin="inserted", bugs=[bug()]),
        record("c1", origin="clean", bugs=[]),
    ]
    summary = summarize(records)
    rates = {
        group: find(summary, "critiqueability rate", group).estimate.value
        for group in ("natural", "inserted", "clean")
    }
    assert rates == {"natural": 0.5, "inserted": 1.0, "clean": 0.0}


def test_records_with_an_error_are_rows_apart_and_not_zeros():
    records = [record("a", is_correct=False), record("b", error="unreadable reply")]
    summary = summarize(records)
    assert find(summary, "records with an error").estimate.value == 0.5
    flawed = find(summary, "critiqueability rate").estimate
    assert (flawed.value, flawed.count) == (1.0, 1)


def test_unreadable_ratings_are_missing_and_counted():
    records = [record(f"r{i}", is_correct=False, critiques=[critique()]) for i in range(3)]
    ratings = [
        rating("r0", is_helpful=True),
        rating("r1", is_helpful=False),
        rating("r2", error="no verdict"),
    ]
    summary = summarize(records, ratings)
    helpful = find(summary, "helpful, of all answers").estimate
    assert (helpful.value, helpful.count, helpful.missing) == (0.5, 2, 1)
    assert find(summary, "unreadable ratings").estimate.value == pytest.approx(1 / 3)


def test_fraction_helpful_is_the_expected_value_of_one_critique():
    pool = [critique("c1"), critique("c2")]
    records = [
        record("a", is_correct=False, critiques=pool),
        record("b", is_correct=True, critiques=[critique()]),
    ]
    ratings = [
        rating("a", "c1", True),
        rating("a", "c2", False),
        rating("b", "c1", False),
    ]
    summary = summarize(records, ratings)
    assert find(summary, "helpful, of all answers").estimate.value == 0.25
    assert find(summary, "helpful, of critiqueable answers").estimate.value == 0.5


def test_best_of_n_selects_by_score_and_the_oracle_by_truth():
    pool = [critique("c1", reward=0.9), critique("c2", reward=0.1)]
    records = [record(name, is_correct=False, critiques=pool) for name in "ab"]
    ratings = [rating(name, key, key == "c2") for name in "ab" for key in ("c1", "c2")]
    summary = summarize(records, ratings)
    assert find(summary, "best of 1").estimate.value == 0.5
    assert find(summary, "best of 2").estimate.value == 0.0
    assert find(summary, "best of 2, chosen by the oracle").estimate.value == 1.0


def test_equal_scores_everywhere_give_chance():
    pool = [critique("c1", reward=0.5), critique("c2", reward=0.5)]
    records = [
        record(name, is_correct=False, p_critiqueable=0.5, critiques=pool) for name in "ab"
    ] + [record("c", is_correct=True, p_critiqueable=0.5)]
    ratings = [rating(name, key, key == "c1") for name in "ab" for key in ("c1", "c2")]
    summary = summarize(records, ratings)
    assert find(summary, "best of 2").estimate.value == 0.5
    aucs = [row.estimate.value for row in summary.measurements if row.label.name == "AUC"]
    assert aucs == [0.5, 0.5]


def test_auc_of_one_class_is_undefined_in_words():
    records = [record(name, is_correct=False, p_critiqueable=0.7) for name in "abc"]
    auc = find(summarize(records), "AUC").estimate
    assert math.isnan(auc.value)
    assert auc.note == "all labels are equal"


def test_inserted_answers_are_discriminated_from_clean_ones():
    records = [
        record("i", origin="inserted", bugs=[bug()], p_critiqueable=0.8),
        record("c", origin="clean", bugs=[], p_critiqueable=0.3),
    ]
    assert find(summarize(records), "AUC", "inserted/clean").estimate.value == 1.0


def test_nan_scores_are_missing():
    broken = critique("c2").model_copy(update={"reward": math.nan})
    pool = [critique("c1", reward=0.5), broken]
    records = [
        record("a", is_correct=False, p_critiqueable=0.6, critiques=pool),
        record("b", is_correct=True, p_critiqueable=0.2, critiques=[critique(reward=0.1)]),
    ]
    records[0] = records[0].model_copy(update={"quality": math.nan})
    ratings = [rating("a", "c1", True), rating("a", "c2", True), rating("b", "c1", False)]
    summary = summarize(records, ratings)
    auc = next(
        row
        for row in summary.measurements
        if row.label.name == "AUC" and row.label.critic == "model"
    )
    assert (auc.estimate.value, auc.estimate.count, auc.estimate.missing) == (1.0, 2, 1)
    assert find(summary, "mean quality").estimate.count == 0


def test_one_item_has_a_value_without_an_interval():
    summary = summarize(
        [record(is_correct=False, quality=0.5, critiques=[critique()])],
        [rating(is_helpful=True, form=RatingForm(overall=5))],
    )
    score = find(summary, "overall, mean score").estimate
    assert score.value == 5
    assert math.isnan(score.low)
    assert score.note == "one task: no interval"


def test_rewards_that_are_no_probabilities_have_only_an_auc():
    records = [
        record("a", is_correct=False, critiques=[critique(reward=3.5)]),
        record("b", is_correct=False, critiques=[critique(reward=-1.0)]),
    ]
    summary = summarize(records, [rating("a", "c1", True), rating("b", "c1", False)])
    assert find(summary, "AUC").estimate.value == 1.0
    assert not {"Brier score", "calibration error (ECE)"} & names(summary)
    assert summary.reliability == []


def test_gdc_measures_what_each_choice_gains():
    records = []
    ratings = []
    for task in ("t1", "t2"):
        for name, is_correct in (("good", True), ("bad", False)):
            key = f"{task}-{name}"
            records.append(
                record(
                    key,
                    task=task,
                    is_correct=is_correct,
                    p_critiqueable=0.2 if is_correct else 0.6,
                    critiques=[critique()],
                )
            )
            is_found = not is_correct and task == "t1"
            ratings.append(rating(key, is_helpful=is_found))
    summary = summarize(records, ratings)
    values = {
        name: find(summary, name).estimate.value
        for name in (
            "G: one answer",
            "D: choice by P(critiqueable)",
            "C: choice by valid critique",
            "oracle: the better answer",
            "gap GD = D - G",
            "gap GC = C - G",
            "gap CD = D - C",
            "gap CD, of oracle - G",
        )
    }
    assert list(values.values()) == [0.5, 1.0, 0.75, 1.0, 0.5, 0.25, 0.25, 0.5]


def refined(name: str, is_correct: bool, **arms: bool) -> object:
    refinements = [
        Refinement(arm=arm, answer="x", is_correct=value, calls=6 if arm == "loop" else 4)
        for arm, value in arms.items()
    ]
    return record(name, is_correct=is_correct, refinements=refinements)


def test_refinement_arms_have_transitions_wins_and_call_counts():
    records = [
        refined("a", False, loop=True, direct=False),
        refined("b", False, loop=True, direct=True),
        refined("c", True, loop=False, direct=True),
        refined("d", True, loop=True, direct=True),
    ]
    summary = summarize(records)
    assert find(summary, "accuracy", critic="first draft").estimate.value == 0.5
    assert find(summary, "accuracy", critic="loop").estimate.value == 0.75
    fixed = find(summary, "wrong to correct, of wrong drafts", critic="loop").estimate
    broken = find(summary, "correct to wrong, of correct drafts", critic="loop").estimate
    assert (fixed.value, broken.value) == (1.0, 0.5)
    wins = find(summary, "win rate against the draft (ties 1/2)", critic="loop").estimate
    assert wins.value == (1 + 1 + 0 + 0.5) / 4
    difference = find(summary, "accuracy minus direct, same answers").estimate
    assert difference.value == 0.0
    assert "not at equal calls: 6.0 against 4.0 per answer" in difference.note
    assert find(summary, "calls per correct answer", critic="loop").estimate.value == 8.0


def test_an_arm_that_stopped_keeps_its_last_answer():
    rows = [
        Refinement(arm="loop", answer="x", is_correct=False, round=1),
        Refinement(arm="loop", answer="y", is_correct=True, round=2),
    ]
    records = [
        record("a", is_correct=False, refinements=rows),
        record("b", is_correct=True, refinements=[rows[1].model_copy(update={"round": 1})]),
    ]
    summary = summarize(records)
    assert find(summary, "accuracy, rounds <= 1").estimate.value == 0.5
    assert find(summary, "accuracy, rounds <= 2").estimate.value == 1.0


def test_form_counts_each_bug_at_both_thresholds():
    form = RatingForm(
        bug_inclusion={"b1": 5, "b2": 6}, comprehensiveness=7, nitpick=2, hallucinated_problem=5
    )
    bugs = [bug("b1"), bug("b2")]
    sample = critique(calls=3, seconds=0.5)
    records = [
        record("a", origin="inserted", bugs=bugs, critiques=[sample]),
        record("b", origin="inserted", bugs=bugs, critiques=[sample]),
    ]
    missed = RatingForm(bug_inclusion={"b1": 1, "b2": 4}, nitpick=1, hallucinated_problem=1)
    summary = summarize(records, [rating("a", form=form), rating("b", form=missed)])
    assert find(summary, "bug inclusion >= 5", "inserted").estimate.value == 0.5
    assert find(summary, "bug inclusion >= 6", "inserted").estimate.value == 0.25
    assert find(summary, "nitpick >= 5", "inserted").estimate.value == 0.0
    spurious = find(summary, "nitpick or hallucination >= 5", "inserted")
    assert spurious.estimate.value == 0.5
    comprehensive = find(summary, "comprehensiveness, mean score", "inserted").estimate
    assert (comprehensive.value, comprehensive.missing) == (7.0, 1)
    assert find(summary, "calls per caught bug", "inserted").estimate.value == 3.0
    assert find(summary, "seconds per caught bug", "inserted").estimate.value == 0.5


def test_selected_critiques_are_measured_apart():
    pool = [critique("c1", selected=True), critique("c2")]
    summary = summarize(
        [record(critiques=pool)],
        [
            rating("r1", "c1", form=RatingForm(nitpick=7)),
            rating("r1", "c2", form=RatingForm(nitpick=1)),
        ],
    )
    assert find(summary, "nitpick >= 5", critic="model").estimate.value == 0.5
    assert find(summary, "nitpick >= 5", critic="model (selected)").estimate.value == 1.0


def test_quotes_are_parsed_from_the_text_of_a_critique():
    text = "```\nbeta = 2\n```\nIt is 3.\n\n```\ndelta = 9\n```\nIt is unused."
    sample = critique(text=text, unparsed="")
    summary = summarize([record(critiques=[sample])])
    assert find(summary, "ungrounded quotes, of all quotes").estimate.value == 0.5
    assert find(summary, "critiques with an ungrounded quote").estimate.value == 1.0


def test_review_matches_comments_with_bugs_one_to_one():
    comments = [comment("beta = 2"), comment("beta = 2"), comment("alpha = 1")]
    bugs = [bug("b1", "beta = 2"), bug("b2", "gamma = 3", severity="high")]
    records = [
        record("a", origin="inserted", bugs=bugs, critiques=[critique(comments=comments)]),
        record("b", origin="clean", bugs=[], critiques=[critique(comments=comments)]),
        record("c", origin="clean", bugs=[], critiques=[critique()]),
    ]
    summary = summarize(records)
    assert find(summary, "recall: bugs found", "inserted").estimate.value == 0.5
    precision = find(summary, "precision: comments on a bug", "inserted").estimate
    assert precision.value == pytest.approx(1 / 3)
    assert find(summary, "severe bugs missed", "inserted").estimate.value == 1.0
    assert find(summary, "clean answers with a comment", "clean").estimate.value == 0.5


def test_a_bug_without_a_place_is_located_or_missing():
    located = bug().model_copy(update={"start": None, "end": None})
    nowhere = bug().model_copy(update={"quote": None, "start": None, "end": None})
    sample = critique(comments=[comment()])
    records = [
        record("a", origin="inserted", bugs=[located], critiques=[sample]),
        record("b", origin="inserted", bugs=[nowhere], critiques=[sample]),
    ]
    recall = find(summarize(records), "recall: bugs found", "inserted").estimate
    assert (recall.value, recall.count, recall.missing) == (1.0, 1, 1)


def test_preferences_count_ties_as_halves():
    records = [
        record(name, critiques=[critique("c1", "a"), critique("c2", "b")]) for name in ("x", "y")
    ]
    scores = {"x": (6, 2), "y": (4, 4)}
    comparisons = [
        Comparison(
            record=name,
            critiques=["c1", "c2"],
            rater="me",
            rater_type="human",
            forms=[RatingForm(overall=score) for score in scores[name]],
        )
        for name in scores
    ]
    summary = summarize(records, [], comparisons)
    assert find(summary, "preferred to b (ties 1/2)", critic="a").estimate.value == 0.75
    ratings = {
        row.label.critic: row.estimate.value
        for row in summary.measurements
        if row.label.name == "Elo"
    }
    assert ratings["a"] - ratings["b"] == pytest.approx(400 * math.log10(3), rel=0.01)


def test_ties_everywhere_give_equal_ratings():
    records = [record(critiques=[critique("c1", "a"), critique("c2", "b")])]
    comparison = Comparison(
        record="r1",
        critiques=["c1", "c2"],
        rater="me",
        rater_type="human",
        forms=[RatingForm(overall=4)] * 2,
    )
    summary = summarize(records, [], [comparison])
    elo = [row.estimate.value for row in summary.measurements if row.label.name == "Elo"]
    assert elo == pytest.approx([0.0, 0.0], abs=1e-6)


def test_cross_model_matrix_needs_two_authors():
    records = [
        record(f"r{i}", is_correct=False, critiques=[critique()], metadata={"model": f"m{i}"})
        for i in range(2)
    ]
    ratings = [rating("r0", is_helpful=True), rating("r1", is_helpful=False)]
    summary = summarize(records, ratings)
    assert find(summary, "answers of m0").estimate.value == 1.0
    assert find(summary, "answers of m1").estimate.value == 0.0
    assert "answers of m0" not in names(summarize(records[:1], ratings[:1]))


def test_self_critique_by_size_uses_the_author_as_critic():
    records = [
        record(
            f"r{i}",
            is_correct=False,
            critiques=[critique(critic=f"m{i}"), critique("c2", "other")],
            metadata={"model": f"m{i}", "parameters": 10 ** (i + 3)},
        )
        for i in range(2)
    ]
    ratings = [
        rating("r0", is_helpful=False),
        rating("r1", is_helpful=True),
        rating("r0", "c2", is_helpful=True),
    ]
    summary = summarize(records, ratings)
    name = "helpful, own answers"
    sizes = [row for row in summary.measurements if row.label.name == name]
    assert [(row.n, row.estimate.value) for row in sizes] == [(1_000, 0.0), (10_000, 1.0)]


def test_frontier_chooses_on_dev_and_measures_on_test():
    long_comments = [comment("alpha = 1"), comment("beta = 2"), comment("gamma = 3")]
    short = critique("short", "fsbs", reward=0.9, comments=long_comments[:1])
    long = critique("long", "fsbs", reward=0.5, comments=long_comments)
    records = []
    ratings = []
    for number in range(6):
        name = f"r{number}"
        split = "dev" if number < 2 else "test"
        records.append(record(name, split=split, critiques=[short, long]))
        plain = RatingForm(comprehensiveness=2, nitpick=1, hallucinated_problem=1)
        full = RatingForm(comprehensiveness=7, nitpick=6, hallucinated_problem=1)
        ratings += [rating(name, "short", form=plain), rating(name, "long", form=full)]
    summary = summarize(records, ratings)
    short_point = find(summary, "comprehensive, 10th percentile").estimate
    long_point = find(summary, "comprehensive, 75th percentile").estimate
    assert (short_point.value, long_point.value) == (0.0, 1.0)
    assert long_point.count == 4
    assert find(summary, "nitpick or hallucination, 75th percentile").estimate.value == 1.0
    [curve] = summary.frontiers
    assert (curve.spurious, curve.comprehensive) == ([0.0, 1.0], [0.0, 1.0])


def test_there_is_no_frontier_without_a_split():
    form = RatingForm(comprehensiveness=6, nitpick=1, hallucinated_problem=1)
    pool = [critique(name, reward=0.1, comments=[comment()]) for name in ("c1", "c2")]
    summary = summarize([record(critiques=pool)], [rating(form=form)])
    assert [row for row in summary.measurements if row.label.section == "Frontier"] == []
    assert summary.frontiers == []


def test_uses_the_most_trusted_raters_and_says_so():
    records = [record(is_correct=False, critiques=[critique()])]
    ratings = [
        rating(is_helpful=True, rater="gpt", rater_type="judge"),
        rating(is_helpful=False, rater="ann", rater_type="human"),
    ]
    summary = summarize(records, ratings)
    assert find(summary, "helpful, of all answers").estimate.value == 0.0
    assert "Ratings of helpfulness are by ann." in summary.notes
    assert any("gpt are not used" in note for note in summary.notes)
    by_judge = summarize(records, ratings, rater="gpt")
    assert find(by_judge, "helpful, of all answers").estimate.value == 1.0
    with pytest.raises(InputError, match="--rater 'bob' rated nothing"):
        summarize(records, ratings, rater="bob")


def test_several_raters_are_merged_and_their_agreement_is_measured():
    records = [record(f"r{i}", is_correct=False, critiques=[critique()]) for i in range(3)]
    ratings = []
    for name, votes in (("ann", (1, 1, 0)), ("bob", (1, 0, 0)), ("eve", (1, 1, 0))):
        for number, vote in enumerate(votes):
            form = RatingForm(nitpick=6 if vote else 2)
            ratings.append(
                rating(f"r{number}", "c1", bool(vote), rater=name, rater_type="human", form=form)
            )
    summary = summarize(records, ratings)
    assert find(summary, "helpful, of all answers").estimate.value == pytest.approx(2 / 3)
    assert find(summary, "nitpick, mean score").estimate.value == pytest.approx((6 + 6 + 2) / 3)
    # By hand: 9 ratings, 5 yes and 4 no; observed 2, expected 2·5·4 / 8 = 5.
    assert find(summary, "helpful").estimate.value == pytest.approx(1 - 2 / 5)


def test_warns_loudly_if_the_judge_is_the_critic():
    records = [record(is_correct=False, critiques=[critique(critic="gpt")])]
    summary = summarize(records, [rating(is_helpful=True, rater="gpt", rater_type="judge")])
    [warning] = summary.warnings
    assert "'gpt' is also the critic" in warning


def test_warns_about_ratings_of_unknown_critiques():
    summary = summarize([record()], [rating("other", is_helpful=True)])
    assert any("1 ratings name records" in warning for warning in summary.warnings)


def test_ungrounded_critiques_without_ratings_are_measured_and_noted():
    quote = Comment(quote="delta", text="?")
    summary = summarize([record(critiques=[critique(ungrounded=[quote])])])
    assert find(summary, "ungrounded quotes, of all quotes").estimate.value == 1.0
    assert any("no ratings" in warning for warning in summary.warnings)


def test_every_measure_keeps_values_that_average_to_its_estimate():
    summary = summarize(*plant_run(tasks=4, pool=2))
    for row in summary.measurements:
        if row.values_by_item and row.statistic is None and row.unit != "number":
            values = list(row.values_by_item.values())
            if row.estimate.count == len(values):
                assert sum(values) / len(values) == pytest.approx(row.estimate.value), row.label
        if row.statistic is not None:
            again = row.statistic(list(row.values_by_item))
            assert again == pytest.approx(row.estimate.value, nan_ok=True)
