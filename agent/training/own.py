"""Rounds on the model's own drafts and critiques: sampled at temperature 1, labelled by the family's oracle."""

import random
from collections.abc import Iterator

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


def own_documents(engine: Engine, family: str, rng: random.Random, tasks: int) -> Iterator[list[Document]]:
    """What is learnt of so many fresh tasks; right and flawed drafts stand as often as the model makes them."""
    drawn = [draw_task(family, rng) for _ in range(tasks)]
    replies = engine.complete([ask("generate", task.question) for task in drawn], seed=rng.randrange(2**31))
    drafts = [Judged.of(task, reply[0].text) for task, reply in zip(drawn, replies, strict=True) if reply[0].text]
    for draft, critiques in zip(drafts, _own_critiques(engine, drafts, rng), strict=True):
        yield [draft_document(draft.task), *documents_about(draft, critiques, rng)]


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
