"""Tests of the choice of task sizes, on made-up outcomes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.training.tiny.task_range import TARGET, choose_sizes, describe_range

OUTCOMES = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=80)


def choose(percent_correct: dict[int, int]):
    """Choose from 100 drafts of each size, with this percentage of correct drafts at each size."""
    sizes = []
    is_flawed = []
    for size, correct in percent_correct.items():
        sizes += [size] * 100
        is_flawed += [False] * correct + [True] * (100 - correct)
    return choose_sizes(sizes, is_flawed)


def test_chooses_the_sizes_with_a_rate_in_the_target():
    choice = choose({3: 97, 4: 85, 5: 60, 6: 30, 7: 29, 8: 0})
    assert choice.sizes == [4, 5, 6]
    assert choice.problem == ""


def test_chance_does_not_split_the_range():
    assert choose({3: 95, 4: 80, 5: 90, 6: 50, 7: 20}).sizes == [4, 5, 6]


@pytest.mark.parametrize(
    ("percent_correct", "problem"),
    [
        ({3: 100, 4: 90}, "too easy at every size"),
        ({5: 86}, "too easy at every size"),
        ({3: 29, 4: 10, 5: 0}, "too hard at every size"),
        ({2: 98, 3: 12}, "too easy up to size 2, too hard from size 3"),
    ],
)
def test_explains_why_no_size_qualifies(percent_correct: dict[int, int], problem: str):
    choice = choose(percent_correct)
    assert choice.problem == problem
    assert choice.sizes == list(percent_correct)


@given(OUTCOMES)
def test_chosen_sizes_are_consecutive(outcomes: list[tuple[int, bool]]):
    choice = choose_sizes(*zip(*outcomes, strict=True))
    available = sorted({size for size, _ in outcomes})
    start = available.index(choice.sizes[0])
    assert choice.sizes == available[start : start + len(choice.sizes)]


@given(OUTCOMES)
def test_drafts_of_the_chosen_sizes_are_in_the_target(outcomes: list[tuple[int, bool]]):
    choice = choose_sizes(*zip(*outcomes, strict=True))
    is_correct = [not flawed for size, flawed in outcomes if size in choice.sizes]
    rate = sum(is_correct) / len(is_correct)
    if not choice.problem:
        assert TARGET[0] <= rate <= TARGET[1]
    elif choice.problem == "too easy at every size":
        assert rate > TARGET[1]
    elif choice.problem == "too hard at every size":
        assert rate < TARGET[0]


@given(OUTCOMES, st.randoms())
def test_the_order_of_tasks_does_not_matter(outcomes: list[tuple[int, bool]], rng: random.Random):
    choice = choose_sizes(*zip(*outcomes, strict=True))
    rng.shuffle(outcomes)
    assert choose_sizes(*zip(*outcomes, strict=True)) == choice


def test_describes_a_range():
    assert describe_range([5, 3, 4]) == "3 to 5"
    assert describe_range([7]) == "7"
