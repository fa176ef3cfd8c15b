"""What the embedded model learns from: prompts of the plain set, each with the reply that the family's oracle gives.

One model plays every part, jointly (Saunders et al. 2022, section 3.1). A critique names one flaw; a refinement does
what the critique says, and direct refinement aims at the solution.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selfcritic.agent.data.families import Addition, Alphabetize, Task, ThreeSat
from selfcritic.agent.data.families.words import COMMON
from selfcritic.agent.parsing import body, ground, render
from selfcritic.agent.schemas import Comment
from selfcritic.prompts import Role, load

TRAINED: Mapping[str, type[Task]] = {family.family: family for family in (Alphabetize, Addition, ThreeSat)}
"""The families that can be trained, by name: those where checking is easier than making."""

SIZES: Mapping[str, Sequence[int]] = {
    "alphabetize": range(4, 21),
    "addition": range(2, 8),
    "three_sat": range(3, 7),
}
"""The sizes of task that are trained on; the report asks for the same ones."""

_PEOPLE = ("Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Leo", "Mia", "Ned", "Ola", "Pat")
_SERVED = ("milk", "tea", "salad", "soup", "cake", "fruit", "pasta", "rice", "juice", "water", "rule", "takes", "or")
_WORDS: Mapping[str, Sequence[str]] = {"alphabetize": COMMON, "addition": (), "three_sat": (*_PEOPLE, *_SERVED)}


@dataclass(frozen=True)
class Document:
    """A prompt and the reply to learn."""

    prompt: str
    reply: str


@dataclass(frozen=True)
class Judged:
    """A draft of a task, as the oracle sees it."""

    task: Task
    answer: str
    flaws: list[Comment] = field(default_factory=list)

    @classmethod
    def of(cls, task: Task, answer: str) -> "Judged":
        """Ask the oracle."""
        return cls(task, answer, [flaw.comment for flaw in task.flaws(answer)])


def words_of(family: str) -> tuple[str, ...]:
    """The words of a family that are one token each."""
    return tuple(dict.fromkeys(_WORDS[family]))


def ask(role: Role, question: str, **data: str) -> str:
    """A role's prompt in plain words, as one text."""
    return load("plain").render(role, "question", context="", question=question, **data)[-1].text


def draw_task(family: str, rng: random.Random, largest: int | None = None) -> Task:
    """A fresh task of a size that is trained on, up to the largest."""
    sizes = [size for size in SIZES[family] if largest is None or size <= max(largest, SIZES[family][0])]
    return TRAINED[family].generate(rng, rng.choice(sizes))


def slipped(task: Task, rng: random.Random) -> Judged:
    """The solution with none to three slips in it."""
    answer = task.solution()
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        answer = task.slip(answer, rng).answer if task.is_right(answer) else _once_more(task, answer, rng)
    return Judged.of(task, answer)


def _once_more(task: Task, answer: str, rng: random.Random) -> str:
    """Another flaw in a draft that has one: what a wrong comment leads to."""
    return task.mend(answer, task.invent(answer, rng))


def draft_document(task: Task) -> Document:
    """The question and its solution."""
    return Document(ask("generate", task.question), task.solution())


def documents_about(draft: Judged, rng: random.Random) -> Iterator[Document]:
    """What can be learnt of a draft: the verdict on it and, where it has flaws, a critique and what it leads to."""
    question, answer = draft.task.question, draft.answer
    yield Document(ask("classify", question, answer=answer), "Yes" if draft.flaws else "No")
    if not draft.flaws:
        return
    flaw = rng.choice(draft.flaws)
    said = render([flaw])
    yield Document(ask("critique", question, answer=answer), said.rstrip("\n"))
    yield from verdicts(draft, [said, render([draft.task.invent(answer, rng)])])
    mended = draft.task.mend(answer, flaw)
    if mended.strip():
        yield Document(ask("refine", question, answer=answer, critique=said), mended)
    yield Document(ask("refine_directly", question, answer=answer), draft.task.solution())


def verdicts(draft: Judged, critiques: Sequence[str]) -> Iterator[Document]:
    """Whether each critique is helpful: it quotes the draft, and all that it says is true."""
    for text in critiques:
        said = body(ground(text, draft.answer))
        prompt = ask("helpfulness", draft.task.question, answer=draft.answer, critique=said)
        yield Document(prompt, "Yes" if is_helpful(draft, text) else "No")


def is_helpful(draft: Judged, text: str) -> bool:
    """Whether every comment of a critique stands in the draft and is valid, and there is one at least."""
    critique = ground(text, draft.answer)
    valid = [draft.task.is_valid(draft.answer, comment) for comment in critique.comments]
    return bool(valid) and all(valid) and not critique.invented


def copying(family: str, rng: random.Random) -> Document:
    """The warm-up: a list, to be said again from a word on that is named; quoting is learnt by it."""
    items = rng.sample(words_of(family) or tuple("0123456789"), rng.randint(3, 9))
    at = rng.randrange(len(items))
    joint = ", " if words_of(family) else ""
    return Document(f"{joint.join(items)}\n{items[at]}\n", joint.join(items[at:]))


def slip_documents(family: str, rng: random.Random, largest: int | None = None) -> Iterator[Document]:
    """Without end, the documents of fresh tasks with slips."""
    while True:
        task = draw_task(family, rng, largest)
        yield draft_document(task)
        yield from documents_about(slipped(task, rng), rng)
