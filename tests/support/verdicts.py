"""Read verdicts and texts from replies."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage

from selfcritic.agent.sampling.sampler import Sample
from selfcritic.agent.sampling.verdicts import read_logprobs


def probability_of_yes(reply: AIMessage) -> float | None:
    """Return P(Yes) from the reply's logprobs, None without a verdict."""
    verdict = read_logprobs(reply)
    return None if verdict is None else verdict.probability


def texts(samples: Sequence[Sample]) -> list[str]:
    """Return the texts of samples."""
    return [sample.text for sample in samples]
