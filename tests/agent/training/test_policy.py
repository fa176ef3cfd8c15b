"""Tests of how GRPO divides prompts among steps and processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.policy import PolicySettings, check_step, plan_dev


@given(
    num_rows=st.integers(1, 60),
    num_prompts=st.integers(1, 9),
    processes=st.integers(1, 8),
)
def test_all_dev_batches_are_full(num_rows: int, num_prompts: int, processes: int):
    settings = PolicySettings(batch_size=4 * num_prompts, samples=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", str(processes))
        if num_rows < processes:
            with pytest.raises(InputError, match=f"{num_rows} dev prompts for {processes}"):
                plan_dev(num_rows, settings)
            return
        planned, batch = plan_dev(num_rows, settings)
    assert num_rows - processes < planned <= num_rows
    assert planned * settings.samples % (batch * processes) == 0
    assert batch <= settings.batch_size
    assert batch % settings.samples == 0


def test_one_process_measures_all_dev_prompts():
    assert plan_dev(7, PolicySettings(batch_size=8, samples=4)) == (7, 4)
    assert plan_dev(6, PolicySettings(batch_size=16, samples=4)) == (6, 12)


def test_a_step_needs_enough_prompts(monkeypatch: pytest.MonkeyPatch):
    settings = PolicySettings(batch_size=8, samples=4, accumulate=2)
    check_step(4, settings)
    with pytest.raises(InputError, match="3 train prompts, but a step takes 4: --batch-size 8"):
        check_step(3, settings)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="4 train prompts, but a step takes 8"):
        check_step(4, settings)
