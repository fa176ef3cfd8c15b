"""When a run ends, as a function of what its drafts measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import Context, Round
from selfcritic.agent.stopping import find_stop_reason


def measured(*values: float | None) -> list[Round]:
    return [Round(answer=str(index), p_critiqueable=value) for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.4], {}, "accepted"),
        ([0.5], {}, None),
        ([0.9, 0.8, 0.7, 0.6], {"max_rounds": 3}, "max_rounds"),
        ([0.9], {"max_rounds": 0}, "max_rounds"),
        ([0.9, 0.9, 0.9], {"max_rounds": 9}, "plateau"),
        ([0.9, 0.895, 0.895], {"max_rounds": 9}, "plateau"),
        ([0.9, 0.9, 0.88], {"max_rounds": 9}, None),
        ([0.9, 0.9], {"max_rounds": 9, "patience": 1}, "plateau"),
        ([0.6, 0.9, 0.4], {"max_rounds": 2}, "accepted"),
        ([0.0], {"accept_threshold": 0.0}, None),
    ],
)
def test_endings(values, options, expected):
    assert find_stop_reason(measured(*values), Context(**options)) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 8))
def test_a_run_never_goes_on_past_its_rounds(values, max_rounds):
    if len(values) > max_rounds:
        assert find_stop_reason(measured(*values), Context(max_rounds=max_rounds)) is not None
