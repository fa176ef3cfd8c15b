"""Let LangGraph's checkpointers load the records of a run.

LangGraph warns about types that it does not know, and blocks them in strict mode. The records are plain data, so every
serializer of this process may load them. This also covers graphs that contain one of this package's graphs, whose
checkpointers cannot be configured here.
"""

from langgraph.checkpoint.serde import _msgpack

from selfcritic.agent import schemas

RECORDS: tuple[type[schemas.Record], ...] = (
    schemas.Round,
    schemas.Candidate,
    schemas.Critique,
    schemas.Comment,
    schemas.ReviewedComment,
    schemas.Usage,
    schemas.RoleUsage,
    schemas.Capabilities,
)


def register_records() -> None:
    """Add the records to the types that LangGraph loads."""
    names = {(record.__module__, record.__name__) for record in RECORDS}
    _msgpack.SAFE_MSGPACK_TYPES = _msgpack.SAFE_MSGPACK_TYPES | names
