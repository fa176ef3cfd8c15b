"""Training examples of the tiny model, with replies from a task's oracle.

One model plays every role (Saunders et al. 2022, section 3.1). A critique names one flaw, a refinement applies one or
more critiques, and direct refinement targets the solution.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from selfcritic.agent.critic.format import critique_text, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Addition, Alphabetize, Functions, Task, ThreeSat
from selfcritic.agent.tasks.alphabetize.vocabulary import COMMON
from selfcritic.agent.tasks.functions.forms import VOCABULARY
from selfcritic.prompts import PromptName, load

TRAINABLE_TASKS: Mapping[str, type[Task]] = {
    task.name: task for task in (Alphabetize, Addition, ThreeSat, Functions)
}
"""Task types that the model can be trained on, by name."""

SIZES: Mapping[str, Sequence[int]] = {
    "alphabetize": range(4, 31),
    "addition": range(1, 5),
    "three_sat": range(3, 6),
    "functions": range(2, 7),
}
"""Task sizes that training uses; the report uses the same ones."""

_MAX_FLAWED_DRAFTS = 2  # per task
_MAX_CRITIQUES = 4  # per draft, each of a different flaw
_MAX_APPLIED = 6  # comments in one refinement
_CRITIQUE_WEIGHT = 4.0  # choosing what to quote is the hardest token and is learned last

_PEOPLE = (
    "Ann",
    "Bob",
    "Cy",
    "Dee",
    "Eve",
    "Fay",
    "Gus",
    "Hal",
    "Ida",
    "Jo",
    "Kim",
    "Leo",
    "Mia",
    "Ned",
    "Ola",
    "Pat",
)
_THINGS = ("milk", "tea", "salad", "soup", "cake", "fruit", "pasta", "rice", "juice", "water")
_WORDS: Mapping[str, Sequence[str]] = {
    "alphabetize": COMMON,
    "addition": (),
    "three_sat": (*_PEOPLE, *_THINGS),
    "functions": VOCABULARY,
}


@dataclass(frozen=True)
class Example:
    """A prompt and the reply to learn."""

    prompt: str
    reply: str
    weight: float = 1.0
    prefix: str = ""
    """Begins the reply, and is not learned."""


@dataclass(frozen=True)
class GradedDraft:
    """A draft with its flaws according to the oracle."""

    task: Task
    answer: str
    flaws: list[Comment] = field(default_factory=list)

    @classmethod
    def grade(cls, task: Task, answer: str) -> Self:
        """Grade an answer with the task's oracle."""
        return cls(task, answer, [flaw.comment for flaw in task.flaws(answer)])


def task_words(task_name: str) -> tuple[str, ...]:
    """Return the words of a task type that become one token each."""
    return tuple(dict.fromkeys(_WORDS[task_name]))


def render_prompt(prompt_name: PromptName, question: str, **data: str) -> str:
    """Render a prompt of the set `tiny` as one text."""
    messages = load("tiny").render(prompt_name, "question", context="", question=question, **data)
    return messages[-1].text


def draw_task(
    task_name: str,
    rng: random.Random,
    max_size: int | None = None,
    sizes: Sequence[int] | None = None,
) -> Task:
    """Generate a task of a random size, at most `max_size`.

    The smallest size is always allowed. `sizes` replaces the sizes of `SIZES`.
    """
    sizes = sizes or SIZES[task_name]
    if max_size is not None:
        limit = max(max_size, sizes[0])
        sizes = [size for size in sizes if size <= limit]
    return TRAINABLE_TASKS[task_name].generate(rng, rng.choice(sizes))


def draw_flawed_draft(task: Task, rng: random.Random) -> GradedDraft:
    """Put one to three flaws into the solution.

    The first flaw is injected. Later ones follow a false comment, as the model's own refinements may, and can repair
    earlier ones.
    """
    answer = task.solution()
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        if task.is_correct(answer):
            answer = task.inject_flaw(answer, rng).answer
        else:
            answer = task.apply_comment(answer, task.false_comment(answer, rng))
    return GradedDraft.grade(task, answer)


def solution_example(task: Task) -> Example:
    """Return the question with its solution."""
    return Example(render_prompt("generate", task.question), task.solution())


def draft_examples(
    draft: GradedDraft,
    rng: random.Random,
    helpful: Sequence[str] = (),
    unhelpful: Sequence[str] = (),
    with_verdict: bool = True,
) -> Iterator[Example]:
    """Yield verdicts on a draft and its critiques, critiques of it, and refinements.

    `helpful` and `unhelpful` are critiques that the model wrote. The helpful ones replace the oracle's critiques except
    one: the model should learn to name a flaw that it can find.

    Set `with_verdict` to False for injected flaws once the model's own drafts are used. Otherwise the model would not
    learn how often its own drafts are flawed.
    """
    task = draft.task
    answer = draft.answer
    question = task.question
    if with_verdict:
        verdict = "Yes" if draft.flaws else "No"
        yield Example(render_prompt("classify", question, answer=answer), verdict)
    num_critiques = min(len(draft.flaws), _MAX_CRITIQUES)
    gold = [render([flaw]) for flaw in rng.sample(draft.flaws, num_critiques)]
    num_gold = max(_MAX_CRITIQUES - len(helpful), 1)
    prompt = render_prompt("critique", question, answer=answer)
    for critique in [*helpful, *gold[:num_gold]]:
        yield Example(prompt, critique.rstrip("\n"), _CRITIQUE_WEIGHT)
    own = [rng.choice(critiques) for critiques in (helpful, unhelpful) if critiques]
    false_critique = render([task.false_comment(answer, rng)])
    yield from helpfulness_examples(draft, [*gold[:1], false_critique, *own])
    if draft.flaws:
        yield Example(render_prompt("refine_directly", question, answer=answer), task.solution())
        yield from refinement_examples(task, answer, draft.flaws, rng)


def refinement_examples(
    task: Task, answer: str, comments: Sequence[Comment], rng: random.Random
) -> Iterator[Example]:
    """Yield one refinement by a random subset of the comments.

    Yields nothing if the refinement would be blank. The prompt lists the comments in the order of their quotes.
    """
    num_applied = rng.randint(1, min(len(comments), _MAX_APPLIED))
    indexes = rng.sample(range(len(comments)), num_applied)
    applied = [comments[index] for index in sorted(indexes)]
    refined = answer
    for comment in applied:
        refined = task.apply_comment(refined, comment)
    if refined.strip():
        critique = render(sorted(applied, key=lambda comment: comment.start or 0))
        yield Example(
            render_prompt("refine", task.question, answer=answer, critique=critique), refined
        )


def helpfulness_examples(draft: GradedDraft, critiques: Sequence[str]) -> Iterator[Example]:
    """Yield one verdict per critique: whether it is helpful."""
    for critique in critiques:
        text = critique_text(ground(critique, draft.answer))
        prompt = render_prompt(
            "helpfulness", draft.task.question, answer=draft.answer, critique=text
        )
        yield Example(prompt, "Yes" if is_helpful(draft, critique) else "No")


def is_helpful(draft: GradedDraft, text: str) -> bool:
    """Check that a critique has comments, and that all are grounded and valid."""
    critique = ground(text, draft.answer)
    if not critique.comments or critique.ungrounded:
        return False
    return all(draft.task.is_valid(draft.answer, comment) for comment in critique.comments)


def copy_examples(task_name: str, rng: random.Random) -> list[Example]:
    """Warm-up `copy`: repeat a list from a given word on, which teaches quoting."""
    words = task_words(task_name)
    separator = ", " if words else ""
    vocabulary = words or tuple("0123456789")
    length = min(rng.randint(3, 12), len(vocabulary))
    items = rng.sample(vocabulary, length)
    prompt_list = rng.choice((", ", " ", "\n")).join(items)
    examples = []
    for start in rng.sample(range(len(items)), 3):
        examples.append(Example(f"{prompt_list}\n{items[start]}\n", separator.join(items[start:])))
    return examples


def edit_examples(task: Task, rng: random.Random) -> list[Example]:
    """Warm-up `edit`: apply true and false comments to a shuffled solution."""
    shuffled = _shuffle_items(task.solution(), rng)
    comment_sets = [[task.false_comment(shuffled, rng)] for _ in range(3)]
    flaws = [flaw.comment for flaw in task.flaws(shuffled)]
    if flaws:
        comment_sets += [flaws, flaws, flaws]
    examples: list[Example] = []
    for comments in comment_sets:
        examples += refinement_examples(task, shuffled, comments, rng)
    return examples


def _shuffle_items(answer: str, rng: random.Random) -> str:
    """Shuffle the lines, words or digits of an answer."""
    for separator in ("\n", ", "):
        if separator in answer:
            items = answer.split(separator)
            return separator.join(rng.sample(items, len(items)))
    return "".join(rng.sample(list(answer), len(answer)))


def injected_flaw_examples(
    task: Task, rng: random.Random, with_verdict: bool = True
) -> list[Example]:
    """Return the examples of drafts with injected flaws.

    With verdicts, it also includes the solution, as a reply and as a draft.
    """
    drafts = [draw_flawed_draft(task, rng) for _ in range(_MAX_FLAWED_DRAFTS)]
    examples: list[Example] = []
    if with_verdict:
        examples.append(solution_example(task))
        drafts.append(GradedDraft.grade(task, task.solution()))
    for draft in drafts:
        examples += draft_examples(draft, rng, with_verdict=with_verdict)
    return examples
