"""Tests of the curves of GRPO, and of stopping by them."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.curves import draw_curves, is_diverging, read_curves, write_curves
from selfcritic.agent.training.policy import summarize
from selfcritic.agent.training.settings import PolicySettings


def dev(step: int, truth: float, proxy: float) -> dict[str, float]:
    return {
        "step": step,
        "eval_reward": proxy,
        "eval_rewards/truth/mean": truth,
        "eval_rewards/proxy/mean": proxy,
        "eval_completions/mean_length": 9.0,
    }


def train(step: int) -> dict[str, float]:
    return {
        "step": step,
        "reward": 0.5,
        "rewards/truth/mean": 0.4,
        "rewards/proxy/mean": 0.1,
        "kl": 0.01,
        "highlights": 1.5,
    }


@pytest.mark.parametrize(
    ("truths", "proxies", "stops"),
    [
        ([0.5, 0.4, 0.3], [1, 2, 3], True),
        ([0.9, 0.5, 0.4, 0.3], [9, 1, 2, 3], True),
        ([0.5, 0.4], [1, 2], False),
        ([0.5, 0.4, 0.4], [1, 2, 3], False),
        ([0.5, 0.4, 0.3], [3, 2, 1], False),
        ([0.3, 0.4, 0.5], [1, 2, 3], False),
    ],
    ids=["falls", "falls late", "too early", "level", "proxy falls too", "rises"],
)
def test_stops_when_truth_falls_while_the_proxy_rises(truths, proxies, stops):
    log = [dev(step, *values) for step, values in enumerate(zip(truths, proxies, strict=True))]
    assert is_diverging(read_curves([train(0), *log]), patience=2) is stops


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-5, 5)), max_size=8), st.integers(1, 4))
def test_never_stops_unless_every_recent_truth_fell(points, patience):
    rows = read_curves([dev(step, *point) for step, point in enumerate(points)])
    if is_diverging(rows, patience):
        recent = [truth for truth, _ in points[-patience - 1 :]]
        assert recent == sorted(set(recent), reverse=True)
        assert len(recent) == patience + 1


def test_summary_prefers_the_first_of_equally_true_steps():
    rows = read_curves([dev(0, 0.4, 1), train(1), dev(2, 0.6, 2), dev(4, 0.6, 3), dev(6, 0.5, 4)])
    summary = summarize(rows)
    assert summary["best_step"] == 2
    assert [summary[name]["truth"] for name in ("start", "best", "end")] == [0.4, 0.6, 0.5]


def test_summary_needs_a_rated_critique():
    with pytest.raises(InputError, match="rated no critique of the dev records"):
        summarize(read_curves([train(1)]))


def test_writes_and_draws_the_curves(tmp_path: Path):
    rows = read_curves([dev(0, 0.4, 1), train(1), train(2), dev(2, 0.6, 2)])
    write_curves(tmp_path, rows)
    with (tmp_path / "curves.csv").open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [row["split"] for row in written] == ["dev", "train", "train", "dev"]
    assert written[1]["kl"] == "0.01"
    draw_curves(tmp_path, rows, "a run")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_settings_that_would_never_clip_are_rejected():
    with pytest.raises(InputError, match="--iterations 1 never clips"):
        PolicySettings(iterations=1)
    with pytest.raises(InputError, match="--batch-size 6 must be a multiple of --samples 4"):
        PolicySettings(batch_size=6, samples=4)
