"""The types of events match the events of a run and the table in docs/embedding.md."""

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from langchain_core.messages import HumanMessage
from pydantic import TypeAdapter

from selfcritic.agent import Comment
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.step import Event as StepEvent
from selfcritic.graphs import Event, create_review, create_self_critique, stream_answer

PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"
TYPES = {get_args(get_type_hints(type_)["event"])[0]: type_ for type_ in get_args(Event)}


async def find_lyon(_question: str, draft: str) -> list[Comment]:
    return [Comment(quote="Lyon", text="Wrong.", severity="high")] if "Lyon" in draft else []


def scripted() -> ScriptedModel:
    script: Any = {
        "generate": ["It is Lyon"],
        "classify": [0.9, 0.1],
        "critique": ["```\nLyon\n```\nIt is Paris."],
        "helpfulness": [0.8],
        "refine": ["It is Paris"],
    }
    return ScriptedModel(script=script)


def test_types_are_those_of_the_loop_and_tokens():
    assert set(TYPES) == {*get_args(StepEvent), "token"}


@pytest.mark.parametrize("scorer", ["helpfulness", lambda *_: [1.0]])
async def test_events_of_a_run_have_the_fields_of_their_type(scorer: Any):
    graph = create_self_critique(
        model=scripted(), num_critiques=1, checkers=[find_lyon], scorer=scorer
    ).compile()
    names = set()
    async for event in stream_answer(graph, {"question": "The capital?"}):
        names.add(event["event"])
        type_ = TYPES[event["event"]]
        TypeAdapter(type_).validate_python(event, strict=True, extra="forbid")
    assert names == set(TYPES)


def test_events_of_a_review_have_the_fields_of_their_type():
    graph = create_review(model=scripted(), num_critiques=1).compile()
    review_input: Any = {"question": "The capital?", "answer": "It is Lyon"}
    for event in graph.stream(review_input, stream_mode="custom"):
        TypeAdapter(TYPES[event["event"]]).validate_python(event, strict=True, extra="forbid")


def test_page_lists_every_field():
    table = PAGE.read_text("utf-8").partition("### Events\n")[2].partition("### Messages")[0]
    fields: dict[str, set[str]] = {}
    name = ""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 6 or cells[3] in ("field", "---"):
            continue
        name = cells[1].strip("`") or name
        fields.setdefault(name, set()).update(re.findall(r"`(\w+)`", cells[3].partition(":")[0]))
    del fields["all but `token"]
    for name, type_ in TYPES.items():
        assert fields[name] == set(get_type_hints(type_)) - {"event", "round"}, name


def test_a_message_without_text_is_not_a_question():
    graph = create_self_critique(model=scripted()).compile()
    image = HumanMessage([{"type": "image", "url": "https://example.org/a.png"}])
    with pytest.raises(InputError, match="An image alone is not a question"):
        graph.invoke({"messages": [image]})
