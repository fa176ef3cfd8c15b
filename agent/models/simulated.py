"""The simulated model: a noisy solver of the task families, with known error rates, behind the chat model interface.

It reads the prompt it is given, works on the very task, draft and critique that stand in it, and errs at rates that
are its options, each from the draft's real state by the family's oracle:

- `slip`: a draft has a flaw put in;
- `miss`: a flaw is not seen: a flawed draft is judged flawless, a flaw is left out of a critique;
- `invent`: a flaw is seen that is none: a right draft is judged flawed, a critique gets a comment that is not valid
  (a forced critique that found nothing consists of one);
- `misjudge`: the verdict on a critique is wrong;
- `botch`: a mend fails: the draft keeps its flaws and gets another.

Verdicts follow signal detection. What the model makes of a draft is drawn once for each draft, z ~ N(0, 1), so that
asking again brings the same opinion: P(Yes) = Φ((μ + z) / τ), with μ such that P(Yes) averages to `1 - miss` over
flawed drafts and to `invent` over right ones (likewise for critiques). So sampled Yes and No err at exactly the rates,
log-probs and votes agree, and the area under the ROC curve is known: Φ((μ₁ - μ₀) / √2).
"""

import functools
import math
import random
import secrets
from statistics import NormalDist

from langchain_core.messages import BaseMessage
from pydantic import PrivateAttr

from selfcritic.agent.critic.format import parse, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import UnknownTaskError
from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.agent.schemas import Comment, Probability
from selfcritic.agent.tasks import TASKS, Task, parse_task
from selfcritic.prompts import ParsedPrompt, parse_prompt

NOTICE = "simulated model: a noisy solver with known error rates; name a real one with --model"

_SHARPNESS = 0.5
"""τ: the smaller, the nearer to 0 or 1 are the verdicts' probabilities."""
_NORMAL = NormalDist()


class SimulatedModel(LocalChatModel):
    """A noisy solver of the task families. `seed` makes its replies repeat; None draws fresh ones."""

    draft_error_rate: Probability = 0.6
    miss_rate: Probability = 0.15
    false_alarm_rate: Probability = 0.15
    judge_error_rate: Probability = 0.15
    refine_error_rate: Probability = 0.15
    seed: int | None = None
    _nature: int = PrivateAttr(default_factory=lambda: secrets.randbits(64))

    def draw(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Play the part that the prompt asks for, n times."""
        reading = _read(messages)
        given = seed if seed is not None else self.seed
        solver = _Solver(
            self, _task(reading.data.get("question", "")), reading, self._nature if given is None else given
        )
        asked = secrets.randbits(64) if given is None else [given, *(message.text for message in messages)]
        return [solver.reply(random.Random(f"{asked} {index}")) for index in range(n)]

    @property
    def _llm_type(self) -> str:
        return "simulated"


class _Solver:
    """One request: a task, a part to play in it, and the rates of the model."""

    def __init__(self, rates: SimulatedModel, task: Task, reading: ParsedPrompt, nature: int) -> None:
        self.rates = rates
        self.task = task
        self.role = reading.role
        self.answer = reading.data.get("answer", "")
        self.critique = reading.data.get("critique", "")
        self.prefix = reading.prefix
        self.nature = nature

    def reply(self, rng: random.Random) -> Reply:
        """One reply to the request."""
        if self.role == "classify":
            flawed = not self.task.is_correct(self.answer)
            return self._verdict(1 - self.rates.miss_rate if flawed else self.rates.false_alarm_rate, rng)
        if self.role == "helpfulness":
            return self._verdict(
                1 - self.rates.judge_error_rate if self._is_helpful() else self.rates.judge_error_rate, rng
            )
        if self.role in ("critique", "continue"):
            return Reply(self._criticise(rng))
        text = self._draft(rng) if self.role == "generate" else self._refine(rng)
        return Reply(text.removeprefix(self.prefix))

    def _draft(self, rng: random.Random) -> str:
        right = self.task.solution()
        return self.task.inject_flaw(right, rng).answer if rng.random() < self.rates.draft_error_rate else right

    def _verdict(self, yes_rate: float, rng: random.Random) -> Reply:
        opinion = random.Random(f"{self.nature} {self.task.question} {self.answer} {self.critique}").gauss()
        p_yes = probability_of_yes(yes_rate, opinion)
        return Reply("Yes" if rng.random() < p_yes else "No", p_yes)

    def _is_helpful(self) -> bool:
        critique = ground(self.critique, self.answer)
        valid = [self.task.is_valid(self.answer, comment) for comment in critique.comments]
        return bool(valid) and all(valid) and not critique.ungrounded

    def _find(self, rng: random.Random) -> list[Comment]:
        """The flaws seen, and perhaps one that is none."""
        seen = [flaw.comment for flaw in self.task.flaws(self.answer) if rng.random() >= self.rates.miss_rate]
        return (
            [*seen, self.task.false_comment(self.answer, rng)] if rng.random() < self.rates.false_alarm_rate else seen
        )

    def _criticise(self, rng: random.Random) -> str:
        """A forced critique; behind a prefix, what it has not said yet."""
        said = {(comment.quote, comment.text) for comment in parse(self.prefix or self.critique).comments}
        found = [comment for comment in self._find(rng) if (comment.quote, comment.text) not in said]
        text = render(found or [self.task.false_comment(self.answer, rng)])
        return text.removeprefix("```") if self.prefix.endswith("```") else "\n\n" + text if self.prefix else text

    def _refine(self, rng: random.Random) -> str:
        """Follow the critique, or without one mend what is found; a botched mend puts another flaw in instead."""
        comments = ground(self.critique, self.answer).comments if self.role == "refine" else self._find(rng)
        if rng.random() < self.rates.refine_error_rate:
            return self.task.inject_flaw(self.answer, rng).answer
        return functools.reduce(self.task.apply_comment, comments, self.answer)


def probability_of_yes(yes_rate: float, opinion: float) -> float:
    """P(Yes) of a verdict whose Yes has this rate over all opinions, for one standard normal opinion."""
    if yes_rate in (0.0, 1.0):
        return yes_rate
    mean = _NORMAL.inv_cdf(yes_rate) * math.hypot(1.0, _SHARPNESS)
    return _NORMAL.cdf((mean + opinion) / _SHARPNESS)


def _read(messages: list[BaseMessage]) -> ParsedPrompt:
    """The prompt's role and data; a message without the form of our prompts is a question to answer."""
    reading = parse_prompt(messages)
    if reading.role is not None:
        return reading
    return ParsedPrompt("generate", {"question": messages[-1].text}, "")


@functools.lru_cache(maxsize=1024)
def _task(question: str) -> Task:
    task = parse_task(question)
    if task is None:
        known = "; ".join(f'{family.name} ("{family.example}")' for family in TASKS)
        raise UnknownTaskError(
            f"The simulated model knows only these kinds of task: {known}. "
            "For any other question name a real model: --model on the command line, model= in Python."
        )
    return task
