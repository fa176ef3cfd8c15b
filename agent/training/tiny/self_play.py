"""Rounds on the model's own drafts and critiques: sampled at temperature 1, labelled by the family's oracle."""

import random
from collections.abc import Iterator

from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import (
    Example,
    GradedDraft,
    ask,
    documents_about,
    draft_document,
    draw_task,
    is_helpful,
)

_DRAFTS, _OTHERS, _CRITIQUES = 4, 2, 4
"""Drafts of a task, how many flawed ones are learnt from beside the first, the only one judged; critiques of each."""


def self_play_examples(engine: Engine, family: str, rng: random.Random, tasks: int) -> Iterator[list[Example]]:
    """What is learnt of so many fresh tasks; right and flawed drafts are judged as often as the model makes them.

    Drafts without a word or without an end are left out, and the next one of the task takes their place.
    """
    drawn = [draw_task(family, rng) for _ in range(tasks)]
    prompts = [ask("generate", task.question) for task in drawn]
    first, others = [], []
    for task, replies in zip(drawn, engine.complete(prompts, n=_DRAFTS, seed=rng.randrange(2**31)), strict=True):
        drafts = [GradedDraft.of(task, reply.text) for reply in replies if _ended(task, reply.text)]
        first += drafts[:1]
        found = {draft.answer: draft for draft in drafts[1:] if draft.flaws and draft != drafts[0]}
        others += list(found.values())[:_OTHERS]
    drafts = [*first, *others]
    asked = [ask("critique", draft.task.question, answer=draft.answer) for draft in drafts]
    critiques = engine.complete(asked, n=_CRITIQUES, seed=rng.randrange(2**31))
    for at, (draft, drawn_of_it) in enumerate(zip(drafts, critiques, strict=True)):
        told = [reply.text for reply in drawn_of_it if reply.text]
        is_first = at < len(first)
        solution = [draft_document(draft.task)] if is_first else []
        helpful = [text for text in told if is_helpful(draft, text)]
        idle = [text for text in told if text not in helpful]
        yield [*solution, *documents_about(draft, rng, helpful, idle, judged=is_first)]


def _ended(task: Task, answer: str) -> bool:
    """Whether an answer is one at all: an empty one teaches nothing, and one that never ends takes the time of ten."""
    return 0 < len(answer) <= 2 * len(task.solution()) + 20
