"""Restore the records of an edited state."""

from typing import Any

import pytest
from pydantic import ValidationError

from selfcritic.agent.schemas import Capabilities, Comment, Critique, RoleUsage, Round, Usage
from selfcritic.agent.state import parse_state

DRAFT = Round(
    answer="374", critiques=[Critique(text="…", comments=[Comment(quote="7", text="Should be 8.")])]
)
USAGE = Usage(calls=1, by_role={"judge": RoleUsage(calls=1)})
CAPABILITIES = {"judge": Capabilities(probability="votes")}


def test_parses_json_to_records():
    edited: Any = {
        "answer": "374",
        "rounds": [DRAFT.model_dump(mode="json")],
        "usage": USAGE.model_dump(mode="json"),
        "capabilities": {"judge": CAPABILITIES["judge"].model_dump(mode="json")},
    }
    assert parse_state(edited) == {
        "answer": "374",
        "rounds": [DRAFT],
        "usage": USAGE,
        "capabilities": CAPABILITIES,
    }


def test_keeps_existing_records():
    state = parse_state({"rounds": [DRAFT], "usage": USAGE})
    assert state["rounds"][0] is DRAFT
    assert state["usage"] is USAGE
    assert "capabilities" not in state


def test_rejects_an_unknown_field():
    wrong: Any = {"rounds": [{"anser": "374"}]}
    with pytest.raises(ValidationError, match="anser"):
        parse_state(wrong)
