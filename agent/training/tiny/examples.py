"""What the tiny model learns from: prompts of the plain set, each with the reply that the family's oracle gives.

One model plays every part, jointly (Saunders et al. 2022, section 3.1). A critique names one flaw; a refinement does
what one or several critiques say, and direct refinement aims at the solution.
"""

import functools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selfcritic.agent.critic.format import critique_text, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Addition, Alphabetize, Task, ThreeSat
from selfcritic.agent.tasks.alphabetize.vocabulary import COMMON
from selfcritic.prompts import PromptName, load

TRAINED: Mapping[str, type[Task]] = {family.name: family for family in (Alphabetize, Addition, ThreeSat)}
"""The families that can be trained, by name: those where checking is easier than making."""

SIZES: Mapping[str, Sequence[int]] = {
    "alphabetize": range(4, 31),
    "addition": range(1, 5),
    "three_sat": range(3, 6),
}
"""The sizes of task that are trained on; the report asks for the same ones."""

_SLIPPED, _CRITIQUES, _FOLLOWED = 2, 4, 6
"""At most: drafts with slips of a task, critiques of a draft, each of another flaw, and comments followed at once."""

_OF_A_CRITIQUE = 4.0
"""Weight of a critique: where it quotes is the one word of it that is hard to learn, and it comes last of all."""

_PEOPLE = ("Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Leo", "Mia", "Ned", "Ola", "Pat")
_SERVED = ("milk", "tea", "salad", "soup", "cake", "fruit", "pasta", "rice", "juice", "water")
_WORDS: Mapping[str, Sequence[str]] = {"alphabetize": COMMON, "addition": (), "three_sat": (*_PEOPLE, *_SERVED)}


@dataclass(frozen=True)
class Example:
    """A prompt and the reply to learn."""

    prompt: str
    reply: str
    weight: float = 1.0


@dataclass(frozen=True)
class GradedDraft:
    """A draft of a task, as the oracle sees it."""

    task: Task
    answer: str
    flaws: list[Comment] = field(default_factory=list)

    @classmethod
    def of(cls, task: Task, answer: str) -> "GradedDraft":
        """Ask the oracle."""
        return cls(task, answer, [flaw.comment for flaw in task.flaws(answer)])


def words_of(family: str) -> tuple[str, ...]:
    """The words of a family that are one token each."""
    return tuple(dict.fromkeys(_WORDS[family]))


def ask(role: PromptName, question: str, **data: str) -> str:
    """A role's prompt in plain words, as one text."""
    return load("tiny").render(role, "question", context="", question=question, **data)[-1].text


def draw_task(family: str, rng: random.Random, largest: int | None = None) -> Task:
    """A fresh task of a size that is trained on, up to the largest."""
    sizes = [size for size in SIZES[family] if largest is None or size <= max(largest, SIZES[family][0])]
    return TRAINED[family].generate(rng, rng.choice(sizes))


def slipped(task: Task, rng: random.Random) -> GradedDraft:
    """The solution with none to three slips in it."""
    answer = task.solution()
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        answer = task.inject_flaw(answer, rng).answer if task.is_correct(answer) else _once_more(task, answer, rng)
    return GradedDraft.of(task, answer)


def _once_more(task: Task, answer: str, rng: random.Random) -> str:
    """Another flaw in a draft that has one: what a wrong comment leads to."""
    return task.apply_comment(answer, task.false_comment(answer, rng))


def draft_document(task: Task) -> Example:
    """The question and its solution."""
    return Example(ask("generate", task.question), task.solution())


def documents_about(
    draft: GradedDraft, rng: random.Random, helpful: Sequence[str] = (), idle: Sequence[str] = (), judged: bool = True
) -> Iterator[Example]:
    """What can be learnt of a draft: verdicts on it and on critiques of it, what to say of it, and what follows.

    The model's own helpful critiques are learnt again, in the place of all of the oracle's but one: of many flaws it is
    to name one that it finds. Slips are not judged once own drafts are: how often a draft is flawed is learnt of own
    first drafts alone.
    """
    question, answer, task = draft.task.question, draft.answer, draft.task
    if judged:
        yield Example(ask("classify", question, answer=answer), "Yes" if draft.flaws else "No")
    told = [render([flaw]) for flaw in rng.sample(draft.flaws, min(len(draft.flaws), _CRITIQUES))]
    prompt = ask("critique", question, answer=answer)
    for said in [*helpful, *told[: max(_CRITIQUES - len(helpful), 1)]]:
        yield Example(prompt, said.rstrip("\n"), _OF_A_CRITIQUE)
    own = [rng.choice(texts) for texts in (helpful, idle) if texts]
    yield from verdicts(draft, [*told[:1], render([task.false_comment(answer, rng)]), *own])
    if draft.flaws:
        yield Example(ask("refine_directly", question, answer=answer), task.solution())
        yield from refined(task, answer, draft.flaws, rng)


def refined(task: Task, answer: str, comments: Sequence[Comment], rng: random.Random) -> Iterator[Example]:
    """A draft with some of its comments, in the order of their quotes, and what it is once all of them are followed."""
    among = rng.sample(range(len(comments)), rng.randint(1, min(len(comments), _FOLLOWED)))
    followed = [comments[at] for at in sorted(among)]
    mended = functools.reduce(task.apply_comment, followed, answer)
    if mended.strip():
        said = render(sorted(followed, key=lambda comment: comment.start or 0))
        yield Example(ask("refine", task.question, answer=answer, critique=said), mended)


def verdicts(draft: GradedDraft, critiques: Sequence[str]) -> Iterator[Example]:
    """Whether each critique is helpful: it quotes the draft, and all that it says is true."""
    for text in critiques:
        said = critique_text(ground(text, draft.answer))
        prompt = ask("helpfulness", draft.task.question, answer=draft.answer, critique=said)
        yield Example(prompt, "Yes" if is_helpful(draft, text) else "No")


def is_helpful(draft: GradedDraft, text: str) -> bool:
    """Whether every comment of a critique stands in the draft and is valid, and there is one at least."""
    critique = ground(text, draft.answer)
    valid = [draft.task.is_valid(draft.answer, comment) for comment in critique.comments]
    return bool(valid) and all(valid) and not critique.ungrounded


def copying(family: str, rng: random.Random) -> list[Example]:
    """The first warm-up: a list, to be said again from a word on that is named; quoting is learnt by it."""
    known = words_of(family) or tuple("0123456789")
    items = rng.sample(known, min(rng.randint(3, 12), len(known)))
    between, joint = rng.choice((", ", " ", "\n")), ", " if words_of(family) else ""
    starts = rng.sample(range(len(items)), 3)
    return [Example(f"{between.join(items)}\n{items[at]}\n", joint.join(items[at:])) for at in starts]


def mending(task: Task, rng: random.Random) -> list[Example]:
    """The second warm-up: comments, true or not, that are followed in an answer of the right form and no more."""
    jumbled = _jumbled(task.solution(), rng)
    untrue = [task.false_comment(jumbled, rng) for _ in range(3)]
    flaws = [flaw.comment for flaw in task.flaws(jumbled)]
    chosen = [[comment] for comment in untrue] + [flaws] * 3 * bool(flaws)
    return [document for comments in chosen for document in refined(task, jumbled, comments, rng)]


def _jumbled(answer: str, rng: random.Random) -> str:
    """The lines, words or digits of an answer in any order."""
    joint = next((joint for joint in ("\n", ", ") if joint in answer), "")
    items = answer.split(joint) if joint else list(answer)
    return joint.join(rng.sample(items, len(items)))


def slip_documents(task: Task, rng: random.Random, judged: bool = True) -> list[Example]:
    """The documents of a task: its solution, drafts with slips and, if they are judged, the solution as a draft."""
    drafts = [slipped(task, rng) for _ in range(_SLIPPED)]
    if not judged:
        return [document for draft in drafts for document in documents_about(draft, rng, judged=False)]
    drafts.append(GradedDraft.of(task, task.solution()))
    return [draft_document(task), *(document for draft in drafts for document in documents_about(draft, rng))]
