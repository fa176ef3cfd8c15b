"""Turn the finished assignments of a desk into records: reviews, ratings and comparisons."""

from pathlib import Path

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.comparisons import name_assisted
from selfcritic.agent.data.files import (
    COMPARISONS_FILE,
    RATINGS_FILE,
    RECORDS_FILE,
    REVIEWS_FILE,
    write_records,
)
from selfcritic.agent.data.records import (
    AnswerRecord,
    Comparison,
    CritiqueSample,
    HumanReview,
    Rating,
    VersionedRecord,
)
from selfcritic.graphs.desk.assignments import choose_prefill
from selfcritic.graphs.desk.database import Assignment
from selfcritic.graphs.desk.events import State, compute_state
from selfcritic.graphs.desk.session import Desk


class Export:
    """The finished work of all annotators, as records."""

    def __init__(self, desk: Desk) -> None:
        self.ratings: list[Rating] = []
        self.comparisons: list[Comparison] = []
        self.reviews: list[HumanReview] = []
        self._critiques: dict[str, list[CritiqueSample]] = {}
        for assignment in desk.database.list_assignments():
            if assignment.status == "open":
                continue
            state = compute_state(desk.work_of(assignment), desk.events_of(assignment))
            record = desk.records[assignment.record]
            if assignment.screen == "review":
                self._add_review(assignment, state, record)
            elif assignment.status == "submitted":
                self._add_forms(assignment, state)
        self.records = [self._with_reviews(record) for record in desk.records.values()]

    def write(self, folder: Path) -> list[Path]:
        """Write one file for each kind of record that exists; return their paths.

        Only the owner can open a new folder.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        contents: dict[str, list[VersionedRecord]] = {
            RECORDS_FILE: [*self.records],
            REVIEWS_FILE: [*self.reviews],
            RATINGS_FILE: [*self.ratings],
            COMPARISONS_FILE: [*self.comparisons],
        }
        written = []
        for name, records in contents.items():
            if records:
                write_records(folder / name, records)
                written.append(folder / name)
        return written

    def _add_review(self, assignment: Assignment, state: State, record: AnswerRecord) -> None:
        comments = [label.after for label in state.labels if label.after is not None]
        identifier: str | None = None
        if comments and state.status == "submitted":
            identifier = _name_review(assignment, record)
            sample = CritiqueSample(
                id=identifier,
                critic=_reviewer_name(assignment, record),
                text=render(comments),
                comments=comments,
            )
            self._critiques.setdefault(record.id, []).append(sample)
        self.reviews.append(
            HumanReview(
                record=record.id,
                reviewer=assignment.annotator,
                critique=identifier,
                labels=state.labels,
                prefilled=assignment.prefilled and state.is_revealed,
                looked_first=assignment.look_first,
                num_own_before=state.own_before_reveal,
                active_seconds=assignment.active_seconds,
                skip_reason=state.reason,
            )
        )

    def _add_forms(self, assignment: Assignment, state: State) -> None:
        forms = list(state.forms.values())
        if assignment.screen == "compare":
            self.comparisons.append(
                Comparison(
                    record=assignment.record,
                    critiques=assignment.critiques,
                    rater=assignment.annotator,
                    rater_type="human",
                    forms=forms,
                )
            )
        for critique, form in zip(assignment.critiques, forms, strict=True):
            self.ratings.append(
                Rating(
                    record=assignment.record,
                    critique=critique,
                    rater=assignment.annotator,
                    rater_type="human",
                    form=form,
                )
            )

    def _with_reviews(self, record: AnswerRecord) -> AnswerRecord:
        new = self._critiques.get(record.id, [])
        return record.model_copy(update={"critiques": [*record.critiques, *new]})


def _reviewer_name(assignment: Assignment, record: AnswerRecord) -> str:
    """Return the name of a critic, such as "ann" or "ann + gpt" for a pre-filled review."""
    prefill = choose_prefill(record)
    if assignment.prefilled and prefill is not None:
        return name_assisted(assignment.annotator, prefill.critic)
    return assignment.annotator


def _name_review(assignment: Assignment, record: AnswerRecord) -> str:
    """Return an id that no critique of the record has: it may be the export of an earlier desk."""
    used = {critique.id for critique in record.critiques}
    identifier = f"desk-{assignment.id}"
    number = 1
    while identifier in used:
        number += 1
        identifier = f"desk{number}-{assignment.id}"
    return identifier
