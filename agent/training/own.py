"""Rounds on the model's own drafts and critiques: sampled at temperature 1, labelled by the family's oracle."""

import random
from collections.abc import Iterator

from selfcritic.agent.data.families import Task
from selfcritic.agent.models.engine import Engine
from selfcritic.agent.training.documents import (
    Document,
    Judged,
    ask,
    documents_about,
    draft_document,
    draw_task,
    is_helpful,
)

_DRAFTS, _OTHERS = 4, 2
"""Drafts of a task, and how many flawed ones are learnt from beside the first, the only one that is judged."""


def own_documents(engine: Engine, family: str, rng: random.Random, tasks: int) -> Iterator[list[Document]]:
    """What is learnt of so many fresh tasks; right and flawed drafts are judged as often as the model makes them.

    Drafts without a word or without an end are left out, and the next one of the task takes their place.
    """
    drawn = [draw_task(family, rng) for _ in range(tasks)]
    prompts = [ask("generate", task.question) for task in drawn]
    first, others = [], []
    for task, replies in zip(drawn, engine.complete(prompts, n=_DRAFTS, seed=rng.randrange(2**31)), strict=True):
        drafts = [Judged.of(task, reply.text) for reply in replies if _ended(task, reply.text)]
        first += drafts[:1]
        found = {draft.answer: draft for draft in drafts[1:] if draft.flaws and draft != drafts[0]}
        others += list(found.values())[:_OTHERS]
    critiques = _own_critiques(engine, [*first, *others], rng)
    for at, (draft, told) in enumerate(zip([*first, *others], critiques, strict=True)):
        is_first = at < len(first)
        solution = [draft_document(draft.task)] if is_first else []
        yield [*solution, *documents_about(draft, told, rng, judged=is_first)]


def _ended(task: Task, answer: str) -> bool:
    """Whether an answer is one at all: an empty one teaches nothing, and one that never ends takes the time of ten."""
    return 0 < len(answer) <= 2 * len(task.solution()) + 20


def _own_critiques(engine: Engine, drafts: list[Judged], rng: random.Random) -> list[list[str]]:
    """Of four critiques of each draft, a helpful and an unhelpful one where both were drawn: length tells nothing."""
    prompts = [ask("critique", draft.task.question, answer=draft.answer) for draft in drafts]
    kept = []
    for draft, replies in zip(drafts, engine.complete(prompts, n=4, seed=rng.randrange(2**31)), strict=True):
        told = {reply.text for reply in replies if reply.text}
        helpful = sorted(text for text in told if is_helpful(draft, text))
        idle = sorted(told.difference(helpful))
        kept.append([rng.choice(texts) for texts in (helpful, idle) if texts])
    return kept
