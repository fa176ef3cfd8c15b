"""Supervised examples of all roles, from records with known bugs.

- classify: Yes if the answer has a bug, else No.
- critique: the gold critique; its quotes are in the order of the answer. One with several comments is also continued
  from an opening fence, as FSBS does.
- helpfulness: Yes for gold comments; No for the same remark below a wrong quote, and for a remark on another answer.
  Critiques that were rated have their rating.
- refine, refine_directly and generate: the correct answer, where it is known.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfcritic.agent.critic.format import critique_text, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.records import AnswerRecord, Bug, Rating
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.rating import locate_bugs
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import parse_task
from selfcritic.agent.training.rating import with_gold
from selfcritic.prompts import PromptName, fence_for

_MIN_QUOTE = 3  # letters of a line that a false comment quotes


@dataclass(frozen=True)
class Example:
    """A prompt and the reply to learn."""

    prompt_name: PromptName
    data: Mapping[str, str]
    """Variables of the prompt."""
    reply: str
    prefix: str = ""
    """Start of the reply that is given, and not learned."""


def create_examples(
    records: Sequence[AnswerRecord], ratings: Sequence[Rating] = (), *, seed: int = 0
) -> list[Example]:
    """Return the examples of records, in random order."""
    rng = random.Random(f"sft {seed}")
    remarks = [bug.description for record in records for bug in record.bugs or []]
    solved: set[str] = set()
    examples: list[Example] = []
    for record in records:
        examples += _verdict_examples(record)
        solution = _find_solution(record)
        if solution is not None and record.task not in solved:
            solved.add(record.task)
            data = {"question": record.question, "context": record.context}
            examples.append(Example("generate", data, solution))
        if record.bugs:
            examples += _critique_examples(record, rng)
            examples += _refinement_examples(record, solution)
        examples += _helpfulness_examples(record, remarks, rng)
    examples += _rated_examples(records, ratings)
    rng.shuffle(examples)
    return examples


def _data_of(record: AnswerRecord, **more: str) -> dict[str, str]:
    return {
        "question": record.question,
        "answer": record.answer,
        "context": record.context,
        **more,
    }


def _verdict_examples(record: AnswerRecord) -> Iterator[Example]:
    is_flawed: bool | None = None
    if record.bugs is not None:
        is_flawed = bool(record.bugs)
    elif record.is_correct is not None:
        is_flawed = not record.is_correct
    if is_flawed is not None:
        yield Example("classify", _data_of(record), "Yes" if is_flawed else "No")


def gold_comments(record: AnswerRecord) -> list[Comment]:
    """Return a comment for each bug that has a place, in the order of the answer."""
    bugs = locate_bugs(record.answer, record.bugs or [])
    placed = [bug for bug in bugs if bug.start is not None and bug.end is not None]
    comments = []
    for bug in sorted(placed, key=lambda bug: bug.start or 0):
        comments.append(_to_comment(record.answer, bug))
    return comments


def count_unplaced(records: Sequence[AnswerRecord]) -> int:
    """Return the number of bugs without a place in their answer, which no critique can name.

    Raises:
        InputError: There are bugs, but no bug has a place.
    """
    num_bugs = sum(len(record.bugs or []) for record in records)
    num_placed = sum(len(gold_comments(record)) for record in records)
    if num_bugs and not num_placed:
        raise InputError(
            f"--data has {num_bugs} bugs in train records, but no bug has a `quote` that occurs in its `answer`, so "
            "there is no critique to learn. Copy each `quote` from the `answer`, or set `start` and `end`."
        )
    return num_bugs - num_placed


def _to_comment(answer: str, bug: Bug) -> Comment:
    return Comment(
        quote=answer[bug.start : bug.end],
        text=bug.description,
        severity=bug.severity,
        start=bug.start,
        end=bug.end,
    )


def _critique_examples(record: AnswerRecord, rng: random.Random) -> Iterator[Example]:
    comments = gold_comments(record)
    if not comments:
        return
    text = render(comments).rstrip("\n")
    yield Example("critique", _data_of(record), text)
    if len(comments) == 1:
        return
    count = rng.randrange(1, len(comments))
    fence = fence_for(comments[count].quote)
    prefix = f"{render(comments[:count]).rstrip()}\n\n{fence}\n"
    rest = render(comments[count:]).rstrip("\n")
    if rest.startswith(f"{fence}\n"):
        yield Example("critique", _data_of(record), rest.removeprefix(f"{fence}\n"), prefix)


def _refinement_examples(record: AnswerRecord, solution: str | None) -> Iterator[Example]:
    comments = gold_comments(record)
    if solution is None or solution == record.answer:
        return
    yield Example("refine_directly", _data_of(record), solution)
    if comments and len(comments) == len(record.bugs or []):
        yield Example("refine", _data_of(record, critique=render(comments)), solution)


def _find_solution(record: AnswerRecord) -> str | None:
    """Return a correct answer to the record's question, None if it is unknown."""
    original = record.metadata.get("original")
    if isinstance(original, str) and original.strip():
        return original
    if record.is_correct and record.answer.strip():
        return record.answer
    if record.task_type is not None:
        task = parse_task(record.question)
        if task is not None:
            return task.solution()
    return None


def _helpfulness_examples(
    record: AnswerRecord, remarks: Sequence[str], rng: random.Random
) -> Iterator[Example]:
    for comment in gold_comments(record):
        yield _verdict_on(record, render([comment]), is_helpful=True)
    false_comment = _false_comment(record, remarks, rng)
    if false_comment is not None:
        yield _verdict_on(record, render([false_comment]), is_helpful=False)


def _verdict_on(record: AnswerRecord, critique: str, *, is_helpful: bool) -> Example:
    reply = "Yes" if is_helpful else "No"
    text = critique_text(ground(critique, record.answer))
    return Example(
        "helpfulness",
        {
            "question": record.question,
            "answer": record.answer,
            "critique": text,
        },
        reply,
    )


def _false_comment(
    record: AnswerRecord, remarks: Sequence[str], rng: random.Random
) -> Comment | None:
    """Return a comment that quotes the answer but names no flaw of it."""
    if record.bugs is None:
        return None
    task = parse_task(record.question) if record.task_type is not None else None
    if task is not None:
        return task.false_comment(record.answer, rng)
    bugs = locate_bugs(record.answer, record.bugs)
    offset = 0
    sound: list[tuple[int, str]] = []
    for line in record.answer.splitlines(keepends=True):
        end = offset + len(line)
        is_flawed = any(
            bug.start is not None and bug.end is not None and bug.start < end and offset < bug.end
            for bug in bugs
        )
        if not is_flawed and sum(map(str.isalpha, line)) >= _MIN_QUOTE:
            sound.append((offset, line.rstrip("\r\n")))
        offset = end
    if not sound or not remarks:
        return None
    start, quote = rng.choice(sound)
    own = [bug.description for bug in record.bugs]
    remark = rng.choice([*own, rng.choice(list(remarks))])
    return Comment(quote=quote, text=remark, start=start, end=start + len(quote))


def _rated_examples(
    records: Sequence[AnswerRecord], ratings: Sequence[Rating]
) -> Iterator[Example]:
    """Yield a verdict for each rated critique of these records."""
    texts = {}
    for record in records:
        for critique in with_gold(record).critiques:
            texts[record.id, critique.id] = (record, critique_text(critique))
    for rating in ratings:
        key = (rating.record, rating.critique)
        if rating.is_helpful is None or rating.error is not None or key not in texts:
            continue
        record, text = texts[key]
        if text:
            yield _verdict_on(record, text, is_helpful=rating.is_helpful)
