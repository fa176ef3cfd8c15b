"""Plans: splits by task, clean answers and seeds."""

from collections import Counter

import pytest

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.plan import PlanOptions, choose_split, plan_items
from selfcritic.agent.errors import InputError


def answers(count: int, per_task: int = 1) -> list[AnswerRecord]:
    return [
        AnswerRecord(id=f"a{index}", task=f"t{index // per_task}", question="?", answer="x")
        for index in range(count)
    ]


def test_leaves_a_fifth_of_the_records_clean():
    items = plan_items(answers(50), PlanOptions())
    assert len(items) == 200
    clean = [item.answer.id for item in items if item.num_bugs == 0]
    assert len(clean) == len(set(clean)) == 40
    assert {item.num_bugs for item in items} == {0, 1, 2, 3}
    assert len({item.id for item in items}) == 200


def test_an_answer_is_clean_at_most_once():
    items = plan_items(answers(10), PlanOptions(per_answer=20, clean_share=0.5))
    assert sum(item.num_bugs == 0 for item in items) == 10


def test_a_task_is_in_one_split_and_shares_are_kept():
    items = plan_items(answers(2000, per_task=2), PlanOptions(per_answer=1))
    splits: dict[str, set[str]] = {}
    for item in items:
        splits.setdefault(item.answer.task, set()).add(item.split)
    assert all(len(names) == 1 for names in splits.values())
    counts = Counter(next(iter(names)) for names in splits.values())
    assert 750 < counts["train"] < 850
    assert 60 < counts["dev"] < 140
    assert 60 < counts["test"] < 140


def test_a_split_depends_on_task_and_seed_only():
    shares = (0.5, 0.25, 0.25)
    first = [choose_split(f"t{index}", shares, 0) for index in range(50)]
    assert first == [choose_split(f"t{index}", shares, 0) for index in range(50)]
    assert first != [choose_split(f"t{index}", shares, 1) for index in range(50)]
    assert {choose_split(f"t{index}", (0.0, 1.0, 0.0), 0) for index in range(50)} == {"dev"}


def test_the_seed_decides_the_plan():
    first = plan_items(answers(20), PlanOptions(seed=3))
    assert first == plan_items(answers(20), PlanOptions(seed=3))
    assert first != plan_items(answers(20), PlanOptions(seed=4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clean_share": 1.0}, "--clean must be at least 0 and less than 1, not 1"),
        ({"clean_share": -0.1}, "--clean"),
        ({"split_shares": (0.5, 0.5, 0.5)}, "add up to 1.*got 0.5,0.5,0.5"),
        ({"split_shares": (1.5, -0.5, 0.0)}, "--split"),
    ],
)
def test_rejects_invalid_shares(options: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        PlanOptions(**options)


def test_rejects_answers_with_one_id():
    with pytest.raises(InputError, match="2 answers have the id 'a0'"):
        plan_items([*answers(1), *answers(1)], PlanOptions())
