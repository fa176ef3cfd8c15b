"""Checkpoints save what is new, not the whole run each time."""

import asyncio
import itertools
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import open_checkpointer, serializer
from selfcritic.prompts import parse_prompt

THREAD: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 1_000}
QUESTION: Any = {"question": "What now?"}


def never_satisfied() -> ScriptedModel:
    """Script a judge that rejects each draft, and new words in each reply."""
    numbers = itertools.count()

    def reply(messages: list[BaseMessage]) -> str | float:
        name = parse_prompt(messages).name
        if name in ("classify", "helpfulness"):
            return 0.9
        if name == "critique":
            return f"```\ndraft\n```\nRemark {next(numbers)}: say what the reader should do."
        return f"This is draft {next(numbers)}. " + "It says what to do. " * 20

    return ScriptedModel(script=reply)


def build(rounds: int, saver: Any, critiques: int = 4, **options: Any) -> Any:
    builder = create_self_critique(
        model=never_satisfied(),
        num_critiques=critiques,
        max_rounds=rounds,
        patience=rounds + 1,
        **options,
    )
    return builder.compile(checkpointer=saver)


def saved_bytes(path: Path) -> int:
    """Return the bytes of all checkpoints and writes."""
    with closing(sqlite3.connect(path)) as connection:
        [checkpoints] = connection.execute("SELECT sum(length(checkpoint)) FROM checkpoints")
        [writes] = connection.execute("SELECT sum(length(value)) FROM writes")
        return int(checkpoints[0]) + int(writes[0])


def assert_linear(sizes: list[int]) -> None:
    """Compare the growth in the last third with that in the second third."""
    _, middle, last = (end - start for start, end in zip([0, *sizes], sizes, strict=False))
    assert last < 1.3 * middle, sizes


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_a_database_grows_linearly_with_the_rounds(search: str, tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    sizes = []

    async def run() -> None:
        async with open_checkpointer(str(path)) as saver:
            graph = build(15, saver, search=search, fsbs={"n": 2, "k": 1, "d": 2})
            async for update in graph.astream(QUESTION, THREAD, durability="sync"):
                if "refine" in update:
                    sizes.append(saved_bytes(path))

    asyncio.run(run())
    assert_linear(sizes[4::5])


def test_a_search_saves_no_critiques_of_earlier_rounds(tmp_path: Path):
    path = tmp_path / "runs.sqlite"

    async def run() -> Any:
        async with open_checkpointer(str(path)) as saver:
            graph = build(3, saver, search="fsbs", fsbs={"n": 2, "k": 1, "d": 2})
            return await graph.ainvoke(QUESTION, THREAD, durability="sync")

    output = asyncio.run(run())
    remarks_by_search: dict[str, set[bytes]] = {}
    query = "SELECT checkpoint_ns, checkpoint FROM checkpoints UNION ALL SELECT checkpoint_ns, value FROM writes"
    with closing(sqlite3.connect(path)) as connection:
        for namespace, blob in connection.execute(query):
            if namespace:
                remarks = remarks_by_search.setdefault(namespace, set())
                remarks.update(re.findall(rb"Remark \d+:", blob))
    saved = [remark for remarks in remarks_by_search.values() for remark in remarks]
    assert len(remarks_by_search) == 3
    assert len(set(saved)) == 3 * 4
    assert len(saved) == 3 * 4 + 2  # the last beam prefix of each earlier search
    assert [len(round_.critiques) for round_ in output["rounds"]] == [4, 4, 4, 0]
    assert [round_.index for round_ in output["rounds"]] == [0, 1, 2, 3]


def test_a_database_grows_linearly_with_the_turns_of_a_chat(tmp_path: Path):
    path = tmp_path / "chat.sqlite"
    sizes = []

    async def run() -> None:
        async with open_checkpointer(str(path)) as saver:
            graph = build(1, saver, critiques=1)
            for turn in range(24):
                question = HumanMessage(f"Question {turn}? " + "word " * 200)
                await graph.ainvoke({"messages": [question]}, THREAD, durability="sync")
                sizes.append(saved_bytes(path))
            messages = (await graph.aget_state(THREAD)).values["messages"]
            assert len(messages) == 2 * len(sizes)

    asyncio.run(run())
    assert_linear(sizes[7::8])


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("turns", [1, 3])
def test_saved_state_is_the_output(durability: Any, turns: int, tmp_path: Path):
    async def run(saver: Any) -> None:
        graph = build(3, saver)
        output: Any = {}
        for turn in range(turns):
            messages = {"messages": [HumanMessage(f"Question {turn}?")]}
            output = await graph.ainvoke(messages, THREAD, durability=durability)
        saved = (await build(3, saver).aget_state(THREAD)).values
        assert {key: saved[key] for key in output} == output
        assert [round_.index for round_ in saved["rounds"]] == [0, 1, 2, 3]
        assert len(saved["messages"]) == 2 * turns

    async def run_on_both() -> None:
        await run(InMemorySaver(serde=serializer()))
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "s.sqlite")) as saver:
            await run(saver)

    asyncio.run(run_on_both())


def test_saved_state_is_the_output_of_a_sync_run(tmp_path: Path):
    with SqliteSaver.from_conn_string(str(tmp_path / "s.sqlite")) as saver:
        output = build(2, saver).invoke(QUESTION, THREAD)
        saved = build(2, saver).get_state(THREAD).values
    assert {key: saved[key] for key in output} == output


def _drop_the_first(rounds: list[Any]) -> list[Any]:
    return [round_.model_copy(update={"index": None}) for round_ in rounds[1:]]


def _judge_the_last(rounds: list[Any]) -> list[Any]:
    return [rounds[-1].model_copy(update={"p_critiqueable": 0.25})]


@pytest.mark.parametrize("edit", [_drop_the_first, _judge_the_last])
def test_an_edited_state_replaces_rounds_from_the_first_index_on(
    edit: Callable[[list[Any]], list[Any]],
):
    graph = build(2, InMemorySaver(serde=serializer()))
    rounds = graph.invoke(QUESTION, THREAD)["rounds"]
    graph.update_state(THREAD, {"rounds": edit(rounds)}, as_node="classify")
    saved = graph.get_state(THREAD).values["rounds"]
    if edit is _drop_the_first:
        assert [round_.answer for round_ in saved] == [round_.answer for round_ in rounds[1:]]
    else:
        assert saved[:-1] == rounds[:-1]
        assert saved[-1].p_critiqueable == 0.25


def test_an_edited_state_of_an_unfinished_run_continues():
    graph = build(2, InMemorySaver(serde=serializer()))
    graph.invoke(QUESTION, THREAD, interrupt_after=["classify"])
    rounds = graph.get_state(THREAD).values["rounds"]
    edited = [rounds[0].model_copy(update={"answer": "This is an edited draft."})]
    graph.update_state(THREAD, {"rounds": edited}, as_node="classify")
    assert graph.get_state(THREAD).next == ("critique",)
    output = graph.invoke(None, THREAD)
    assert output["rounds"][0].answer == "This is an edited draft."
    assert len(output["rounds"]) == 3


def test_an_earlier_checkpoint_has_its_own_rounds():
    graph = build(3, InMemorySaver(serde=serializer()))
    output = graph.invoke(QUESTION, THREAD)
    counts = []
    for snapshot in graph.get_state_history(THREAD):
        rounds = snapshot.values.get("rounds", [])
        counts.append(len(rounds))
        expected = [round_.answer for round_ in output["rounds"][: len(rounds)]]
        assert [round_.answer for round_ in rounds] == expected
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (4, 0)
