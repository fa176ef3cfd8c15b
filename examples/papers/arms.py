"""Compare arms of refinement, also with baselines at equal calls (experiment 3).

- Forced: every first answer is refined once, as in paper 1.
- Gated: an answer is accepted if P(critiqueable) is below 0.1; else it is refined, for 1 to 6 rounds. The answer with
  the lowest P(critiqueable) is returned.
- At equal calls: on each task, the baselines get as many calls as the arm made there (see `equal_calls`).
"""

from collections.abc import Sequence
from pathlib import Path

from examples.papers.chains import (
    ARMS,
    MAX_ROUNDS,
    Arm,
    Chain,
    Draft,
    chain_records,
    read_chains,
    recorded_draft,
    run_arm,
    start_chains,
)
from examples.papers.equal_calls import BASELINES, make_baselines, spend_calls
from examples.papers.models import TinyLanguageModel
from examples.papers.records import (
    first_answers,
    read_pools,
    select_records,
    take_share,
    to_answers,
)
from examples.papers.replay import Outcome, StopRule, replay_all
from examples.papers.results import Result, to_result
from selfcritic.agent.data.files import RECORDS_FILE, read_answers, write_records
from selfcritic.agent.data.records import AnswerRecord, Refinement
from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate
from selfcritic.agent.evals.measures.refinement import (
    ArmOutcome,
    compare_arms,
    win_rate,
)

CHAINS_FILE = "chains.jsonl"
GATE = 0.1
"""Accepts an answer; chosen earlier on other tasks, see `examples.benchmarks.tiny_arms`."""
NEW_DRAFT = "new draft"
COMPARED = ("best of 8, helpful", "up to 6 of 8, helpful", "one critique")
"""Arms that are compared with the baselines at equal calls."""


def make_chains(
    model: TinyLanguageModel, pools_folder: Path, folder: Path, share: float = 1.0
) -> None:
    """Run all arms and baselines on a share of the test tasks."""
    natural = select_records(read_pools(pools_folder), "test", "natural")
    records = [record for record, _ in take_share(first_answers(natural), share)]
    starts = start_chains([answer.task for answer in to_answers(records)], records)
    arms = {arm.name: run_arm(model, arm, starts, "test") for arm in ARMS}
    others = make_baselines(model, starts, GATE)
    others[NEW_DRAFT] = _recorded_drafts(starts, [record for record, _ in natural])
    lines: list[AnswerRecord] = []
    for name, chains in (arms | others).items():
        lines += chain_records(Arm(name), chains, "test")
    write_records(folder / CHAINS_FILE, lines)
    _add_refinements(records, arms)
    write_records(folder / RECORDS_FILE, records)


def _recorded_drafts(starts: Sequence[Chain], records: Sequence[AnswerRecord]) -> list[Chain]:
    """Return all natural answers of each task."""
    drafts: dict[str, list[Draft]] = {}
    for record in records:
        drafts.setdefault(record.task, []).append(recorded_draft(record))
    return [Chain(chain.task, drafts[chain.task.id]) for chain in starts]


def _add_refinements(records: Sequence[AnswerRecord], arms: dict[str, list[Chain]]) -> None:
    """Add the gated answer of each arm and round limit to the first answer's record."""
    for name, chains in arms.items():
        for max_rounds in range(1, MAX_ROUNDS + 1):
            outcomes = replay_all(chains, StopRule(max_rounds, GATE))
            for record, outcome in zip(records, outcomes, strict=True):
                record.refinements.append(
                    Refinement(
                        arm=name,
                        answer=outcome.answer.text,
                        is_correct=outcome.answer.is_correct,
                        round=max_rounds,
                        calls=outcome.calls,
                    )
                )
    for record in records:
        record.critiques = []  # they are in the pools


def read_arms(folder: Path) -> dict[str, list[Chain]]:
    """Return the recorded chains of each arm."""
    records = read_answers(folder / CHAINS_FILE)
    firsts = {record.task: record for record in records}
    answers = to_answers(list(firsts.values()))
    return read_chains(records, {answer.task.id: answer.task for answer in answers})


def measure_arms(model: TinyLanguageModel, folder: Path) -> list[Result]:
    """Measure all arms, and the paired differences at equal calls."""
    arms = read_arms(folder)
    results: list[Result] = []
    for arm in ARMS:
        forced = replay_all(arms[arm.name], StopRule(1, is_forced=True))
        results += _arm_results(model.name, f"forced, {arm.name}", forced)
        for max_rounds in range(1, MAX_ROUNDS + 1):
            gated = replay_all(arms[arm.name], StopRule(max_rounds, GATE))
            name = f"gated, {arm.name}, {max_rounds}"
            results.append(_accuracy_result("refine", model.name, name, gated))
    firsts = [Outcome(chain.drafts[0], chain.drafts[0], 1) for chain in arms["direct"]]
    results += _arm_results(model.name, "draft", firsts)
    redrawn = [Outcome(chain.drafts[1], chain.drafts[0], 2) for chain in arms[NEW_DRAFT]]
    results += _arm_results(model.name, f"forced, {NEW_DRAFT}", redrawn)
    results += _compare_forced(model.name, arms)
    results += _compare_at_equal_calls(model.name, arms)
    return results


def _arm_results(model: str, name: str, outcomes: Sequence[Outcome]) -> list[Result]:
    """Return the measures of an arm that refines every answer."""
    tasks = range(len(outcomes))
    wrong = [outcome for outcome in outcomes if not outcome.first.is_correct]
    right = [outcome for outcome in outcomes if outcome.first.is_correct]
    changes = []
    for outcome in outcomes:
        changes.append(float(outcome.answer.is_correct) - float(outcome.first.is_correct))
    estimates = {
        "gain": mean(changes, tasks),
        "wrong to correct": _accuracy(wrong),
        "correct to wrong": rate(
            [not outcome.answer.is_correct for outcome in right], range(len(right))
        ),
        "win rate": win_rate([outcome.preference for outcome in outcomes], tasks),
    }
    results = [_accuracy_result("refine", model, name, outcomes)]
    for measure, estimate in estimates.items():
        results.append(to_result("refine", model, f"{name}: {measure}", estimate))
    return results


def _accuracy(outcomes: Sequence[Outcome]) -> Estimate:
    return rate([outcome.answer.is_correct for outcome in outcomes], range(len(outcomes)))


def _accuracy_result(experiment: str, model: str, name: str, outcomes: Sequence[Outcome]) -> Result:
    """Return the share of right answers, at the mean calls per task."""
    calls = sum(outcome.calls for outcome in outcomes) / len(outcomes)
    return to_result(experiment, model, f"{name}: correct", _accuracy(outcomes), calls)


def to_arm_outcomes(outcomes: Sequence[Outcome]) -> list[ArmOutcome]:
    """Return the outcomes of all tasks, numbered by task."""
    return [
        ArmOutcome(number, outcome.first.is_correct, outcome.answer.is_correct, outcome.calls)
        for number, outcome in enumerate(outcomes)
    ]


def compare(first: Sequence[Outcome], second: Sequence[Outcome]) -> Estimate:
    """Return how much more often the second is correct, paired by task."""
    return compare_arms(to_arm_outcomes(first), to_arm_outcomes(second)).difference


def _compare_forced(model: str, arms: dict[str, list[Chain]]) -> list[Result]:
    """Compare one forced refinement by the best critique with the other arms, on flawed answers."""
    rule = StopRule(1, is_forced=True)
    results = []
    best = [o for o in replay_all(arms["best of 8"], rule) if not o.first.is_correct]
    for arm in ARMS:
        other = [o for o in replay_all(arms[arm.name], rule) if not o.first.is_correct]
        name = f"forced, flawed: best of 8 - {arm.name}"
        results.append(to_result("refine", model, name, compare(other, best)))
    return results


def _compare_at_equal_calls(model: str, arms: dict[str, list[Chain]]) -> list[Result]:
    """Compare gated arms with the baselines that make as many calls on each task."""
    results: list[Result] = []
    for name in COMPARED:
        for max_rounds in range(1, MAX_ROUNDS + 1):
            outcomes = replay_all(arms[name], StopRule(max_rounds, GATE))
            calls = [outcome.calls for outcome in outcomes]
            for baseline in BASELINES:
                rival = spend_calls(baseline, arms["direct"], arms, calls, GATE)
                label = f"{name}, {max_rounds} - {baseline}"
                results.append(
                    to_result("equal_calls", model, label, compare(rival, outcomes), max_rounds)
                )
                label = f"{baseline}, as {name}, {max_rounds}"
                results.append(_accuracy_result("equal_calls", model, label, rival))
    return results
