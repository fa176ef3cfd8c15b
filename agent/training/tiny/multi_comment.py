"""Training examples of critiques with several comments, for critics that name more than one flaw.

A critique names a random subset of the flaws, in the order of their quotes. Some examples begin with comments that are
not learned and continue with flaws that those do not name: Force Sampling Beam Search continues critiques like that
(paper 2, section 7.1).
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.evals.comment_grades import CommentGrader
from selfcritic.agent.models.tiny.engine import Completion, Engine
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import (
    Example,
    GradedDraft,
    draw_task,
    helpfulness_examples,
    refinement_examples,
    render_prompt,
    solution_example,
)

MAX_COMMENTS = 6
CONTINUATION = "\n\n```\n"
"""What forces another comment after a critique."""

_CRITIQUES_PER_DRAFT = 3
_CONTINUATIONS_PER_DRAFT = 2
_DRAFTS_PER_TASK = 4
_MAX_FLAWED_DRAFTS = 2  # per task
_MAX_OWN_CRITIQUES = 2  # per draft
_TAMPERED_FLAWS = (1, 1, 2, 2, 3, 4, 5)
_CRITIQUE_WEIGHT = 4.0


class DraftCritiques(NamedTuple):
    """A draft, and what the critic wrote about it."""

    draft: GradedDraft
    is_first: bool
    """Whether it is its task's first draft, which is the only one that is judged."""
    critiques: Sequence[str]


def draw_tampered_draft(task: Task, rng: random.Random) -> GradedDraft:
    """Inject one to five flaws into the solution."""
    while True:
        answer = task.solution()
        for _ in range(rng.choice(_TAMPERED_FLAWS)):
            answer = task.inject_flaw(answer, rng).answer
        draft = GradedDraft.grade(task, answer)
        if draft.flaws:
            return draft


def sort_by_quote(comments: Sequence[Comment]) -> list[Comment]:
    """Return comments in the order of their quotes."""
    return sorted(comments, key=lambda comment: comment.start or 0)


def critique_examples(
    draft: GradedDraft, rng: random.Random, own: Sequence[str] = ()
) -> Iterator[Example]:
    """Yield critiques of a flawed draft, and continuations of begun ones.

    The valid comments of the critic's own critiques replace all but one of the oracle's critiques: a critic should
    learn to name flaws that it can find.
    """
    prompt = render_prompt("critique", draft.task.question, answer=draft.answer)
    own_comments = [_valid_comments(draft, text) for text in own]
    chosen = [comments for comments in own_comments if comments][:_MAX_OWN_CRITIQUES]
    while len(chosen) < _CRITIQUES_PER_DRAFT:
        chosen.append(_draw_flaws(draft.flaws, rng))
    for comments in chosen:
        yield Example(prompt, _write(comments), _CRITIQUE_WEIGHT)
    beginnings = [render(comments) for comments in chosen[:1]]
    beginnings += own[:1]
    beginnings += [_write(_draw_flaws(draft.flaws, rng))]
    for beginning in beginnings[-_CONTINUATIONS_PER_DRAFT:]:
        yield from _continuation(draft, prompt, beginning.rstrip(), rng)


def _continuation(
    draft: GradedDraft, prompt: str, beginning: str, rng: random.Random
) -> Iterator[Example]:
    """Yield a continuation of a begun critique, if it leaves a flaw."""
    begun = ground(beginning, draft.answer)
    grader = CommentGrader(draft.task, draft.answer)
    named: set[int] = set()
    for comment in begun.comments:
        named |= grader.grade(comment).named
    left = [flaw for index, flaw in enumerate(grader.flaws) if index not in named]
    if not left or not begun.comments or begun.unparsed:
        return
    reply = _write(_draw_flaws(left, rng)).removeprefix(CONTINUATION.lstrip())
    yield Example(prompt, reply, _CRITIQUE_WEIGHT, beginning + CONTINUATION)


def critic_examples(
    sampled: DraftCritiques, rng: random.Random, *, with_verdict: bool
) -> Iterator[Example]:
    """Yield examples of all roles about one draft."""
    draft = sampled.draft
    task = draft.task
    if with_verdict:
        verdict = "Yes" if draft.flaws else "No"
        yield Example(render_prompt("classify", task.question, answer=draft.answer), verdict)
    if not draft.flaws:
        return
    yield from critique_examples(draft, rng, sampled.critiques)
    yield from helpfulness_examples(draft, _judged_critiques(sampled, rng))
    prompt = render_prompt("refine_directly", task.question, answer=draft.answer)
    yield Example(prompt, task.solution())
    yield from refinement_examples(task, draft.answer, draft.flaws, rng)


def _judged_critiques(sampled: DraftCritiques, rng: random.Random) -> list[str]:
    """Return true, false and mixed critiques, and some of the critic's own."""
    draft = sampled.draft
    gold = _draw_flaws(draft.flaws, rng)
    false_comment = draft.task.false_comment(draft.answer, rng)
    mixed = sort_by_quote([*_draw_flaws(draft.flaws, rng), false_comment])
    critiques = [_write(gold), _write([false_comment]), _write(mixed)]
    own = list(dict.fromkeys(sampled.critiques))
    return critiques + own[:_MAX_OWN_CRITIQUES]


def tampered_examples(task: Task, rng: random.Random) -> Iterator[list[Example]]:
    """Yield the examples of two drafts with injected flaws, without verdicts on them."""
    for _ in range(_MAX_FLAWED_DRAFTS):
        sampled = DraftCritiques(draw_tampered_draft(task, rng), is_first=False, critiques=())
        yield list(critic_examples(sampled, rng, with_verdict=False))


def natural_examples(
    drafter: Engine, critic: Engine, task_name: str, rng: random.Random, num_tasks: int
) -> Iterator[list[Example]]:
    """Sample drafts and critiques of new tasks; yield each draft's examples."""
    tasks = [draw_task(task_name, rng) for _ in range(num_tasks)]
    for sampled in _sample_critiques(critic, _sample_drafts(drafter, tasks, rng), rng):
        examples = []
        if sampled.is_first:
            examples.append(solution_example(sampled.draft.task))
        examples += critic_examples(sampled, rng, with_verdict=sampled.is_first)
        if examples:
            yield examples


def _sample_drafts(
    drafter: Engine, tasks: Sequence[Task], rng: random.Random
) -> list[DraftCritiques]:
    """Return the first draft of each task, and other flawed ones."""
    prompts = [render_prompt("generate", task.question) for task in tasks]
    replies_by_task = drafter.complete(prompts, n=_DRAFTS_PER_TASK, seed=rng.randrange(2**31))
    drafts: list[DraftCritiques] = []
    for task, replies in zip(tasks, replies_by_task, strict=True):
        texts = dict.fromkeys(reply.text for reply in replies if _is_usable(task, reply))
        graded = [GradedDraft.grade(task, text) for text in texts]
        others = [draft for draft in graded[1:] if draft.flaws]
        for index, draft in enumerate([*graded[:1], *others[:_MAX_FLAWED_DRAFTS]]):
            drafts.append(DraftCritiques(draft, is_first=index == 0, critiques=()))
    return drafts


def _sample_critiques(
    critic: Engine, drafts: Sequence[DraftCritiques], rng: random.Random
) -> Iterator[DraftCritiques]:
    """Yield drafts with the critic's critiques of those that are flawed."""
    flawed = [sampled for sampled in drafts if sampled.draft.flaws]
    prompts = []
    for sampled in flawed:
        task = sampled.draft.task
        prompts.append(render_prompt("critique", task.question, answer=sampled.draft.answer))
    replies_by_draft = critic.complete(prompts, n=_CRITIQUES_PER_DRAFT, seed=rng.randrange(2**31))
    for sampled, replies in zip(flawed, replies_by_draft, strict=True):
        critiques = [reply.text for reply in replies if reply.text and not reply.is_truncated]
        yield sampled._replace(critiques=critiques)
    for sampled in drafts:
        if not sampled.draft.flaws:
            yield sampled


def _is_usable(task: Task, reply: Completion) -> bool:
    """Reject blank drafts, which teach nothing, and endless ones, which are slow."""
    return 0 < len(reply.text) <= 2 * len(task.solution()) + 20


def _valid_comments(draft: GradedDraft, text: str) -> list[Comment]:
    comments = ground(text, draft.answer).comments
    valid = [comment for comment in comments if draft.task.is_valid(draft.answer, comment)]
    return sort_by_quote(valid)[:MAX_COMMENTS]


def _draw_flaws(flaws: Sequence[Comment], rng: random.Random) -> list[Comment]:
    """Draw one or more flaws, in the order of their quotes."""
    size = rng.randint(1, min(len(flaws), MAX_COMMENTS))
    return sort_by_quote(rng.sample(list(flaws), size))


def _write(comments: Sequence[Comment]) -> str:
    return render(comments).rstrip("\n")
