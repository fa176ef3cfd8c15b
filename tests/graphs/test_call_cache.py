import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.caches import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from typer.testing import CliRunner

from selfcritic.agent import Budget, Context, load
from selfcritic.agent.errors import InputError
from selfcritic.agent.sampling import cache as caches
from selfcritic.graphs import create_fsbs, create_self_critique, run_batch
from selfcritic.graphs.batch.run import Report
from selfcritic.graphs.cli.app import app

QUESTION = {"question": "Sort these words alphabetically: pear, fig, apple, plum, kiwi, date"}
MODEL = "simulated?seed=1&draft_error_rate=1&refine_error_rate=0.5"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "cache")
    caches.close_all()


def run_cli(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80"})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_a_run_from_the_cache_is_identical_and_sends_nothing(folder: str, search: str):
    graph = create_self_critique(model=load(MODEL), search=search, cache=folder).compile()
    first = graph.invoke(QUESTION)
    second = graph.invoke(QUESTION)
    assert second["rounds"] == first["rounds"]
    assert second["stop_reason"] == first["stop_reason"]
    assert first["usage"].calls > 3
    assert first["usage"].cached_calls < first["usage"].calls
    assert second["usage"].calls == 0
    assert second["usage"].cached_calls == first["usage"].calls + first["usage"].cached_calls


def test_a_search_from_the_cache_is_identical(folder: str):
    graph = create_fsbs(model=load(MODEL), cache=folder).compile()
    review = {**QUESTION, "answer": "fig, apple, plum, kiwi, date, pear"}
    first, second = (graph.invoke(review) for _ in range(2))
    assert second["rounds"] == first["rounds"]
    assert second["usage"].calls == 0


def test_cached_replies_are_streamed(folder: str):
    graph = create_self_critique(model=load(MODEL), cache=folder).compile()

    async def stream() -> dict[str, list[str]]:
        texts: dict[str, str] = {}
        roles: dict[str, list[str]] = {}
        async for message, metadata in graph.astream(QUESTION, stream_mode="messages"):
            texts[message.id] = texts.get(message.id, "") + message.text
            roles.setdefault(str(metadata["tags"]), []).append(message.id)
        return {
            tag: sorted({texts[identifier] for identifier in identifiers})
            for tag, identifiers in roles.items()
        }

    fresh = asyncio.run(stream())
    cached = asyncio.run(stream())
    assert "['selfcritic:critic']" in fresh
    assert cached == fresh


def test_a_resumed_run_counts_cached_calls_once(folder: str):
    graph = create_self_critique(model=load(MODEL), cache=folder).compile(
        checkpointer=InMemorySaver()
    )
    for thread in ("first", "second"):
        config = {"configurable": {"thread_id": thread}}
        asyncio.run(graph.ainvoke(QUESTION, config))
    usage = graph.get_state({"configurable": {"thread_id": "second"}}).values["usage"]
    assert usage.calls == 0
    assert usage.cached_calls == sum(role.cached_calls for role in usage.by_role.values()) > 3


def test_a_batch_counts_cached_calls_against_its_budget(folder: str, tmp_path: Path):
    graph = create_self_critique().compile()
    rows = [{"id": number, "question": f"What is {number} + 256?"} for number in range(100, 106)]
    reports: list[Report] = []
    for number, budget in enumerate([Budget(), Budget(), Budget(calls=9)]):
        report = asyncio.run(
            run_batch(
                graph,
                rows,
                context=Context(model=load(MODEL), cache=folder),
                ledger=tmp_path / f"{number}.sqlite",
                on_result=lambda _: None,
                budget=budget,
                concurrency=1,
            )
        )
        reports.append(report)
    first, second, limited = (report.usage for report in reports)
    assert second.calls == 0
    assert second.cached_calls == first.calls + first.cached_calls
    assert limited.cached_calls == 9
    assert reports[2].remaining > 0


def test_a_ledger_does_not_depend_on_the_cache(folder: str, tmp_path: Path):
    graph = create_self_critique().compile()
    for cache in (None, folder, InMemoryCache()):
        report = asyncio.run(
            run_batch(
                graph,
                [{"id": 1, "question": "What is 187 + 256?"}],
                context=Context(model="simulated?seed=1", cache=cache),
                ledger=tmp_path / "rows.sqlite",
                on_result=lambda _: None,
            )
        )
    assert report.resumed == 1


def test_an_unusable_folder_ends_a_run_before_its_first_request(tmp_path: Path):
    (tmp_path / "cache").write_text("x")
    graph = create_self_critique(model=load(MODEL), cache=tmp_path / "cache").compile()
    with pytest.raises(InputError, match="cannot be used"):
        graph.invoke(QUESTION)


def test_the_command_line_prints_sent_and_cached_calls_apart(folder: str):
    arguments = ("run", "What is 187 + 256?", "--model", "simulated?seed=1", "--cache", folder)
    code, answer, trace = run_cli(*arguments)
    assert code == 0
    assert "from the cache" not in trace
    code, cached_answer, trace = run_cli(*arguments)
    assert (code, cached_answer) == (0, answer)
    assert "0 calls and 2 from the cache, 0 tokens in, 0 out" in trace


@pytest.mark.parametrize("command", ["run", "batch"])
def test_the_command_line_explains_an_unusable_folder(tmp_path: Path, command: str):
    (tmp_path / "cache").write_text("x")
    (tmp_path / "rows.jsonl").write_text('{"question": "What is 1 + 2?"}')
    inputs = {
        "run": ["What is 1 + 2?"],
        "batch": [str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl")],
    }
    code, _, errors = run_cli(
        command, *inputs[command], "--model", "simulated", "--cache", str(tmp_path / "cache")
    )
    assert code == 2
    assert "--cache" in errors
    assert "Traceback" not in errors
