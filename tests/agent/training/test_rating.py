"""Tests of rating critiques by oracles, and of the pairs that follow."""

import pytest

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.records import AnswerRecord, Bug
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.data import TrainingData
from selfcritic.agent.training.pairs import (
    check_sides,
    kind_of,
    make_pairs,
    measure_accuracy,
    split_pairs,
)
from selfcritic.agent.training.rating import rate_records, rate_truth, with_gold
from selfcritic.agent.training.sampling import to_sample
from selfcritic.agent.training.sft_examples import gold_comments
from tests.support.small_llama import flawed_sums

ANSWER = "alpha\nbeta\ngamma\n"
BUGS = [
    Bug(id="1", description="Not alpha.", quote="alpha"),
    Bug(id="2", description="No.", quote="beta"),
]
RECORD = AnswerRecord(
    id="a", task="t", question="q", answer=ANSWER, bugs=BUGS, is_correct=False, split="train"
)


def with_critiques(record: AnswerRecord, *texts: str) -> AnswerRecord:
    critiques = []
    for number, text in enumerate(texts, 1):
        critiques.append(to_sample(f"m-{number}", "m", text, record.answer))
    return record.model_copy(update={"critiques": critiques})


ALPHA = "```\nalpha\n```\nNot alpha."
GAMMA = "```\ngamma\n```\nNot gamma."


def overall(record: AnswerRecord) -> dict[str, int | None]:
    ratings, _ = rate_records([record])
    return {rating.critique: rating.form.overall for rating in ratings}


def test_unmatched_comments_count_as_spurious():
    record = with_critiques(RECORD, ALPHA, f"{ALPHA}\n\n{GAMMA}", GAMMA, "Nothing to say.")
    assert overall(record) == {"m-1": 5, "m-2": 3, "m-3": 1, "m-4": 3, "gold": 7}


def test_truth_is_the_overall_score_from_0_to_1():
    record = with_critiques(RECORD, ALPHA, GAMMA)
    assert rate_truth([record, record], record.critiques) == pytest.approx([4 / 6, 0])
    unknown = record.model_copy(update={"bugs": None})
    assert rate_truth([unknown, record], record.critiques) == [None, 0]


def test_the_gold_critique_is_compared_with_four_samples():
    record = with_critiques(RECORD, ALPHA, GAMMA, f"{GAMMA} ", f"{ALPHA}!")
    _, [comparison] = rate_records([record])
    assert len(comparison.critiques) == 5
    assert "gold" in comparison.critiques


def test_a_judge_rates_what_the_oracle_cannot():
    class Judge:
        async def rate(self, record, critique):
            from selfcritic.agent.evals.rating import build_rating

            return [build_rating(record, critique, "j", "judge", is_helpful=critique.id == "m-1")]

    unknown = with_critiques(RECORD.model_copy(update={"bugs": None}), ALPHA, GAMMA)
    known = with_critiques(RECORD.model_copy(update={"id": "b"}), ALPHA, GAMMA)
    ratings, comparisons = rate_records([unknown, known], Judge())
    assert {(rating.record, rating.rater) for rating in ratings} == {("a", "j"), ("b", "bugs")}
    [first, _] = comparisons
    assert {form.overall for form in first.forms} == {1, 7}


def rated(records: list[AnswerRecord]) -> TrainingData:
    ratings, comparisons = rate_records(records)
    return TrainingData(records, ratings, comparisons)


def test_splits_pairs_by_their_records():
    records = []
    for record in flawed_sums():
        gold = render(gold_comments(record)) if record.bugs else ""
        records.append(
            with_critiques(record, gold, "```\n7\n```\nNo.", "Nothing.") if gold else record
        )
    pairs = split_pairs(rated(records))
    assert pairs["train"]
    assert pairs["test"]
    for name, part in pairs.items():
        assert {pair.record.split for pair in part} <= {name}


def test_no_comparisons_and_no_differences_are_explained():
    with pytest.raises(InputError, match=r"no comparisons.*comparisons.jsonl"):
        split_pairs(TrainingData([RECORD]))
    equal = rated([with_critiques(RECORD.model_copy(update={"bugs": []}), "None.", "Nothing.")])
    with pytest.raises(InputError, match="in all 1 comparisons, the critiques have equal"):
        split_pairs(equal)


def test_pairs_of_one_split_only_name_the_other():
    with pytest.raises(InputError, match="no test pairs"):
        split_pairs(rated([with_critiques(RECORD, ALPHA, GAMMA)]))


def test_one_sided_pairs_are_rejected():
    data = rated([with_critiques(RECORD, GAMMA, f"{GAMMA} ")])
    pairs = make_pairs([with_gold(record) for record in data.records], data.comparisons)
    with pytest.raises(InputError, match="one-sided: 'gold' wins all 2 pairs"):
        check_sides(pairs)


def test_accuracy_stands_beside_the_longer_critique():
    data = rated([with_critiques(RECORD, ALPHA, f"{GAMMA} {'x' * 90}")])
    pairs = make_pairs([with_gold(record) for record in data.records], data.comparisons)
    margins = [1.0 if pair.chosen.id == "gold" else -1.0 for pair in pairs]
    whole, natural = measure_accuracy(pairs, margins, [1.0] * len(pairs))
    assert (whole.kind, natural.kind, whole.pairs) == ("all", "natural", 3)
    assert whole.model.value == pytest.approx(2 / 3)
    assert whole.untrained is not None
    assert whole.untrained.value == 1
    assert whole.longer.value == pytest.approx(1 / 3)


def test_kinds_come_from_the_edits():
    flaws = [{"source": "core/ReplaceLt"}, {"source": "core/ReplaceLt"}]
    assert kind_of(RECORD.model_copy(update={"metadata": {"flaws": flaws}})) == "core/ReplaceLt"
    mixed = [*flaws, {"source": "model:m"}]
    assert kind_of(RECORD.model_copy(update={"metadata": {"flaws": mixed}})) == "several kinds"
    assert kind_of(RECORD) == "natural"
