"""Spend as many calls as an arm made on baselines without critiques.

- best of n drafts: draws and judges n drafts;
- resampled until accepted: the same, but stops at the first accepted draft;
- direct, repeated: refines several drafts directly, each for up to four rounds.

Each returns the least critiqueable answer. The first draft is the arm's.
"""

from collections.abc import Sequence

from examples.papers.chains import Arm, Chain, Draft, run_arm
from examples.papers.models import TinyLanguageModel
from examples.papers.replay import Outcome
from examples.papers.replies import Answer, judge_answers, write_answers

NUM_DRAFTS = 56
"""As many as the longest chain's calls allow, with verdicts."""
NUM_REPEATS = 6
REPEAT_ROUNDS = 4
DRAFTS = "drafts"
BASELINES = ("best of n drafts", "resampled until accepted", "direct, repeated")
_CALLS_PER_ANSWER = 2  # an answer and its verdict


def make_baselines(
    model: TinyLanguageModel, starts: Sequence[Chain], gate: float
) -> dict[str, list[Chain]]:
    """Sample drafts, and refine some of them directly, for tasks whose first answer is not accepted."""
    rejected = [chain for chain in starts if chain.drafts[0].p_critiqueable >= gate]
    tasks = [chain.task for chain in rejected]
    texts = write_answers(model.engine, tasks, NUM_DRAFTS - 1, model.seed("test drafts"))
    drafts: list[Chain] = []
    for chain, pool in zip(rejected, texts, strict=True):
        answers = [Answer(chain.task, text) for text in pool]
        verdicts = judge_answers(model.engine, answers)
        more = [
            Draft(text, len(chain.task.flaws(text)), p_critiqueable)
            for text, p_critiqueable in zip(pool, verdicts, strict=True)
        ]
        drafts.append(Chain(chain.task, [chain.drafts[0], *more]))
    arms = {DRAFTS: drafts}
    for number in range(1, NUM_REPEATS):
        arm = Arm(f"direct {number}", "direct")
        starts = [Chain(chain.task, [chain.drafts[number]]) for chain in drafts]
        arms[arm.name] = run_arm(model, arm, starts, "test")
    return arms


def spend_calls(
    baseline: str,
    first_chains: Sequence[Chain],
    arms: dict[str, list[Chain]],
    max_calls: Sequence[int],
    gate: float,
) -> list[Outcome]:
    """Return a baseline's outcome of each task within its calls.

    Args:
        baseline: One of `BASELINES`.
        first_chains: The chains of direct refinement of the first answers.
        arms: The chains of `make_baselines`.
        max_calls: Calls of each task.
        gate: P(critiqueable) below which an answer is accepted.
    """
    by_task: dict[str, dict[str, Chain]] = {}
    for name, chains in arms.items():
        for chain in chains:
            by_task.setdefault(chain.task.id, {})[name] = chain
    outcomes = []
    for chain, calls in zip(first_chains, max_calls, strict=True):
        others = by_task.get(chain.task.id, {})
        answers = _answers_within(baseline, chain, others, calls, gate)
        best = min(answers, key=lambda draft: draft.p_critiqueable)
        spent = _CALLS_PER_ANSWER * len(answers)
        outcomes.append(Outcome(best, chain.drafts[0], spent))
    return outcomes


def _answers_within(
    baseline: str, chain: Chain, others: dict[str, Chain], calls: int, gate: float
) -> list[Draft]:
    """Return the answers that a baseline writes within a number of calls, at least the first one."""
    size = max(calls // _CALLS_PER_ANSWER, 1)
    if DRAFTS not in others:
        return chain.drafts[:1]
    if baseline == "best of n drafts":
        return others[DRAFTS].drafts[:size]
    if baseline == "resampled until accepted":
        return _until_accepted(others[DRAFTS].drafts, gate)[:size]
    answers = _until_accepted(chain.drafts[: REPEAT_ROUNDS + 1], gate)
    for number in range(1, NUM_REPEATS):
        repeated = others[f"direct {number}"].drafts[: REPEAT_ROUNDS + 1]
        answers = [*answers, *_until_accepted(repeated, gate)]
    return answers[:size]


def _until_accepted(drafts: Sequence[Draft], gate: float) -> list[Draft]:
    kept: list[Draft] = []
    for draft in drafts:
        kept.append(draft)
        if draft.p_critiqueable < gate:
            break
    return kept
