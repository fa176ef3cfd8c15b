"""Only the first step of a resumed run reads the saved charges."""

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.nodes.refine import refine
from selfcritic.agent.sampling import charges
from selfcritic.graphs import create_self_critique
from selfcritic.prompts import parse_prompt


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    journals: list[Any] = []
    load = charges.ChargeJournal.load

    async def count(self: charges.ChargeJournal) -> None:
        journals.append(self)
        await load(self)

    monkeypatch.setattr(charges.ChargeJournal, "load", count)
    return journals


@pytest.mark.parametrize("limit", [None, 24, 25, 26, 60])
@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_only_the_first_step_of_a_resumed_run_reads_charges(
    limit: int | None, search: Any, reads: list[Any]
):
    is_broken = True

    async def refine_if_not_broken(state: Any, runtime: Any) -> Any:
        if is_broken:
            raise ZeroDivisionError
        return await refine(state, runtime)

    def reply(messages: Any) -> Any:
        prompt = parse_prompt(messages)
        if prompt.name in ("classify", "helpfulness"):
            return 0.9
        if prompt.name == "critique":
            return "```\nLyon\n```\nIt is not Lyon."
        return "Lyon"

    fsbs: Any = {"d": 1, "n": 1, "k": 1}
    graph = create_self_critique(
        model=ScriptedModel(script=reply),
        num_critiques=1,
        max_rounds=1,
        search=search,
        fsbs=fsbs,
        nodes={"refine": refine_if_not_broken},
    ).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    if limit is not None:
        config["recursion_limit"] = limit
    with pytest.raises(ZeroDivisionError):
        graph.invoke({"question": "Which city?"}, config)
    assert reads == []
    is_broken = False
    output = graph.invoke(None, config)
    assert output["stop_reason"] == "repeated_answer"
    assert len(reads) == 1
