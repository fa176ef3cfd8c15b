"""Build the records of tampered answers."""

from collections.abc import Sequence

from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample
from selfcritic.agent.data.tampering.checks import Check, Outcome
from selfcritic.agent.data.tampering.edits import Edit, Span, apply_edits, locate_edit, unified_diff
from selfcritic.agent.data.tampering.plan import Split
from selfcritic.agent.schemas import Comment, Critique, Record

TEMPLATE = "template"
"""Describer of flaws whose description is built from the edit and the failing test."""


class Flaw(Record):
    """An edit of a correct answer, with what it does."""

    start: int
    """Offset in the original answer."""
    end: int
    replacement: str
    source: str
    """What made the edit: an operator, "task:NAME" or "model:NAME"."""
    note: str = ""
    """The source's own description."""
    outcome: Outcome = "survived"
    test: str | None = None
    message: str = ""
    description: str = ""
    describer: str = TEMPLATE
    misses: int | None = None
    """Samples of the critic that do not point at the flaw; None without a critic."""
    samples: int | None = None
    """Samples of the critic."""

    @property
    def edit(self) -> Edit:
        """The edit."""
        return Edit(self.start, self.end, self.replacement, self.source, self.note)

    @property
    def check(self) -> Check:
        """The result of the tests."""
        return Check(self.outcome, self.test, self.message)


def to_flaw(edit: Edit) -> Flaw:
    """Return the flaw of an edit that is not checked yet."""
    return Flaw(
        start=edit.start,
        end=edit.end,
        replacement=edit.replacement,
        source=edit.source,
        note=edit.description,
    )


def share_lines(original: str, edit: Edit, flaws: Sequence[Flaw]) -> bool:
    """Return whether an edit touches a line of another flaw."""
    lines = set(edit.lines_in(original))
    return any(lines & set(flaw.edit.lines_in(original)) for flaw in flaws)


def tamper_answer(original: str, flaws: Sequence[Flaw]) -> str:
    """Return the answer with all flaws."""
    return apply_edits(original, [flaw.edit for flaw in flaws])


def locate_flaw(original: str, flaws: Sequence[Flaw], index: int) -> Span:
    """Return the flawed lines in the answer with all flaws."""
    return locate_edit(original, [flaw.edit for flaw in flaws], index)


def count_misses(critiques: Sequence[Critique], span: Span) -> int:
    """Count the critiques without a comment that quotes part of a span."""
    num_misses = 0
    for critique in critiques:
        if not any(_overlaps(comment, span) for comment in critique.comments):
            num_misses += 1
    return num_misses


def _overlaps(comment: Comment, span: Span) -> bool:
    if comment.start is None or comment.end is None:
        return comment.quote.strip() in span.quote
    return comment.start < span.end and span.start < comment.end


def build_tampered(
    record: AnswerRecord,
    record_id: str,
    split: Split,
    flaws: Sequence[Flaw],
    critiques: Sequence[CritiqueSample] = (),
    counts: dict[str, int] | None = None,
) -> AnswerRecord:
    """Return the record of an answer with these flaws; without any, that of the clean answer.

    The bugs are in the order of their lines. `counts` are the numbers of candidate flaws by outcome.
    """
    metadata = {**record.metadata, "source": record.id}
    ordered = sorted(flaws, key=lambda flaw: flaw.start)
    answer = record.answer
    bugs = []
    if ordered:
        answer = tamper_answer(record.answer, ordered)
        bugs = [_to_bug(record.answer, ordered, index) for index in range(len(ordered))]
        metadata["original"] = record.answer
        metadata["diff"] = unified_diff(record.answer, answer)
        metadata["flaws"] = [
            _describe_origin(bug, flaw) for bug, flaw in zip(bugs, ordered, strict=True)
        ]
        metadata["candidates"] = counts or {}
    return AnswerRecord(
        id=record_id,
        task=record.task,
        question=record.question,
        answer=answer,
        context=record.context,
        origin="inserted" if ordered else "clean",
        split=split,
        task_type=record.task_type,
        language=record.language,
        is_correct=not ordered,
        bugs=bugs,
        critiques=list(critiques),
        metadata=metadata,
    )


def _to_bug(original: str, flaws: Sequence[Flaw], index: int) -> Bug:
    span = locate_flaw(original, flaws, index)
    return Bug(
        id=f"bug-{index + 1}",
        description=flaws[index].description,
        quote=span.quote,
        start=span.start,
        end=span.end,
    )


def _describe_origin(bug: Bug, flaw: Flaw) -> dict[str, object]:
    """Return how a bug was made and found, for the record's metadata."""
    origin: dict[str, object] = {
        "bug": bug.id,
        "source": flaw.source,
        "outcome": flaw.outcome,
        "test": flaw.test,
        "message": flaw.message,
        "describer": flaw.describer,
    }
    if flaw.misses is not None:
        origin["misses"] = flaw.misses
        origin["samples"] = flaw.samples
    return origin
