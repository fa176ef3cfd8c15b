"""Simulate a noisy solver of the tasks, with known error rates.

It parses the task, draft and critique from the prompt, and compares them with the task's oracle. Its options are error
rates:

- `draft_error_rate`: a draft has an injected flaw;
- `miss_rate`: a flaw is missed: a flawed draft is judged correct, or a critique omits the flaw;
- `false_alarm_rate`: a flaw is reported that does not exist: a correct draft is judged flawed, or a critique has an
  invalid comment (a forced critique without any finding consists of one);
- `judge_error_rate`: the verdict on a critique is wrong;
- `refine_error_rate`: a refinement fails: the draft keeps its flaws and gets another one.

Verdicts follow signal detection theory. The opinion of a draft, z ~ N(0, 1), is sampled once, so asking again gives the
same opinion: P(Yes) = Φ((μ + z) / τ). μ is set so that P(Yes) averages to `1 - miss_rate` over flawed drafts and to
`false_alarm_rate` over correct ones, and likewise for critiques. Sampled verdicts thus have exactly these error rates,
logprobs and votes agree, and the area under the ROC curve is known: Φ((μ₁ - μ₀) / √2).
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

NOTICE = "simulated model: a noisy solver with known error rates; choose a real one with --model"

_TEMPERATURE = 0.5
"""τ: smaller values move the probabilities of verdicts closer to 0 and 1."""
_NORMAL = NormalDist()


class SimulatedModel(LocalChatModel):
    """A noisy solver of the tasks.

    A `seed` makes its replies reproducible; None samples new ones.
    """

    draft_error_rate: Probability = 0.6
    miss_rate: Probability = 0.15
    false_alarm_rate: Probability = 0.15
    judge_error_rate: Probability = 0.15
    refine_error_rate: Probability = 0.15
    seed: int | None = None
    _base_seed: int = PrivateAttr(default_factory=lambda: secrets.randbits(64))

    def sample(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Sample n replies in the role that the prompt names."""
        prompt = _parse_prompt(messages)
        task = _parse_task(prompt.data.get("question", ""))
        if seed is None:
            seed = self.seed
        request_seed: object = secrets.randbits(64)
        opinion_seed = self._base_seed
        if seed is not None:
            # Not the messages: replies must not depend on the wording of the prompts.
            request_seed = [seed, prompt.name, prompt.prefix, *sorted(prompt.data.items())]
            opinion_seed = seed
        solver = _Solver(self, task, prompt, opinion_seed)
        return [solver.reply(random.Random(f"{request_seed} {index}")) for index in range(n)]

    @property
    def _llm_type(self) -> str:
        return "simulated"


class _Solver:
    """Replies to one request."""

    def __init__(
        self, rates: SimulatedModel, task: Task, prompt: ParsedPrompt, opinion_seed: int
    ) -> None:
        self.rates = rates
        self.task = task
        self.prompt_name = prompt.name
        self.answer = prompt.data.get("answer", "")
        self.critique = prompt.data.get("critique", "")
        self.prefix = prompt.prefix
        self.opinion_seed = opinion_seed

    def reply(self, rng: random.Random) -> Reply:
        """Sample one reply to the request."""
        if self.prompt_name == "classify":
            return self._judge_answer(rng)
        if self.prompt_name == "helpfulness":
            return self._judge_critique(rng)
        if self.prompt_name in ("critique", "continue"):
            return Reply(self._critique(rng))
        text = self._draft(rng) if self.prompt_name == "generate" else self._refine(rng)
        return Reply(text.removeprefix(self.prefix))

    def _draft(self, rng: random.Random) -> str:
        solution = self.task.solution()
        if rng.random() < self.rates.draft_error_rate:
            return self.task.inject_flaw(solution, rng).answer
        return solution

    def _judge_answer(self, rng: random.Random) -> Reply:
        if self.task.is_correct(self.answer):
            return self._verdict(self.rates.false_alarm_rate, rng)
        return self._verdict(1 - self.rates.miss_rate, rng)

    def _judge_critique(self, rng: random.Random) -> Reply:
        if self._is_helpful():
            return self._verdict(1 - self.rates.judge_error_rate, rng)
        return self._verdict(self.rates.judge_error_rate, rng)

    def _verdict(self, yes_rate: float, rng: random.Random) -> Reply:
        opinion_rng = random.Random(
            f"{self.opinion_seed} {self.task.question} {self.answer} {self.critique}"
        )
        p_yes = probability_of_yes(yes_rate, opinion_rng.gauss())
        if rng.random() < p_yes:
            return Reply("Yes", p_yes)
        return Reply("No", p_yes)

    def _is_helpful(self) -> bool:
        critique = ground(self.critique, self.answer)
        if not critique.comments or critique.ungrounded:
            return False
        return all(self.task.is_valid(self.answer, comment) for comment in critique.comments)

    def _find_flaws(self, rng: random.Random) -> list[Comment]:
        """Comment on the detected flaws, perhaps with a false alarm."""
        comments = [
            flaw.comment
            for flaw in self.task.flaws(self.answer)
            if rng.random() >= self.rates.miss_rate
        ]
        if rng.random() < self.rates.false_alarm_rate:
            comments.append(self.task.false_comment(self.answer, rng))
        return comments

    def _critique(self, rng: random.Random) -> str:
        """Write a critique without the comments of the prefix.

        It has at least one comment.
        """
        earlier = parse(self.prefix or self.critique).comments
        keys = {(comment.quote, comment.text) for comment in earlier}
        comments = [
            comment
            for comment in self._find_flaws(rng)
            if (comment.quote, comment.text) not in keys
        ]
        if not comments:
            comments = [self.task.false_comment(self.answer, rng)]
        text = render(comments)
        if self.prefix.endswith("```"):
            return text.removeprefix("```")
        if self.prefix:
            return "\n\n" + text
        return text

    def _refine(self, rng: random.Random) -> str:
        """Apply the critique, or the detected flaws' comments.

        An error injects a flaw instead.
        """
        if self.prompt_name == "refine":
            comments = ground(self.critique, self.answer).comments
        else:
            comments = self._find_flaws(rng)
        if rng.random() < self.rates.refine_error_rate:
            return self.task.inject_flaw(self.answer, rng).answer
        return functools.reduce(self.task.apply_comment, comments, self.answer)


def probability_of_yes(yes_rate: float, opinion: float) -> float:
    """Return a verdict's P(Yes) for a standard normal opinion.

    Over all opinions, it averages to `yes_rate`.
    """
    if yes_rate in (0.0, 1.0):
        return yes_rate
    mean = _NORMAL.inv_cdf(yes_rate) * math.hypot(1.0, _TEMPERATURE)
    return _NORMAL.cdf((mean + opinion) / _TEMPERATURE)


def _parse_prompt(messages: list[BaseMessage]) -> ParsedPrompt:
    """Parse a prompt; any other message is a question to answer."""
    prompt = parse_prompt(messages)
    if prompt.name is not None:
        return prompt
    return ParsedPrompt("generate", {"question": messages[-1].text}, "")


@functools.lru_cache(maxsize=1024)
def _parse_task(question: str) -> Task:
    task = parse_task(question)
    if task is None:
        examples = "\n".join(f"- {task_type.name}: {task_type.example}" for task_type in TASKS)
        raise UnknownTaskError(
            f"The simulated model knows only these kinds of task:\n{examples}\n"
            "For other questions, choose a real model: --model on the command line, model= in Python."
        )
    return task
