"""Rate critiques with a judge model: helpful or not (paper 1), and CriticGPT's form (paper 2)."""

import json
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import ValidationError

from selfcritic import prompts
from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, Rating, RatingForm
from selfcritic.agent.errors import JudgeUnreadable, ModelError
from selfcritic.agent.evals.rating import build_rating
from selfcritic.agent.models import model_key
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.sampling.cache import open_cache
from selfcritic.agent.sampling.capabilities import recall
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.schemas import Budget, Capabilities

ROLE = "rater"
"""Role of the judge's requests in the usage."""

_QUESTIONS = ("comprehensiveness", "nitpick", "hallucinated_problem", "conciseness", "overall")
_FORM_REQUEST = """Rate the critique of the answer. Each score is an integer from 1 to 7; 4 means unsure.

- bug_inclusion: for each known bug, does the critique point it out? 1 definitely not, 7 definitely.
- comprehensiveness: does it point out all clear and severe problems? 1 problems are missing, 7 all are mentioned.
- nitpick: does it contain a nitpick? 1 no, 7 yes.
- hallucinated_problem: does it contain a problem that does not exist? 1 no, 7 yes.
- conciseness: 1 very wordy, 7 very concise.
- overall: 1 a bad critique, 7 an accurate, comprehensive and concise one.

Reply only with a JSON object like this one:
"""


@dataclass(frozen=True)
class Judge:
    """A model that rates critiques without knowing who wrote them."""

    name: str
    """Name of the rater in ratings."""
    context: Context
    """Options with the judge's model, prompts and votes."""
    asks_form: bool = False
    """Whether the form is asked, too, with one more request per critique."""
    _capabilities: dict[str, Capabilities] = field(default_factory=dict)

    async def rate(self, record: AnswerRecord, critique: CritiqueSample, /) -> list[Rating]:
        """Return the judge's rating; one that cannot be read has `error`.

        Raises:
            BudgetExhausted: The budget does not cover the request.
        """
        sampler = self._sampler()
        is_helpful: bool | None = False  # of a critique without words
        form: RatingForm | None = None
        error: str | None = None
        try:
            if _shown_text(critique):
                is_helpful = None
                is_helpful = await self._ask_helpful(sampler, record, critique)
            if self.asks_form:
                form = await self._ask_form(sampler, record, critique)
        except (ModelError, JudgeUnreadable, UnreadableFormError) as failure:
            error = str(failure)
        rating = build_rating(
            record, critique, self.name, "judge", is_helpful=is_helpful, form=form, error=error
        )
        return [rating]

    def is_same_model(self, context: Context) -> bool:
        """Whether the judge is the critic of a run."""
        judge = model_key(self.context.model_for("judge"))
        return context.has_critic and judge == model_key(context.model_for("critic"))

    async def _ask_helpful(
        self, sampler: Sampler, record: AnswerRecord, critique: CritiqueSample
    ) -> bool:
        messages = self._prompt(record, critique)
        verdict = await sampler.probability(messages, self.context.num_votes)
        if verdict.probability == 0.5:
            raise JudgeUnreadable("The judge's verdicts are tied. Set an odd number of votes.")
        return verdict.probability > 0.5

    async def _ask_form(
        self, sampler: Sampler, record: AnswerRecord, critique: CritiqueSample
    ) -> RatingForm:
        messages = form_messages(record, critique)
        [reply, *_] = await sampler.sample(messages)
        return parse_form(reply.text, {bug.id for bug in record.bugs or []})

    def _prompt(self, record: AnswerRecord, critique: CritiqueSample) -> list[BaseMessage]:
        return self.context.load_prompts().render(
            "helpfulness",
            self.context.task_type,
            question=record.question,
            context=record.context,
            answer=record.answer,
            critique=_shown_text(critique),
        )

    def _sampler(self) -> Sampler:
        model = self.context.model_for("judge")
        capabilities = self._capabilities.setdefault(ROLE, recall(model))
        pipeline = RequestPipeline(
            models=self.context.models_for("judge"),
            role=ROLE,
            budget=BudgetTracker(Budget(), parent=parent_budget.get()),
            seed=self.context.seed,
            temperature=self.context.temperatures.get("judge"),
            max_tokens=self.context.max_output_tokens.get("judge"),
            capabilities=capabilities,
            retries=self.context.retries,
            cache=open_cache(self.context.cache),
        )
        return Sampler(pipeline, retry_prompt=self.context.load_prompts().retry_verdict)


class UnreadableFormError(ValueError):
    """A judge's reply has no form that can be read."""


def form_messages(record: AnswerRecord, critique: CritiqueSample) -> list[BaseMessage]:
    """Return the prompt that asks for the form; texts are fenced so that they cannot end their section."""
    bugs = [f"{bug.id}: {bug.description}" for bug in record.bugs or []]
    sections = {
        "Context": record.context,
        "Question": record.question,
        "Answer": record.answer,
        "Known bugs": "\n".join(bugs),
        "Critique": _shown_text(critique) or "(no comment)",
    }
    parts = []
    for label, text in sections.items():
        if text:
            fence = prompts.fence_for(text)
            parts.append(f"{label}:\n{fence}\n{text}\n{fence}\n")
    example: dict[str, Any] = {"bug_inclusion": {bug.id: 1 for bug in record.bugs or []}}
    example |= dict.fromkeys(_QUESTIONS, 4)
    return [HumanMessage("\n".join([*parts, _FORM_REQUEST + json.dumps(example)]))]


def _shown_text(critique: CritiqueSample) -> str:
    """Return the located comments, else all that the critic wrote."""
    return (critique_text(critique) if critique.comments else critique.text).strip()


def parse_form(text: str, bugs: set[str]) -> RatingForm:
    """Read the form in a judge's reply; questions without an answer are None.

    Raises:
        UnreadableFormError: There is no JSON object, no score in it, or a score is not an integer from 1 to 7.
    """
    start, end = text.find("{"), text.rfind("}") + 1
    try:
        data = json.loads(text[start:end]) if start >= 0 else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise UnreadableFormError("The judge's reply is not a JSON object with the form.")
    values: dict[str, Any] = {name: data[name] for name in _QUESTIONS if name in data}
    included = data.get("bug_inclusion")
    if isinstance(included, dict):
        values["bug_inclusion"] = {bug: included[bug] for bug in bugs if bug in included}
    if not any(values.values()):
        raise UnreadableFormError("The judge's form has no score.")
    try:
        return RatingForm.model_validate(values)
    except ValidationError:
        raise UnreadableFormError(
            "A score of the judge's form is not an integer from 1 to 7."
        ) from None
