"""Find an annotator's next unit without reading the units that are finished."""

from collections.abc import Iterator, Sequence

from selfcritic.graphs.desk.assignments import (
    DeskOptions,
    Unit,
    hash_unit,
    may_work_on,
    wanted_annotators,
)
from selfcritic.graphs.desk.database import Database

_BATCH = 50
"""Units that are looked up with one query."""


class UnitQueue:
    """The units of a screen that need annotators, in the order of the file.

    Finished units leave the queue when it meets them. Several desks can share a PostgreSQL database, so that only the
    database knows who works on the others.
    """

    def __init__(self, units: Sequence[Unit], options: DeskOptions, database: Database) -> None:
        self._units = {hash_unit(unit): unit for unit in units}
        self._wanted = {key: wanted_annotators(unit, options) for key, unit in self._units.items()}
        self._database = database
        self._taken: dict[str, set[str]] = {}
        """Units that an annotator has or had, as far as they were met."""
        self.total = sum(self._wanted.values())
        """Submitted assignments that finish the screen."""

    def find_next(self, annotator: str) -> Unit | None:
        """Return the first unit that the annotator may get; None if there is nothing left."""
        taken = self._taken.setdefault(annotator, set())
        finished: list[str] = []
        found: Unit | None = None
        for batch in self._list_batches(annotator, taken):
            for key, assigned in self._database.list_workers(batch).items():
                statuses = dict(assigned)
                if annotator in statuses:
                    taken.add(key)
                wanted = self._wanted[key]
                submitted = sum(status == "submitted" for status in statuses.values())
                current = sum(status != "skipped" for status in statuses.values())
                if submitted >= wanted:
                    finished.append(key)
                elif found is None and annotator not in statuses and current < wanted:
                    found = self._units[key]
            if found is not None:
                break
        for key in finished:
            del self._units[key]
        return found

    def _list_batches(self, annotator: str, taken: set[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        for key, unit in self._units.items():
            if key in taken or not may_work_on(unit, annotator):
                continue
            batch.append(key)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
