"""Edits of a run's state: they come from Studio as JSON, and nodes work with records."""

from typing import Any, cast, get_args, get_type_hints

from pydantic import TypeAdapter

from selfcritic.agent.schemas import Record
from selfcritic.agent.state import State


def _holds_records(kind: Any) -> bool:
    parts = get_args(kind)
    return any(map(_holds_records, parts)) if parts else isinstance(kind, type) and issubclass(kind, Record)


_RECORDS = {key: TypeAdapter[Any](kind) for key, kind in get_type_hints(State).items() if _holds_records(kind)}


def with_records(state: State) -> State:
    """The state with its records as such: what is edited in Studio comes as JSON. Raises ValidationError."""
    found = {key: _RECORDS[key].validate_python(value) for key, value in state.items() if key in _RECORDS}
    return cast(State, {**state, **found})
