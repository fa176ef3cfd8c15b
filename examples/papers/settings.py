"""Measure what the loop's settings buy, and choose them on development tasks (experiment 7).

Each setting is varied alone, starting from the defaults of `selfcritic.agent.context`. Then two combinations are chosen
by the mean share of correct answers over all models that sort words: one that makes at most as many calls as the
defaults, and one with any number of calls. Both are measured once on the test tasks, with the chains of experiment 3.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from examples.papers.arms import CHAINS_FILE
from examples.papers.chains import MAX_ROUNDS, Arm, Chain, chain_records, run_arm, start_chains
from examples.papers.models import TinyLanguageModel
from examples.papers.records import (
    first_answers,
    read_pools,
    select_records,
    take_share,
    to_answers,
)
from examples.papers.replay import StopRule, replay_all
from examples.papers.results import Result, to_result
from selfcritic.agent.context import Context
from selfcritic.agent.data.files import write_records
from selfcritic.agent.evals.measures.intervals import mean

_DEFAULTS = Context()
DEFAULT_ARM = Arm(
    "default",
    num_critiques=_DEFAULTS.num_critiques,
    helpful_threshold=_DEFAULTS.helpful_threshold,
    max_applied=_DEFAULTS.critiques_per_refinement,
    criticizes_last=True,
)
DEFAULT_RULE = StopRule(
    _DEFAULTS.max_rounds, _DEFAULTS.accept_threshold, _DEFAULTS.patience, keep="best"
)
DEV_ARMS = (
    DEFAULT_ARM,
    *(Arm(f"N={n}", num_critiques=n, helpful_threshold=0.5) for n in (1, 2, 4, 16, 32)),
    *(Arm(f"P(helpful)>{p}", helpful_threshold=p) for p in (0.0, 0.8)),
    Arm("up to 6", helpful_threshold=0.5, max_applied=6),
    Arm("up to 6, P(helpful)>0.0", max_applied=6),
    *(Arm(f"up to 6, N={n}", "model", n, 0.5, 6) for n in (4, 16)),
    Arm("direct", "direct"),
)
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
ROUNDS = (1, 2, 3, 4, 5, 6)
PATIENCES = (1, 2, 3, MAX_ROUNDS)
ON_TEST: Mapping[str, str] = {
    "default": "best of 8, helpful",
    "P(helpful)>0.0": "best of 8",
    "up to 6": "up to 6 of 8, helpful",
    "direct": "direct",
}
"""Arms of experiment 3 with the same options, whose chains serve as the test."""
WITHIN = "at most the default's calls"
ANY = "any calls"
ALL_MODELS = "all"

Setting = tuple[Arm, StopRule]
ChainsByModel = Mapping[str, Mapping[str, list[Chain]]]


def make_dev_chains(
    model: TinyLanguageModel, pools_folder: Path, folder: Path, share: float = 1.0
) -> None:
    """Run every arm on a share of the development tasks."""
    rated = first_answers(select_records(read_pools(pools_folder), "dev", "natural"))
    records = [record for record, _ in take_share(rated, share)]
    starts = start_chains([answer.task for answer in to_answers(records)], records)
    lines = []
    for arm in DEV_ARMS:
        lines += chain_records(arm, run_arm(model, arm, starts, "dev settings"), "dev")
    write_records(folder / CHAINS_FILE, lines)


def single_changes() -> Iterator[tuple[str, Setting]]:
    """Yield settings that differ from the defaults in one option."""
    yield "default", (DEFAULT_ARM, DEFAULT_RULE)
    for threshold in THRESHOLDS:
        yield (
            f"accept_threshold={threshold}",
            (
                DEFAULT_ARM,
                replace(DEFAULT_RULE, accept_threshold=threshold),
            ),
        )
    for rounds in ROUNDS:
        yield f"max_rounds={rounds}", (DEFAULT_ARM, replace(DEFAULT_RULE, max_rounds=rounds))
    for patience in PATIENCES:
        yield f"patience={patience}", (DEFAULT_ARM, replace(DEFAULT_RULE, patience=patience))
    yield "keep=latest", (DEFAULT_ARM, replace(DEFAULT_RULE, keep="latest"))
    by_helpfulness = replace(DEFAULT_RULE, verdict="helpfulness")
    yield "verdict=helpfulness", (DEFAULT_ARM, by_helpfulness)
    for arm in DEV_ARMS[1:]:
        yield arm.name, (arm, DEFAULT_RULE)


def combinations() -> Iterator[Setting]:
    """Yield the combinations whose test chains experiment 3 has made."""
    arms = [arm for arm in DEV_ARMS if arm.name in ON_TEST and arm.source != "direct"]
    for arm, rounds, threshold, patience in product(
        arms, (1, 2, 3, 4, 6), (0.02, 0.05, 0.1, 0.2, 0.5), (2, MAX_ROUNDS)
    ):
        yield arm, StopRule(rounds, threshold, patience)


def choose_settings(dev: ChainsByModel) -> dict[str, Setting]:
    """Choose two combinations by their mean accuracy on development tasks; ties go to fewer calls."""
    default_calls = _score((DEFAULT_ARM, DEFAULT_RULE), dev)[1]
    best: dict[str, tuple[float, float, Setting]] = {}
    for setting in combinations():
        accuracy, calls = _score(setting, dev)
        for name in (WITHIN, ANY):
            if name == WITHIN and calls > default_calls:
                continue
            if name not in best or (accuracy, -calls) > best[name][:2]:
                best[name] = (accuracy, -calls, setting)
    return {name: setting for name, (_, _, setting) in best.items()}


def _score(setting: Setting, dev: ChainsByModel) -> tuple[float, float]:
    """Return the mean share of correct answers and the mean calls, over all models."""
    arm, rule = setting
    accuracies = []
    calls = []
    for arms in dev.values():
        outcomes = replay_all(arms[arm.name], rule)
        accuracies.append(np.mean([outcome.answer.is_correct for outcome in outcomes]))
        calls.append(np.mean([outcome.calls for outcome in outcomes]))
    return float(np.mean(accuracies)), float(np.mean(calls))


def describe_setting(setting: Setting) -> str:
    """Return the options of a chosen combination."""
    arm, rule = setting
    return (
        f"critiques: {arm.name}, accept_threshold={rule.accept_threshold}, "
        f"max_rounds={rule.max_rounds}, patience={rule.patience}"
    )


def select_test_chains(chains: ChainsByModel) -> dict[str, dict[str, list[Chain]]]:
    """Return the chains of experiment 3 under the names of this one, for tasks that all models have."""
    lengths = [len(arms[name]) for arms in chains.values() for name in ON_TEST.values()]
    size = min(lengths, default=0)
    selected = {}
    for model, arms in chains.items():
        selected[model] = {name: arms[source][:size] for name, source in ON_TEST.items()}
    return selected


def measure_settings(
    chains: ChainsByModel, experiment: str, settings: Mapping[str, Setting]
) -> list[Result]:
    """Measure settings for each model, and for all together, paired with the defaults."""
    results: list[Result] = []
    for name, setting in settings.items():
        correct: list[list[float]] = []
        calls: list[list[float]] = []
        gains: list[list[float]] = []
        for model, arms in chains.items():
            base = replay_all(arms[DEFAULT_ARM.name], DEFAULT_RULE)
            outcomes = replay_all(arms[setting[0].name], setting[1])
            correct.append([float(outcome.answer.is_correct) for outcome in outcomes])
            calls.append([float(outcome.calls) for outcome in outcomes])
            difference = np.subtract(correct[-1], [o.answer.is_correct for o in base])
            gains.append(difference.tolist())
            values = (correct[-1], calls[-1], gains[-1])
            results += _setting_results(experiment, model, name, *values)
        means = [np.mean(rows, axis=0).tolist() for rows in (correct, calls, gains)]
        results += _setting_results(experiment, ALL_MODELS, name, *means)
    return results


def _setting_results(
    experiment: str,
    model: str,
    name: str,
    correct: Sequence[float],
    calls: Sequence[float],
    gains: Sequence[float],
) -> list[Result]:
    """Return the results of one setting; one value per task, in the same order for all models."""
    tasks = range(len(correct))
    mean_calls = mean(calls, tasks)
    estimates = {
        "correct": mean(correct, tasks, is_share=True),
        "calls": mean_calls,
        "gain over default": mean(gains, tasks),
    }
    results = []
    for measure, estimate in estimates.items():
        results.append(
            to_result(experiment, model, f"{name}: {measure}", estimate, mean_calls.value)
        )
    return results


def dev_settings() -> dict[str, Setting]:
    """Return the settings that are compared on the development tasks."""
    return dict(single_changes())


def final_settings(chosen: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return the settings that are measured on the test tasks."""
    settings = {"default": (DEFAULT_ARM, DEFAULT_RULE)}
    for name, setting in chosen.items():
        settings[f"{name}: {describe_setting(setting)}"] = setting
    settings["direct refinement, accept_threshold=0.1"] = (
        DEV_ARMS[-1],
        replace(DEFAULT_RULE, accept_threshold=0.1),
    )
    return settings
