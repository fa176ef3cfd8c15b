"""Serialize the records of a run, and reject those of earlier versions."""

from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from selfcritic.agent import schemas
from selfcritic.agent.errors import InputError
from selfcritic.graphs.serialization import RECORDS

_RENAMED_RECORDS = ("Draft", "Method", "Label")
"""Names of records that only earlier versions saved."""


def serializer() -> JsonPlusSerializer:
    """Return a serializer that loads only the record types of a run."""
    return _RecordSerializer(allowed_msgpack_modules=RECORDS)


class _RecordSerializer(JsonPlusSerializer):
    """Rejects records of earlier versions, which LangGraph would read as dicts."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        payload = data[1]
        for name in _RENAMED_RECORDS:
            if _msgpack_reference(name) in payload:
                raise InputError(
                    f"This thread was saved by an earlier version of selfcritic (record '{name}'). "
                    "Start a new thread, or continue this one with the earlier version."
                )
        return super().loads_typed(data)


def _msgpack_reference(name: str) -> bytes:
    """Encode a record's module and name as LangGraph saves them.

    These bytes never occur in UTF-8 text.
    """
    encoded = b""
    for text in (schemas.__name__, name):
        header = 0xA0 | len(text)  # a string of up to 31 bytes
        encoded += bytes([header]) + text.encode()
    return encoded
