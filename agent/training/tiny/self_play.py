"""Training examples from the model's own drafts and critiques, labeled by the oracle."""

import random
from collections.abc import Iterator, Sequence

from selfcritic.agent.models.tiny.engine import Completion, Engine
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import (
    Example,
    GradedDraft,
    draft_examples,
    is_helpful,
    render_prompt,
    solution_example,
)

_DRAFTS_PER_TASK = 4
_MAX_OTHER_DRAFTS = 2  # flawed drafts used in addition to the first one
_CRITIQUES_PER_DRAFT = 4


def self_play_examples(
    engine: Engine, tasks: Sequence[Task], rng: random.Random
) -> Iterator[list[Example]]:
    """Sample drafts and critiques of tasks; yield each draft's examples.

    Sampling uses temperature 1. Only the first draft of a task is judged, so the model sees correct and flawed drafts
    as often as it makes them. Other drafts are used if they are flawed. Unusable drafts are skipped.
    """
    prompts = [render_prompt("generate", task.question) for task in tasks]
    replies_by_task = engine.complete(prompts, n=_DRAFTS_PER_TASK, seed=rng.randrange(2**31))
    first_drafts: list[GradedDraft] = []
    other_drafts: list[GradedDraft] = []
    for task, replies in zip(tasks, replies_by_task, strict=True):
        drafts = _grade_drafts(task, replies)
        first_drafts += drafts[:1]
        other_drafts += _flawed_others(drafts)
    drafts = [*first_drafts, *other_drafts]
    prompts = [
        render_prompt("critique", draft.task.question, answer=draft.answer) for draft in drafts
    ]
    replies_by_draft = engine.complete(prompts, n=_CRITIQUES_PER_DRAFT, seed=rng.randrange(2**31))
    for index, (draft, replies) in enumerate(zip(drafts, replies_by_draft, strict=True)):
        is_first = index < len(first_drafts)
        critiques = [reply.text for reply in replies if reply.text]
        helpful = [text for text in critiques if is_helpful(draft, text)]
        unhelpful = [text for text in critiques if text not in helpful]
        examples = [solution_example(draft.task)] if is_first else []
        examples += draft_examples(draft, rng, helpful, unhelpful, with_verdict=is_first)
        yield examples


def _grade_drafts(task: Task, replies: Sequence[Completion]) -> list[GradedDraft]:
    return [
        GradedDraft.grade(task, reply.text) for reply in replies if _is_usable(task, reply.text)
    ]


def _flawed_others(drafts: Sequence[GradedDraft]) -> list[GradedDraft]:
    """Return flawed drafts that differ from the first one and from each other."""
    flawed = {}
    for draft in drafts[1:]:
        if draft.flaws and draft != drafts[0]:
            flawed[draft.answer] = draft
    return list(flawed.values())[:_MAX_OTHER_DRAFTS]


def _is_usable(task: Task, answer: str) -> bool:
    """Reject blank drafts, which teach nothing, and endless ones, which are slow."""
    return 0 < len(answer) <= 2 * len(task.solution()) + 20
