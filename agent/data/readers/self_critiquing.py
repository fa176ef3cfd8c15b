"""Read the records that paper 1 released: base, critiques and helpfulness."""

from collections.abc import Iterator, Mapping
from typing import Any

from selfcritic.agent.critic.location import locate
from selfcritic.agent.data.readers.fields import (
    Row,
    get_flag,
    get_list,
    get_number,
    get_object,
    get_objects,
    get_optional_text,
    get_split,
    get_text,
    name_task,
)
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample, Rating, Refinement
from selfcritic.agent.schemas import Comment

_TOP_RATING = 7


def read_self_critiquing(row: Row) -> list[AnswerRecord]:
    """Return the answers of a passage's questions, with people's critiques and refinements.

    A person's critique is a known bug, too. An answer is correct if it has the rating 7 and no critique. In helpfulness
    records, the critiques are the model's, and `read_helpfulness` returns their ratings; an answer with a helpful
    critique is wrong. Questions and critiques without text are left out.
    """
    return [record for record, _ratings in _read_answers(row)]


def read_helpfulness(row: Row) -> list[Rating]:
    """Return people's ratings of the model's critiques."""
    return [rating for _record, ratings in _read_answers(row) for rating in ratings]


def _read_answers(row: Row) -> Iterator[tuple[AnswerRecord, list[Rating]]]:
    values = row.values
    name = get_optional_text(values, "id") or row.number
    data = get_object(values, "data")
    context = _read_passage(data)
    for number, question in enumerate(get_objects(data, "questions"), 1):
        text = get_optional_text(question, "question")
        if not text.strip():
            continue  # the released files have some
        answers = get_objects(question, "answers") or [question]
        for index, answer in enumerate(answers, 1):
            record = AnswerRecord(
                id=f"{name}/{number}/{index}",
                task=name_task(text, context),
                question=text,
                context=context,
                answer=get_optional_text(answer, "answer"),
                split=get_split(values),
            )
            if values.get("is_topic_based_summarization") is not None:
                record.metadata["is_topic_based_summarization"] = values[
                    "is_topic_based_summarization"
                ]
            if "feedback" in answer:
                _add_feedback(record, get_object(answer, "feedback"))
            ratings: list[Rating] = []
            if "critiques" in answer:
                ratings = _add_model_critiques(record, answer, question, len(answers))
                rater = get_optional_text(values, "labeler") or "labeler"
                ratings = [rating.model_copy(update={"rater": rater}) for rating in ratings]
            yield record, ratings


def _read_passage(data: Mapping[str, Any]) -> str:
    passage = get_object(data, "passage")
    title = get_optional_text(passage, "title")
    text = get_optional_text(passage, "text")
    return f"{title}\n{text}" if title else text


def _add_feedback(record: AnswerRecord, feedback: Mapping[str, Any]) -> None:
    """Add a person's rating, critiques and refinements to the record."""
    if get_flag(feedback, "skip"):
        return
    record.quality = get_number(feedback, "rating")
    details = []
    bugs = []
    for number, critique in enumerate(get_objects(feedback, "critiques"), 1):
        if not get_optional_text(critique, "text").strip():
            continue
        sample = _read_critique(record.answer, critique, str(number))
        record.critiques.append(sample)
        bug = Bug(id=str(number), description=sample.text)
        if sample.comments:
            first = sample.comments[0]
            bug = bug.model_copy(
                update={"quote": first.quote, "start": first.start, "end": first.end}
            )
        bugs.append(bug)
        details.append({name: critique.get(name) for name in ("category", "severity")})
        refinement = get_optional_text(critique, "refinement")
        if refinement.strip():
            record.refinements.append(
                Refinement(arm="human", answer=refinement, critique=sample.id)
            )
    if bugs:
        record.bugs = bugs
        record.is_correct = False
        record.metadata["critiques"] = details
    elif record.quality is not None and record.quality >= _TOP_RATING:
        record.bugs = []
        record.is_correct = True


def _read_critique(answer: str, critique: Mapping[str, Any], name: str) -> CritiqueSample:
    """Return a person's critique; its quotes of the response become comments."""
    text = get_text(critique, "text")
    sample = CritiqueSample(id=name, critic="human", text=text)
    for quote in get_list(critique, "response_quotes"):
        if isinstance(quote, dict):
            quote = quote.get("text")
        words = get_optional_text({"response_quotes": quote}, "response_quotes")
        span = locate(words, answer) if words.strip() else None
        if span is None:
            sample.ungrounded.append(Comment(quote=words, text=text))
        else:
            quoted = span.cut(answer)
            sample.comments.append(Comment(quote=quoted, text=text, start=span.start, end=span.end))
    return sample


def _add_model_critiques(
    record: AnswerRecord, answer: Mapping[str, Any], question: Mapping[str, Any], num_answers: int
) -> list[Rating]:
    """Add the model's critiques to the record, and return their ratings."""
    ratings = []
    for number, critique in enumerate(get_objects(answer, "critiques"), 1):
        text = critique.get("critique")
        if isinstance(text, dict):
            text = text.get("text")
        text = get_optional_text({"critique": text}, "critique")
        if not text.strip():
            continue
        sample = CritiqueSample(id=str(number), critic="model", text=text)
        record.critiques.append(sample)
        is_helpful = get_flag(get_object(critique, "feedback"), "helpful")
        if is_helpful is not None:
            rating = Rating(
                record=record.id,
                critique=sample.id,
                rater="labeler",
                rater_type="human",
                is_helpful=is_helpful,
            )
            ratings.append(rating)
    better = get_optional_text(get_object(question, "new_critique"), "text")
    is_critiqueable = get_flag(question, "is_critiqueable")
    if num_answers == 1 and better.strip():
        record.critiques.append(CritiqueSample(id="new", critic="human", text=better))
    if any(rating.is_helpful for rating in ratings):
        record.is_correct = False
    elif num_answers == 1 and is_critiqueable is not None:
        record.is_correct = not is_critiqueable
    return ratings
