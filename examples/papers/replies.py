"""Write answers, verdicts, critiques and refinements for many tasks at once.

All replies are sampled at temperature 1. A call is one reply: a draft, a verdict, a critique or a score. Equal
critiques of an answer are scored once.
"""

from collections.abc import Sequence
from typing import NamedTuple

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.schemas import Critique
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import GradedDraft, is_helpful, render_prompt


class Answer(NamedTuple):
    """An answer to a task."""

    task: Task
    text: str


def write_answers(engine: Engine, tasks: Sequence[Task], n: int, seed: int) -> list[list[str]]:
    """Sample n drafts of each task."""
    prompts = [render_prompt("generate", task.question) for task in tasks]
    return [[reply.text.strip() for reply in pool] for pool in engine.complete(prompts, n, seed)]


def judge_answers(engine: Engine, answers: Sequence[Answer]) -> list[float]:
    """Return P(critiqueable) of each answer."""
    prompts = []
    for task, text in answers:
        prompts.append(render_prompt("classify", task.question, answer=text))
    return [reply.p_yes for [reply] in engine.complete(prompts, seed=1)]


def write_critiques(
    engine: Engine, answers: Sequence[Answer], n: int, seed: int
) -> list[list[Critique]]:
    """Sample and score n critiques of each answer."""
    prompts = []
    for task, text in answers:
        prompts.append(render_prompt("critique", task.question, answer=text))
    pools = []
    for answer, replies in zip(answers, engine.complete(prompts, n, seed), strict=True):
        pools.append(ground_all([reply.text for reply in replies], answer))
    return score_critiques(engine, answers, pools)


def ground_all(texts: Sequence[str], answer: Answer) -> list[Critique]:
    """Locate the quotes of critiques; equal texts are read once."""
    grounded: dict[str, Critique] = {}
    for text in texts:
        if text not in grounded:
            grounded[text] = ground(text, answer.text)
    return [grounded[text] for text in texts]


def score_critiques(
    engine: Engine, answers: Sequence[Answer], pools: Sequence[Sequence[Critique]]
) -> list[list[Critique]]:
    """Add P(helpful) to each critique, also as its reward."""
    keys: list[tuple[int, str]] = []
    prompts = []
    for index, (answer, pool) in enumerate(zip(answers, pools, strict=True)):
        for text in dict.fromkeys(critique_text(critique) for critique in pool):
            keys.append((index, text))
            prompts.append(
                render_prompt(
                    "helpfulness", answer.task.question, answer=answer.text, critique=text
                )
            )
    verdicts = engine.complete(prompts, seed=1)
    p_helpful = {key: reply.p_yes for key, [reply] in zip(keys, verdicts, strict=True)}
    scored = []
    for index, pool in enumerate(pools):
        scored.append([_with_score(c, p_helpful[index, critique_text(c)]) for c in pool])
    return scored


def _with_score(critique: Critique, p_helpful: float) -> Critique:
    return critique.model_copy(
        update={"helpfulness": p_helpful, "reward": p_helpful, "judged_by": "logprobs"}
    )


def refine_answers(
    engine: Engine, answers: Sequence[Answer], critiques: Sequence[Critique | None], seed: int
) -> list[str]:
    """Refine each answer by its critique; None refines directly."""
    prompts = []
    for (task, text), critique in zip(answers, critiques, strict=True):
        if critique is None:
            prompts.append(render_prompt("refine_directly", task.question, answer=text))
            continue
        critique_section = critique_text(critique)
        prompts.append(
            render_prompt("refine", task.question, answer=text, critique=critique_section)
        )
    return [reply.text.strip() for [reply] in engine.complete(prompts, seed=seed)]


def grade_critiques(answer: Answer, critiques: Sequence[Critique]) -> list[bool]:
    """Return whether all comments of each critique are grounded and valid, by the oracle."""
    draft = GradedDraft.grade(*answer)
    verdicts: dict[str, bool] = {}
    for critique in critiques:
        if critique.text not in verdicts:
            verdicts[critique.text] = bool(draft.flaws) and is_helpful(draft, critique.text)
    return [verdicts[critique.text] for critique in critiques]
