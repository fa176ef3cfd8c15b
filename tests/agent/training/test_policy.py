"""Tests of GRPO's steps, of how it divides prompts among processes, and of stopping."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.policy import _stop_callback
from selfcritic.agent.training.policy_prompts import check_step, plan_dev
from selfcritic.agent.training.settings import PolicySettings


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


@pytest.mark.parametrize(("truths", "stops"), [([0.6, 0.5, 0.4], True), ([0.6, 0.5, 0.5], False)])
def test_a_training_that_had_stopped_does_not_go_on(
    truths: list[float], stops: bool, tmp_path: Path
):
    transformers = pytest.importorskip("transformers", reason="make train-tools")
    log = []
    for step, truth in enumerate(truths):
        proxy = 0.1 * step
        log.append(
            {
                "step": step,
                "eval_reward": proxy,
                "eval_rewards/truth/mean": truth,
                "eval_rewards/proxy/mean": proxy,
            }
        )
    control = transformers.TrainerControl()
    state = transformers.TrainerState(log_history=log)
    _stop_callback(tmp_path, patience=2).on_train_begin(None, state, control)
    assert control.should_training_stop == stops
