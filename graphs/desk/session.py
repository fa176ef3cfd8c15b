"""Hand out assignments, apply events and describe both for the page."""

import threading
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import ValidationError

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError, format_validation_error
from selfcritic.agent.schemas import Comment, Critique
from selfcritic.graphs.desk.assignments import (
    LABELS,
    SCREENS,
    DeskOptions,
    Screen,
    Unit,
    choose_prefill,
    hash_unit,
    is_held_out,
    list_units,
    shuffle_for,
)
from selfcritic.graphs.desk.database import Assignment, Database
from selfcritic.graphs.desk.events import (
    EVENT,
    Event,
    Found,
    State,
    Work,
    compute_state,
    find_missing_scores,
)
from selfcritic.graphs.desk.syntax import list_tokens
from selfcritic.graphs.desk.unit_queue import UnitQueue

Search = Callable[[AnswerRecord, float], Awaitable[Critique]]
"""Asks the critic for a critique with a length modifier."""
_MAX_ACTIVE_SECONDS = 120.0
"""Most that one report may add: the page reports each few seconds."""


class Desk:
    """All assignments of a file of records."""

    def __init__(
        self,
        records: Sequence[AnswerRecord],
        database: Database,
        options: DeskOptions,
        search: Search | None = None,
    ) -> None:
        self.records = {record.id: record for record in records}
        self.database = database
        self.options = options
        self.search = search
        self.queues: dict[str, UnitQueue] = {}
        for screen in SCREENS:
            self.queues[screen] = UnitQueue(list_units(records, screen, options), options, database)
        self._lock = threading.Lock()

    def open_next(self, annotator: str, screen: Screen) -> dict[str, Any] | None:
        """Return the annotator's next assignment of a screen; None if there is nothing left."""
        with self._lock:
            assignment = self.database.find_open(annotator, screen)
            if assignment is None:
                unit = self.queues[screen].find_next(annotator)
                if unit is None:
                    return None
                assignment = self._assign(unit, annotator)
            return self.describe(assignment)

    def _assign(self, unit: Unit, annotator: str) -> Assignment:
        is_review = unit.screen == "review"
        has_prefill = bool(unit.critiques) or self.search is not None
        prefilled = is_review and has_prefill and not is_held_out(unit, annotator, self.options)
        return self.database.create_assignment(
            {
                "screen": unit.screen,
                "record": unit.record,
                "unit": hash_unit(unit),
                "annotator": annotator,
                "critiques": shuffle_for(unit, annotator, self.options.seed),
                "prefilled": prefilled,
                "look_first": prefilled and self.options.look_first,
            }
        )

    def get(self, identifier: int, annotator: str) -> Assignment:
        """Return an annotator's assignment; raise InputError if it is another's."""
        assignment = self.database.get_assignment(identifier)
        if assignment is None or assignment.annotator != annotator:
            raise InputError(f"Assignment {identifier} is not one of {annotator!r}.")
        return assignment

    def find_neighbor(
        self, identifier: int, annotator: str, *, is_later: bool
    ) -> dict[str, Any] | None:
        """Return the annotator's next or previous assignment of the same screen, if there is one."""
        assignment = self.get(identifier, annotator)
        neighbor = self.database.find_neighbor(assignment, is_later=is_later)
        return None if neighbor is None else self.describe(neighbor)

    def apply(
        self, identifier: int, annotator: str, events: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """Store the page's events and return the new view.

        Raises:
            InputError: An event is invalid; nothing is stored.
        """
        with self._lock:
            assignment = self.get(identifier, annotator)
            stored = self.database.list_event_keys(identifier)
            new: list[tuple[str, Event]] = []
            for data in events:
                key, event = _parse_event(data)
                if key not in stored:
                    stored.add(key)
                    new.append((key, event))
            return self._store(assignment, new)

    def _store(self, assignment: Assignment, new: Sequence[tuple[str, Event]]) -> dict[str, Any]:
        work = self.work_of(assignment)
        earlier = self.events_of(assignment)
        if new and assignment.status != "open":
            raise InputError("This assignment is finished. Go to the next one.")
        state = compute_state(work, [*earlier, *(event for _, event in new)])
        if state.status == "submitted" and (missing := find_missing_scores(work, state)):
            raise InputError(f"Score these before you submit: {', '.join(missing[:6])}.")
        rows = [(key, event.model_dump(mode="json")) for key, event in new]
        self.database.append_events(assignment.id, rows, state.status)
        return self.describe(assignment._replace(status=state.status), state)

    async def search_again(
        self, identifier: int, annotator: str, length_modifier: float
    ) -> dict[str, Any]:
        """Ask the critic again with another length modifier, and show its comments."""
        if self.search is None:
            raise InputError("No critic is connected. Start the desk with --model NAME.")
        assignment = self.get(identifier, annotator)
        if assignment.screen != "review" or not assignment.prefilled:
            raise InputError("The critic can be asked in reviews with pre-filled comments only.")
        critique = await self.search(self.records[assignment.record], length_modifier)
        event = Found(type="found", length_modifier=length_modifier, comments=critique.comments)
        with self._lock:
            return self._store(self.get(identifier, annotator), [(uuid.uuid4().hex, event)])

    def add_active_seconds(self, identifier: int, annotator: str, seconds: float) -> None:
        """Add to the active time of an assignment."""
        self.get(identifier, annotator)
        self.database.add_active_seconds(identifier, min(max(0.0, seconds), _MAX_ACTIVE_SECONDS))

    def events_of(self, assignment: Assignment) -> list[Event]:
        """Return the stored events of an assignment."""
        return [EVENT.validate_python(each) for each in self.database.list_events(assignment.id)]

    def work_of(self, assignment: Assignment) -> Work:
        """Return what an assignment starts with."""
        record = self.records[assignment.record]
        bugs = [bug.id for bug in record.bugs or []]
        if assignment.screen != "review":
            labels = LABELS[: len(assignment.critiques)]
            return Work(record.answer, labels, bugs, [])
        comments: list[Comment] = []
        prefill = choose_prefill(record)
        if assignment.prefilled and prefill is not None:
            comments = prefill.comments
        return Work(record.answer, "", bugs, comments, assignment.look_first)

    def describe(self, assignment: Assignment, state: State | None = None) -> dict[str, Any]:
        """Return all that the page shows of an assignment; never the critics' names if blind."""
        work = self.work_of(assignment)
        if state is None:
            state = compute_state(work, self.events_of(assignment))
        record = self.records[assignment.record]
        bugs = []
        if assignment.screen != "review":  # a reviewer must find them
            bugs = [bug.model_dump(mode="json") for bug in record.bugs or []]
        return {
            "id": assignment.id,
            "screen": assignment.screen,
            "record": record.id,
            "question": record.question,
            "context": record.context,
            "answer": record.answer,
            "language": record.language,
            "tokens": list_tokens(record.answer, record.language),
            "bugs": bugs,
            "critiques": self._describe_critiques(assignment, record),
            "critic": self._critic_name(assignment, record, state),
            "prefilled": assignment.prefilled,
            "can_search": self.search is not None and assignment.prefilled and state.is_revealed,
            "state": {
                "labels": [label.model_dump(mode="json") for label in state.labels],
                "forms": {
                    label: form.model_dump(mode="json") for label, form in state.forms.items()
                },
                "is_revealed": state.is_revealed,
                "status": state.status,
                "can_undo": state.can_undo,
                "length_modifier": state.length_modifier,
                "missing": find_missing_scores(work, state),
            },
            "progress": self.count_progress(assignment.annotator, assignment.screen),
        }

    def _describe_critiques(
        self, assignment: Assignment, record: AnswerRecord
    ) -> list[dict[str, Any]]:
        if assignment.screen == "review":
            return []
        by_id = {critique.id: critique for critique in record.critiques}
        described = []
        for label, identifier in zip(LABELS, assignment.critiques, strict=False):
            critique = by_id[identifier]
            comments = [comment.model_dump(mode="json") for comment in critique.comments]
            ungrounded = [comment.model_dump(mode="json") for comment in critique.ungrounded]
            described.append(
                {
                    "label": label,
                    "text": critique.text,
                    "comments": comments,
                    "ungrounded": ungrounded,
                    "unparsed": critique.unparsed,
                }
            )
        return described

    def _critic_name(
        self, assignment: Assignment, record: AnswerRecord, state: State
    ) -> str | None:
        prefill = choose_prefill(record)
        is_shown = assignment.screen == "review" and assignment.prefilled and state.is_revealed
        if self.options.blind or not is_shown or prefill is None:
            return None
        return prefill.critic

    def count_progress(self, annotator: str, screen: str) -> dict[str, int]:
        """Return how many units of a screen an annotator, and all, have finished."""
        submitted = self.database.count_submitted(screen)
        return {
            "own": submitted.get(annotator, 0),
            "finished": sum(submitted.values()),
            "total": self.queues[screen].total,
        }


def _parse_event(data: dict[str, Any]) -> tuple[str, Event]:
    """Return the key and the event that the page sent."""
    values = dict(data)
    key = values.pop("key", None)
    if not isinstance(key, str) or not 8 <= len(key) <= 64:
        raise InputError("Each event requires a `key` of 8 to 64 characters.")
    try:
        event = EVENT.validate_python(values)
    except ValidationError as error:
        raise InputError(format_validation_error(error, "event", limit=2)) from None
    if isinstance(event, Found):
        raise InputError("Only the desk itself stores the results of a search.")
    return key, event
