"""Every graph and command on a real language model, `local:smollm2`, offline.

The model is too small to criticize well, so the tests check how its replies are handled: verdicts are read, token
counts equal llama.cpp's, truncated replies are not accepted, and no thinking gets into an answer.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from typer.testing import CliRunner

from selfcritic.agent import Budget, Context, Critique, Round, Usage
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.selection import is_usable
from selfcritic.agent.errors import ModelError
from selfcritic.agent.models.llama_cpp import LlamaCppModel
from selfcritic.graphs import (
    create_best_of_n,
    create_human_review,
    create_review,
    create_self_critique,
    run_batch,
)
from selfcritic.graphs.checkpoints import serializer
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.middleware import SelfCritiqueMiddleware
from tests.support.local_model import (
    SPEC,
    EngineTokens,
    engine_tokens,
    local_model,
    requires_local_model,
)
from tests.support.local_run import OPTIONS, QUESTION

pytestmark = requires_local_model

ANSWER = "The capital of Australia is Sydney. It was founded in 1913."
REVIEW_INPUT: Any = {"question": QUESTION, "answer": ANSWER}
REVIEW_OPTIONS: dict[str, Any] = {"num_critiques": 2, "allow_ungrounded": True, "seed": 1}
TAG = re.compile(r"</?think", re.IGNORECASE)


@pytest.fixture(scope="module")
def model() -> LlamaCppModel:
    """Return a model that replies with one sentence, so that its replies are seldom truncated."""
    return local_model(stop=["."])


@contextmanager
def counting(model: LlamaCppModel) -> Iterator[list[Usage]]:
    """Check that the usages that the body appends add up to llama.cpp's own count."""
    before = engine_tokens(model)
    usages: list[Usage] = []
    yield usages
    counted = engine_tokens(model).since(before)
    evaluated = sum(usage.input_tokens - usage.cached_tokens for usage in usages)
    generated = sum(usage.output_tokens for usage in usages)
    assert EngineTokens(evaluated, generated) == counted
    assert all(usage.cost_usd == 0.0 for usage in usages)
    assert all(usage.estimated_tokens == 0 for usage in usages)


def check_rounds(output: Any) -> list[Round]:
    """Check that verdicts were read and that no truncated draft was accepted; return the rounds."""
    rounds: list[Round] = output["rounds"]
    assert output["stop_reason"] not in {"judge_unreadable", "model_error", "budget"}
    for round_ in rounds:
        if (
            output["stop_reason"] not in {"truncated", "repeated_answer"}
            or round_ is not rounds[-1]
        ):
            check_verdict(round_.p_critiqueable, round_)
        check_critiques(round_.critiques)
    assert not TAG.search(output["answer"])
    best = rounds[output["best_round"]]
    assert output["answer"] == best.answer
    if output["stop_reason"] == "accepted":
        assert not best.is_truncated
    if not all(round_.is_truncated for round_ in rounds):
        assert not best.is_truncated
    return rounds


def check_critiques(critiques: list[Critique]) -> None:
    for critique in critiques:
        assert not TAG.search(critique.text)
        if critique.helpfulness is not None:
            check_verdict(critique.helpfulness, critique)


def check_verdict(probability: float | None, judged: Round | Critique) -> None:
    assert probability is not None
    assert judged.judged_by in {"logprobs", "votes"}
    if judged.judged_by == "votes":
        assert judged.votes_read


def test_loop(model: LlamaCppModel):
    graph = create_self_critique(model=model, **OPTIONS).compile()
    with counting(model) as usages:
        output = graph.invoke({"question": QUESTION})
        usages.append(output["usage"])
    rounds = check_rounds(output)
    assert len(rounds) == 2
    assert len(rounds[0].critiques) == 2
    assert sum(critique.selected for critique in rounds[0].critiques) == 1
    assert output["capabilities"]["critic"].n == "native"
    judged: list[Round | Critique] = [*rounds, *rounds[0].critiques]
    methods = [record.judged_by for record in judged]
    assert set(methods) <= {"logprobs", None}
    # One request for each verdict; another one if the first token of a reply was markup.
    judge = output["usage"].by_role["judge"]
    assert judge.calls <= methods.count("logprobs") + 1


def test_direct_refinement(model: LlamaCppModel):
    options = {**OPTIONS, "refinement": "direct"}
    graph = create_self_critique(model=model, **options).compile()
    with counting(model) as usages:
        output = graph.invoke({"question": QUESTION})
        usages.append(output["usage"])
    rounds = check_rounds(output)
    assert len(rounds) == 2
    assert rounds[0].critiques == []


@pytest.mark.slow
def test_critiques_during_the_verdict(model: LlamaCppModel):
    graph = create_self_critique(model=model, speculative=True, **OPTIONS).compile()
    with counting(model) as usages:
        output = asyncio.run(graph.ainvoke({"question": QUESTION}))
        usages.append(output["usage"])
    assert len(check_rounds(output)[0].critiques) == 2


def test_best_of_n(model: LlamaCppModel):
    graph = create_best_of_n(model=model, num_drafts=3, seed=1).compile()
    with counting(model) as usages:
        output = graph.invoke({"question": QUESTION})
        usages.append(output["usage"])
    [round_] = check_rounds(output)
    assert len(round_.candidates) == 3
    judged = [(draft.is_truncated, draft.p_critiqueable) for draft in round_.candidates]
    assert all(probability is not None for _, probability in judged)
    assert (round_.is_truncated, round_.p_critiqueable) == min(judged)


@pytest.mark.slow
def test_truncated_draft_is_sampled_again_and_not_accepted():
    class LongWinded(LlamaCppModel):
        def _job(self, messages: Any, stop: Any, options: Any, on_delta: Any = None) -> Any:
            grammar = 'root ::= "one two three four five six seven eight nine ten"'
            return super()._job(messages, None, {**options, "grammar": grammar}, on_delta)

    model = local_model()
    generator = LongWinded(
        model="smollm2", n_ctx=model.n_ctx, slots=model.slots, threads=1, max_tokens=2
    )
    options = {**OPTIONS, "accept_threshold": 1.0}
    graph = create_self_critique(model=model, generator=generator, **options).compile()
    output = graph.invoke({"question": "Count from one to ten in words."})
    assert output["rounds"][0].is_truncated
    assert output["rounds"][0].answer.startswith("one two")  # twice the limit of two tokens
    assert output["stop_reason"] != "accepted" or output["best_round"] > 0
    assert output["usage"].by_role["generator"].calls == 2
    check_critiques(output["rounds"][0].critiques)


@pytest.mark.slow
def test_thinking_of_a_reply_is_not_in_the_answer(model: LlamaCppModel):
    class Thinking(LlamaCppModel):
        def _job(self, messages: Any, stop: Any, options: Any, on_delta: Any = None) -> Any:
            grammar = 'root ::= "<think>\\nI see no flaw\\n</think>\\n\\n" ("Yes" | "No")'
            return super()._job(messages, None, {**options, "grammar": grammar}, on_delta)

    thinking = Thinking(model="smollm2", n_ctx=model.n_ctx, slots=model.slots, threads=1)
    graph = create_self_critique(model=thinking, **OPTIONS).compile()

    async def stream() -> tuple[str, Any]:
        text = ""
        output: Any = None
        events = graph.astream({"question": QUESTION}, stream_mode=["messages", "values"])
        async for mode, event in events:
            if mode == "messages":
                text += event[0].text
            else:
                output = event
        return text, output

    text, output = asyncio.run(stream())
    assert output["answer"] in {"Yes", "No"}
    assert not TAG.search(text)
    rounds = check_rounds(output)
    assert output["capabilities"]["judge"].reasoning
    assert rounds[0].judged_by == "logprobs"


def test_beam_search_with_prefill(model: LlamaCppModel):
    fsbs = {"n": 2, "k": 1, "d": 2}
    graph = create_review(model=model, search="fsbs", fsbs=fsbs, seed=1).compile()
    with counting(model) as usages:
        output = graph.invoke(REVIEW_INPUT)
        usages.append(output["usage"])
    assert output["capabilities"]["critic"].prefill == "native"
    critiques = output["rounds"][0].critiques
    assert critiques
    assert all(critique.text.startswith("```") for critique in critiques)
    check_critiques(critiques)


def test_review(model: LlamaCppModel):
    graph = create_review(model=model, **REVIEW_OPTIONS).compile()
    with counting(model) as usages:
        output = graph.invoke(REVIEW_INPUT)
        usages.append(output["usage"])
    assert output["stop_reason"] == "reviewed"
    critiques = output["rounds"][0].critiques
    assert len(critiques) == 2
    for critique in critiques:  # a sampled quote may be missing from the answer
        is_scored = critique.helpfulness is not None
        has_text = critique_text(critique) != ""  # a sampled reply may be an empty quotation
        assert is_scored == (has_text and is_usable(critique, allow_ungrounded=True))
    check_critiques(critiques)


@pytest.mark.slow
def test_human_review(model: LlamaCppModel):
    saver = InMemorySaver(serde=serializer())
    graph = create_human_review(model=model, **REVIEW_OPTIONS).compile(checkpointer=saver)
    thread: Any = {"configurable": {"thread_id": "t"}}
    added = {"type": "add", "quote": "Sydney", "text": "It is Canberra."}
    with counting(model) as usages:
        output = graph.invoke(REVIEW_INPUT, thread)
        assert "__interrupt__" in output
        output = graph.invoke(Command(resume={"actions": [added], "next": "refine"}), thread)
        usages.append(output["usage"])
    assert output["stop_reason"] in ("reviewed", "repeated_answer")
    assert not TAG.search(output["answer"])


@pytest.mark.slow
def test_batch(model: LlamaCppModel, tmp_path: Path):
    rows = [{"id": "1", "question": QUESTION}, {"id": "2", "question": "法国的首都是哪里？"}]
    graph = create_self_critique().compile()
    results: list[Any] = []

    def run() -> Any:
        batch = run_batch(
            graph,
            rows,
            context=Context(model=model, **OPTIONS),
            ledger=tmp_path / "ledger.sqlite",
            on_result=results.append,
        )
        return asyncio.run(batch)

    with counting(model) as usages:
        report = run()
        usages.append(report.usage)
    assert report.finished == 2
    for result in results:
        assert result["stop_reason"] not in {"judge_unreadable", "model_error"}
        assert result["p_critiqueable"] is not None
    with counting(model):
        assert run().resumed == 2  # and nothing is requested


@pytest.mark.parametrize("synchronous", [pytest.param(True, marks=pytest.mark.slow), False])
def test_middleware_of_an_agent(model: LlamaCppModel, synchronous: bool):
    middleware = SelfCritiqueMiddleware(model=model, **OPTIONS)
    agent: Any = create_agent(model, [], middleware=[middleware])
    state = {"messages": [HumanMessage(QUESTION)]}
    output = agent.invoke(state) if synchronous else asyncio.run(agent.ainvoke(state))
    inner = output["self_critique"]
    check_rounds(inner)
    assert output["messages"][-1].text == inner["answer"]


@pytest.mark.slow
def test_stream_has_tokens_and_events(model: LlamaCppModel):
    graph = create_self_critique(model=model, **OPTIONS).compile()
    pieces: dict[str, list[str]] = {}
    events: list[str] = []
    output: Any = None

    async def stream() -> None:
        nonlocal output
        modes = ["messages", "custom", "values"]
        async for mode, event in graph.astream({"question": QUESTION}, stream_mode=modes):
            if mode == "messages":
                chunk, metadata = event
                if isinstance(chunk, AIMessageChunk) and chunk.text:
                    pieces.setdefault(metadata["langgraph_node"], []).append(chunk.text)
            elif mode == "custom":
                events.append(event["event"])
            else:
                output = event

    with counting(model) as usages:
        asyncio.run(stream())
        usages.append(output["usage"])
    check_rounds(output)
    assert {"draft", "judged"} <= set(events)
    assert len(pieces["generate"]) > 1
    first_answer = output["rounds"][0].answer
    assert "".join(pieces["generate"]).strip().endswith(first_answer)


def test_loading_and_generating_do_not_block_the_event_loop():
    spec = "local:smollm2?n_ctx=1024&slots=1&threads=1&max_tokens=8"
    graph = create_self_critique(model=spec, num_critiques=2, max_rounds=0).compile()
    with blockbuster_ctx(["selfcritic.agent", "selfcritic.graphs"]):
        output = asyncio.run(graph.ainvoke({"question": QUESTION}))
    assert output["p_critiqueable"] is not None


def test_budget_is_exact(model: LlamaCppModel):
    graph = create_self_critique(model=model, budget=Budget(calls=3), **OPTIONS).compile()
    with counting(model) as usages:
        output = graph.invoke({"question": QUESTION})
        usages.append(output["usage"])
    assert (output["stop_reason"], output["usage"].calls) == ("budget", 3)
    assert output["answer"]


def test_time_limit_stops_a_request():
    endless = local_model(max_tokens=1900, stop=None)
    budget = Budget(seconds=1)
    graph = create_review(model=endless, budget=budget, **REVIEW_OPTIONS).compile()
    before = engine_tokens(endless)
    output = graph.invoke(REVIEW_INPUT)
    assert output["stop_reason"] == "budget"
    assert engine_tokens(endless).since(before).generated < 1900


def test_question_that_is_too_long_names_n_ctx(model: LlamaCppModel):
    graph = create_self_critique(model=model, **OPTIONS).compile()
    with pytest.raises(ModelError, match="n_ctx=2048"):
        graph.invoke({"question": "word " * 2100})


def test_review_of_a_text_that_is_too_long_rejects_no_parameter(model: LlamaCppModel):
    graph = create_review(model=model, **REVIEW_OPTIONS).compile()
    output = graph.invoke({"question": QUESTION, "answer": "word " * 2100})
    assert output["stop_reason"] == "model_error"
    assert "n_ctx=2048" in str(output["error"])
    assert output["capabilities"]["critic"].rejected == []


def invoke_cli(*arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments])


@pytest.mark.slow
def test_run_command(model: LlamaCppModel):
    with counting(model) as usages:
        done = invoke_cli(
            "run", QUESTION, "--model", SPEC, "--num-critiques", "2", "--max-rounds", "1",
            "--accept-threshold", "0", "--seed", "1", "--json", "--quiet",
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        output = json.loads(done.stdout)
        usages.append(Usage(**output["usage"]))
    assert output["stop_reason"] not in {"judge_unreadable", "model_error"}
    assert output["rounds"][0]["judged_by"] == "logprobs"
    assert not TAG.search(done.stdout)


def test_review_command(model: LlamaCppModel, tmp_path: Path):
    path = tmp_path / "mean.py"
    path.write_text("def mean(numbers):\n    return sum(numbers) / len(numbers)\n")
    done = invoke_cli(
        "review", str(path), "--model", SPEC, "--num-critiques", "2", "--seed", "1", "--json"
    )
    assert done.exit_code == 0, done.stderr
    assert "mean.py" in done.stdout


@pytest.mark.slow
def test_batch_command(tmp_path: Path):
    rows = tmp_path / "in.jsonl"
    rows.write_text(json.dumps({"id": "1", "question": QUESTION}) + "\n")
    results = tmp_path / "out.jsonl"
    done = invoke_cli(
        "batch", str(rows), str(results), "--model", SPEC, "--num-critiques", "2",
        "--max-rounds", "1", "--seed", "1", "--quiet",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    [result] = [json.loads(line) for line in results.read_text().splitlines()]
    assert result["id"] == "1"
    assert result["stop_reason"] not in {"judge_unreadable", "model_error"}


def start_run(folder: Path) -> "subprocess.Popen[str]":
    paths = [str(folder / name) for name in ("runs.sqlite", "log.txt", "result.json")]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.local_run", *paths],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_log(folder: Path) -> list[tuple[str, str]]:
    path = folder / "log.txt"
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [(line.split()[0], line.split()[1]) for line in lines]


@pytest.mark.slow
def test_killed_run_requests_nothing_twice(tmp_path: Path):
    with start_run(tmp_path) as process:
        deadline = time.monotonic() + 100
        while (
            len(read_log(tmp_path)) < 5
        ):  # the critiques are requested: draft and verdict are saved
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate()
    before = read_log(tmp_path)
    saved = {key for event, key in before if event == "done"}
    assert len(saved) >= 2
    with start_run(tmp_path) as process:
        output, error = process.communicate(timeout=100)
    assert (process.returncode, output, error) == (0, "", "")
    resumed = read_log(tmp_path)[len(before) :]
    assert not saved & {key for _, key in resumed}
    num_done = sum(event == "done" for event, _ in [*before, *resumed])
    num_sent = sum(event != "done" for event, _ in [*before, *resumed])
    usage = json.loads((tmp_path / "result.json").read_text())
    assert num_done <= usage["calls"] <= num_sent  # the requests in flight count
