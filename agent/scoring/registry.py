"""Look up a run's scorers, and check them before the first request."""

from collections.abc import Mapping

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.protocols import ScorerFunction
from selfcritic.agent.scoring.evidence import evidence
from selfcritic.agent.scoring.reward_model import check_folder, reward_model
from selfcritic.agent.scoring.reward_server import RewardServer
from selfcritic.agent.step import Step

AnyScorer = str | ScorerFunction  # a name or a function


def scorer_weights(context: Context) -> Mapping[AnyScorer, float]:
    """Return the run's scorers with their weights; a single scorer has weight 1."""
    scorer = context.scorer
    if isinstance(scorer, dict):
        return dict(scorer.items())
    return {scorer: 1.0}


def scorer_name(scorer: AnyScorer) -> str:
    """Return the name of a scorer for messages and events."""
    if isinstance(scorer, str):
        return scorer
    name: str = getattr(scorer, "__name__", type(scorer).__name__)
    return name


def check_scorers(context: Context) -> None:
    """Raise InputError if a scorer's folder or address cannot be used. Reads files."""
    for scorer in scorer_weights(context):
        try:
            _check_scorer(scorer)
        except InputError as error:
            raise InputError(f"`scorer` (--scorer): {error}") from None


def _check_scorer(scorer: AnyScorer) -> None:
    if not isinstance(scorer, str):
        return
    kind, _, location = scorer.partition(":")
    if kind == "reward":
        check_folder(location)
    elif kind == "reward-server":
        RewardServer(location)


def get_scorer(step: Step, scorer: AnyScorer) -> ScorerFunction:
    """Return the function of a scorer other than "helpfulness". Raises InputError."""
    if not isinstance(scorer, str):
        return scorer
    kind, _, location = scorer.partition(":")
    if kind == "reward":
        return reward_model(location)
    if kind == "reward-server":
        return RewardServer(
            location,
            step.context.retries,
            before_request=lambda: step.reserve("scorer"),
        )
    return evidence
