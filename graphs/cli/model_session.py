"""Share what the checks of one model learn about it."""

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from selfcritic import prompts
from selfcritic.agent.models.base import LocalChatModel
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.capabilities import recall
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sample, Sampler
from selfcritic.agent.schemas import Budget, Retries
from selfcritic.graphs.cli.model_probes import FREE_PROBE, TASK_PROBE, Probe

NUM_SAMPLES = 3
_MAX_CALLS = 60
_RETRIES = Retries(tries=2, startup_seconds=0)
_VOTES = 3


class CheckSession:
    """Requests to one model, and what is known about it."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model
        self.budget = BudgetTracker(Budget(calls=_MAX_CALLS))
        self.has_replied = False
        self.probe: Probe = FREE_PROBE
        if isinstance(model, LocalChatModel):
            self.probe = TASK_PROBE
        self.prompts = prompts.load()
        pipeline = RequestPipeline(
            models=[model],
            role="check",
            budget=self.budget,
            capabilities=recall(model),
            retries=_RETRIES,
        )
        self.sampler = Sampler(pipeline, retry_prompt=self.prompts.retry_verdict)
        self.samples: list[Sample] = []
        """Replies to one prompt, without a seed."""

    async def p_yes(self, name: prompts.PromptName, **data: str) -> float:
        """Return the probability that a verdict is yes."""
        votes = 1 if self.sampler.capabilities.reasoning else _VOTES
        verdict = await self.sampler.probability(self.render(name, **data), votes)
        return verdict.probability

    def render(self, name: prompts.PromptName, **data: str) -> list[BaseMessage]:
        """Render a prompt about the probe's question."""
        data = {"question": self.probe.question, **data}
        return self.prompts.render(name, "question", **data)
