"""Apply stop rules to recorded chains: what each would have returned, and its calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from examples.papers.chains import MAX_ROUNDS, Chain, Draft
from selfcritic.agent.context import Context
from selfcritic.agent.schemas import Round
from selfcritic.agent.stopping import best_round, find_stop_reason


@dataclass(frozen=True)
class StopRule:
    """When a chain stops, and which answer it returns."""

    max_rounds: int = MAX_ROUNDS
    accept_threshold: float = 0.1
    patience: int = MAX_ROUNDS
    keep: Literal["best", "latest"] = "best"
    """The answer with the lowest P(critiqueable), or the latest one."""
    verdict: Literal["critiqueability", "helpfulness"] = "critiqueability"
    """helpfulness: an answer is as flawed as its most helpful critique is helpful."""
    is_forced: bool = False
    """Whether the first answer is refined even if it is accepted, and the latest one returned."""


@dataclass(frozen=True)
class Outcome:
    """The answer that a chain returns."""

    answer: Draft
    first: Draft
    calls: int

    @property
    def preference(self) -> float:
        """1 if the answer has fewer flaws than the first one, 0 if it has more, 0.5 for a tie."""
        difference = self.first.num_flaws - self.answer.num_flaws
        if difference == 0:
            return 0.5
        return float(difference > 0)


def replay(chain: Chain, rule: StopRule) -> Outcome:
    """Stop a recorded chain as the loop does (`find_stop_reason` and `best_round`)."""
    drafts = chain.drafts
    if rule.is_forced:
        last = min(rule.max_rounds, len(drafts) - 1)
        is_stuck = chain.is_stuck and last < rule.max_rounds
        calls = _count_calls(chain, last, rule, is_stuck=is_stuck)
        return _outcome(chain, last, calls)
    context = _to_context(rule)
    rounds: list[Round] = []
    reason = None
    for draft in drafts:
        rounds.append(_to_round(draft, rule))
        reason = find_stop_reason(rounds, context)
        if reason is not None:
            break
    last = len(rounds) - 1
    kept = last
    if reason != "accepted" and rule.keep == "best":
        kept = best_round(rounds)
    calls = _count_calls(chain, last, rule, is_stuck=reason is None)
    return _outcome(chain, kept, calls)


def _outcome(chain: Chain, kept: int, calls: int) -> Outcome:
    return Outcome(chain.drafts[kept], chain.drafts[0], calls)


def replay_all(chains: Sequence[Chain], rule: StopRule) -> list[Outcome]:
    """Return the outcome of each chain."""
    return [replay(chain, rule) for chain in chains]


@cache
def _to_context(rule: StopRule) -> Context:
    return Context(
        max_rounds=rule.max_rounds,
        accept_threshold=rule.accept_threshold,
        patience=rule.patience,
    )


def _to_round(draft: Draft, rule: StopRule) -> Round:
    p_critiqueable = draft.p_critiqueable
    if rule.verdict == "helpfulness" and draft.best_helpful is not None:
        p_critiqueable = draft.best_helpful
    return Round.model_construct(
        answer=draft.text, p_critiqueable=p_critiqueable, judged_by="logprobs"
    )  # the values are valid, and millions are replayed


def _count_calls(chain: Chain, last: int, rule: StopRule, *, is_stuck: bool) -> int:
    """Count the replies up to an answer.

    Each answer before the last one has been criticized; the last one only if the chain got stuck with it, or if the
    verdict is made of its critiques.
    """
    by_helpfulness = rule.verdict == "helpfulness"
    calls = 0
    for number, draft in enumerate(chain.drafts[: last + 1]):
        calls += 1 if by_helpfulness else 2
        if number < last or is_stuck or by_helpfulness:
            calls += draft.critique_calls
    if is_stuck:
        calls += chain.repeat_calls
    return calls
