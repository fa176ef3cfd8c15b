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
    verdicts,
)


def own_documents(engine: Engine, family: str, rng: random.Random, tasks: int) -> Iterator[Document]:
    """What is learnt of so many fresh tasks; right and flawed drafts stand as often as the model makes them."""
    drawn = [draw_task(family, rng) for _ in range(tasks)]
    replies = engine.complete([ask("generate", task.question) for task in drawn], seed=rng.randrange(2**31))
    drafts = [Judged.of(task, reply[0].text) for task, reply in zip(drawn, replies, strict=True) if reply[0].text]
    for draft in drafts:
        yield draft_document(draft.task)
        yield from documents_about(draft, rng)
    yield from _own_critiques(engine, [draft for draft in drafts if draft.flaws], rng)


def _own_critiques(engine: Engine, drafts: list[Judged], rng: random.Random) -> Iterator[Document]:
    """One helpful and one unhelpful critique of a draft where both were drawn, so that length tells nothing."""
    prompts = [ask("critique", draft.task.question, answer=draft.answer) for draft in drafts]
    for draft, replies in zip(
        drafts, engine.complete(prompts, n=4, seed=rng.randrange(2**31)) if prompts else [], strict=True
    ):
        told = [reply.text for reply in replies]
        helpful = [text for text in told if is_helpful(draft, text)]
        idle = [text for text in told if text not in helpful]
        if helpful and idle:
            yield from verdicts(draft, [rng.choice(helpful), rng.choice(idle)])
