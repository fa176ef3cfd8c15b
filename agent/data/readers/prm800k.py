"""Read PRM800K: solutions whose steps people rated -1, 0 or 1."""

from collections.abc import Mapping
from typing import Any

from selfcritic.agent.data.readers.fields import (
    Row,
    RowError,
    get_list,
    get_object,
    get_objects,
    get_optional_text,
    get_rest,
    get_text,
    name_task,
)
from selfcritic.agent.data.records import AnswerRecord, Bug


def read_prm800k(row: Row) -> list[AnswerRecord]:
    """Return a solution; its first step rated -1 is a known bug, with the step as the quote."""
    values = row.values
    question = get_object(values, "question")
    label = get_object(values, "label")
    problem = get_text(question, "problem")
    rated = _read_steps(label)
    texts = _complete([text for text, _rating in rated], question)
    bug = _find_bug(texts, [rating for _text, rating in rated])
    is_correct = None
    if bug is not None:
        is_correct = False
    elif texts and label.get("finish_reason") == "solution":
        is_correct = True
    record = AnswerRecord(
        id=row.number,
        task=name_task(problem),
        question=problem,
        answer="\n".join(texts),
        is_correct=is_correct,
        bugs=[bug] if bug else ([] if is_correct else None),
        error=None if texts else "the solution has no steps",
        metadata={
            "finish_reason": label.get("finish_reason"),
            "ground_truth_answer": question.get("ground_truth_answer"),
            **get_rest(values, ("question", "label")),
        },
    )
    return [record]


def _read_steps(label: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """Return the text and the rating of each rated step; a step without any text ends them."""
    steps = []
    for step in get_objects(label, "steps"):
        if not step.get("completions") and step.get("human_completion") is None:
            break
        steps.append(_read_step(step))
    return steps


def _read_step(step: Mapping[str, Any]) -> tuple[str, float | None]:
    """Return the text and the rating of the step that the solution uses.

    That is the chosen completion, else the person's step, else the first completion.
    """
    completions = get_objects(step, "completions")
    chosen = step.get("chosen_completion")
    human = step.get("human_completion")
    if chosen is None and human is not None:
        text = human.get("text") if isinstance(human, dict) else human
        return get_text({"human_completion": text}, "human_completion"), None
    index = 0 if chosen is None else chosen
    if not isinstance(index, int) or not 0 <= index < len(completions):
        raise RowError(f"`chosen_completion` must be the index of a completion, not {chosen!r}")
    rating = completions[index].get("rating")
    if rating not in (-1, 0, 1, None):
        raise RowError(f"`rating` must be -1, 0 or 1, not {rating!r}")
    return get_text(completions[index], "text"), rating


def _complete(texts: list[str], question: Mapping[str, Any]) -> list[str]:
    """Append the steps that nobody rated, since rating stops at the first wrong step."""
    generated = get_list(question, "pre_generated_steps")
    for number, text in enumerate(generated):
        get_optional_text({"pre_generated_steps": text}, "pre_generated_steps")
        generated[number] = str(text)
    if generated[: len(texts)] == texts:
        return generated
    return texts


def _find_bug(texts: list[str], ratings: list[float | None]) -> Bug | None:
    if -1 not in ratings:
        return None
    index = ratings.index(-1)
    start = sum(len(text) + 1 for text in texts[:index])
    return Bug(
        id=f"step-{index + 1}",
        description=f"Step {index + 1} is wrong; it is the first wrong step.",
        quote=texts[index],
        start=start,
        end=start + len(texts[index]),
    )
