"""The graphs in LangGraph's dev server, started by `make studio` and used through the SDK, as Studio does."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_sync_client

from selfcritic.agent.context import Context
from tests.support.fake_provider import FakeProvider
from tests.support.provider_loop import KEY, reply

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GRAPHS = sorted(json.loads((ROOT / "langgraph.json").read_text())["graphs"])
RUN_GRAPHS = [graph for graph in GRAPHS if graph != "tamper"]
"""Graphs that take a question."""
QUESTION = {"question": "What is 128 + 256?"}
MODEL = "simulated?draft_error_rate=1&miss_rate=0&false_alarm_rate=0&judge_error_rate=0&refine_error_rate=0&seed=29"
"""Makes an error in its first draft and none later."""
UNBOUNDED = {"seed", "length_modifier"}
"""Options that accept any number."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the server in a new folder without threads; at the end, check that no node blocked it."""
    if not (ROOT / ".venv" / "bin" / "langgraph").exists():
        pytest.skip("`make studio` needs .venv: run `make` first")
    folder = tmp_path_factory.mktemp("studio")
    for name in ("langgraph.json", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("LANG", "MAKE"))
    }
    port = free_port()
    make_options = ["--makefile", str(ROOT / "Makefile"), "--old-file", ".venv/ready"]
    command = ["make", *make_options, "studio", f"PORT={port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_up(address, process, folder / "log")
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            wait_for_exit(process)
    assert "Blocking call" not in (folder / "log").read_text()


def wait_for_exit(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the server, and kill it if its reloader hangs after the server has exited."""
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with get_sync_client(url=url) as client:
        yield client


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/ok")  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"The server did not start:\n{log.read_text()}")


def question_for(schemas: Any) -> dict[str, str]:
    """Return the question, with an answer if the graph takes one."""
    if "answer" in schemas["input_schema"]["properties"]:
        return {**QUESTION, "answer": "374"}
    return QUESTION


def default_assistant(client: Any, graph: str) -> str:
    [assistant] = client.assistants.search(graph_id=graph, metadata={"created_by": "system"})
    return assistant["assistant_id"]


def test_serves_every_graph_under_its_name(client: Any):
    assert sorted(assistant["graph_id"] for assistant in client.assistants.search()) == GRAPHS


def test_schema_has_titles_descriptions_bounds_and_nodes_of_options(client: Any):
    ids = [default_assistant(client, graph) for graph in GRAPHS]
    nodes = {str(node["id"]) for id_ in ids for node in client.assistants.get_graph(id_)["nodes"]}
    for schema in (client.assistants.get_schemas(id_)["context_schema"] for id_ in ids):
        assert schema["properties"].keys() == Context.model_fields.keys()
        for name, option in options_of(schema):
            assert option["title"], name
            assert option["description"], name
            assert name in UNBOUNDED or is_bounded(option), name
            assert set(option.get("langgraph_nodes", [])) <= nodes, name
        num_critiques = schema["properties"]["num_critiques"]
        assert num_critiques["langgraph_nodes"] == ["critique"]
        assert (num_critiques["minimum"], num_critiques["maximum"]) == (1, 256)


def options_of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every option, including those of the budget and the retries."""
    definitions = schema["$defs"]
    for owner in (schema, definitions["Budget"], definitions["Retries"]):
        for name, option in owner["properties"].items():
            definition = {}
            if "$ref" in option:
                definition = definitions[option["$ref"].rsplit("/", 1)[-1]]
            yield name, {**definition, **option}


def is_bounded(option: dict[str, Any]) -> bool:
    types = [option, *option.get("anyOf", [])]
    numbers = [schema for schema in types if schema.get("type") in ("integer", "number")]
    return all("minimum" in number or "exclusiveMinimum" in number for number in numbers)


@pytest.mark.parametrize("graph", RUN_GRAPHS)
def test_runs_and_streams_each_graph(client: Any, graph: str):
    schemas = client.assistants.get_schemas(default_assistant(client, graph))
    thread = client.threads.create()["thread_id"]
    modes: list[Any] = ["updates", "custom", "messages-tuple"]
    run = {"input": question_for(schemas), "context": {"model": MODEL}}
    parts = list(client.runs.stream(thread, graph, **run, stream_mode=modes))
    assert not [part.data for part in parts if part.event == "error"]
    assert {"updates", "custom", "messages"} <= {part.event for part in parts}
    final_thread = client.threads.get(thread)
    values = final_thread["values"]
    assert final_thread["status"] == ("interrupted" if graph == "human_review" else "idle")
    assert values["stop_reason"] in (None, "accepted", "max_rounds", "reviewed")
    assert values["rounds"][0]["answer"] == "374"
    assert values["usage"]["calls"] > 1


def test_tampers_with_an_answer(client: Any):
    record = {
        "id": "larger",
        "task": "larger",
        "question": "Return the larger number.",
        "answer": "def larger(a, b):\n    if a < b:\n        return b\n    return a\n",
        "language": "python",
        "metadata": {"tests": "assert larger(1, 2) == 2\nassert larger(3, 2) == 3\n"},
    }
    out = client.runs.wait(None, "tamper", input={"record": record}, context={"model": MODEL})
    [bug] = out["result"]["bugs"]
    assert bug["quote"] in out["result"]["answer"]
    assert out["counts"]["silent"] >= 1
    assert out["usage"]["calls"] == 0


@pytest.mark.parametrize(
    ("run_input", "message"),
    [({"seed": 1}, "`record` is required"), ({"record": {}}, "`record` is not an answer record")],
)
def test_tamper_reports_unsuitable_input(client: Any, run_input: dict[str, Any], message: str):
    out = client.runs.wait(None, "tamper", input=run_input, raise_error=False)
    assert message in out["__error__"]["message"]


def test_assistant_changes_the_options(client: Any):
    assistant = client.assistants.create(
        "self_critique", context={"model": MODEL, "num_critiques": 3}
    )["assistant_id"]
    before = client.runs.wait(None, assistant, input=QUESTION)
    client.assistants.update(assistant, context={"model": MODEL, "num_critiques": 5})
    after = client.runs.wait(None, assistant, input=QUESTION)
    assert [len(out["rounds"][0]["critiques"]) for out in (before, after)] == [3, 5]
    assert before["answer"] == after["answer"] == "384"


def test_reports_an_option_out_of_bounds(client: Any):
    out = client.runs.wait(
        None, "self_critique", input=QUESTION, context={"num_critiques": 0}, raise_error=False
    )
    assert "num_critiques" in out["__error__"]["message"]


def test_default_model_replies_to_anything(client: Any):
    context = {
        "max_rounds": 1,
        "num_critiques": 2,
        "max_output_tokens": {"generator": 32, "critic": 64, "refiner": 32},
    }
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    out = client.runs.wait(None, "self_critique", input=chat, context=context)
    assert out["rounds"][0]["answer"]
    assert out["stop_reason"] != "invalid_input"


@pytest.mark.parametrize("graph", RUN_GRAPHS)
def test_unsuitable_input_ends_as_a_result(client: Any, graph: str):
    inputs: list[dict[str, Any]] = [{"question": ""}]
    if "review" not in graph and graph != "fsbs":
        inputs.append({"question": "hi"})
    for run_input in inputs:
        out = client.runs.wait(None, graph, input=run_input, context={"model": MODEL})
        assert out["stop_reason"] == "invalid_input"
        assert out["error"]


def test_missing_key_ends_as_a_result(client: Any):
    context = {"model": "openai/gpt-5-mini", "retries": {"tries": 1}}
    out = client.runs.wait(None, "self_critique", input=QUESTION, context=context)
    assert out["stop_reason"] == "model_error"
    assert "OPENAI_API_KEY" in out["error"]
    assert out["messages"][-1]["content"] == out["error"]


def test_editing_a_draft_forks_the_run(client: Any):
    thread = client.threads.create()["thread_id"]
    first = client.runs.wait(thread, "self_critique", input=QUESTION, context={"model": MODEL})
    before = client.threads.get_history(thread, limit=100)
    nodes = [node for state in reversed(before) for node in state["next"]]
    assert nodes == [
        "__start__",
        "generate",
        "classify",
        "critique",
        "select",
        "refine",
        "classify",
    ]

    judging = next(state for state in reversed(before) if state["next"] == ["classify"])
    edited = {"rounds": [{**judging["values"]["rounds"][0], "answer": "984"}]}
    fork = client.threads.update_state(thread, edited, checkpoint=judging["checkpoint"])[
        "checkpoint"
    ]
    second = client.runs.wait(
        thread, "self_critique", input=None, checkpoint=fork, context={"model": MODEL}
    )
    assert [draft["answer"] for draft in first["rounds"]] == ["374", "384"]
    assert [draft["answer"] for draft in second["rounds"]] == ["984", "384"]
    [selected] = [critique for critique in second["rounds"][0]["critiques"] if critique["selected"]]
    assert [comment["quote"] for comment in selected["comments"]] == ["9"]

    after = client.threads.get_history(thread, limit=100)
    [edit] = [state for state in after if state["metadata"]["source"] == "update"]
    assert edit["parent_checkpoint"]["checkpoint_id"] == judging["checkpoint"]["checkpoint_id"]
    assert [state["checkpoint"] for state in before] == [state["checkpoint"] for state in after][
        -len(before) :
    ]


def test_provider_requests_do_not_block(client: Any):
    with FakeProvider(reply) as provider:
        context = {"model": f"openai/any?api_base={provider.url}&api_key={KEY}", "max_rounds": 1}
        out = client.runs.wait(None, "self_critique", input=QUESTION, context=context)
        assert out["usage"]["calls"] == provider.calls() > 0
    assert out["stop_reason"] == "max_rounds"


def test_human_review_waits_for_a_decision_and_applies_it(client: Any):
    thread = client.threads.create()["thread_id"]
    review_input = {**QUESTION, "answer": "984"}
    state = client.runs.wait(thread, "human_review", input=review_input, context={"model": MODEL})
    [interrupt] = state["__interrupt__"]
    assert client.threads.get(thread)["status"] == "interrupted"
    assert client.threads.get_state(thread)["next"] == ["await_decision"]
    assert [comment["before"]["quote"] for comment in interrupt["value"]["comments"]] == ["9"]

    decision = {
        "actions": [
            {"type": "remove", "id": interrupt["value"]["comments"][0]["id"]},
            {"type": "add", "quote": "9", "text": "The hundreds digit should be 3."},
        ],
        "next": "refine",
    }
    out = client.runs.wait(
        thread, "human_review", command={"resume": decision}, context={"model": MODEL}
    )
    assert client.threads.get(thread)["status"] == "idle"
    assert (out["stop_reason"], out["decision"], out["answer"]) == ("reviewed", "refine", "384")
    assert [label["action"] for label in out["labels"]] == ["removed", "added"]


def test_checkers_do_not_block(client: Any):
    schema = client.assistants.get_schemas(default_assistant(client, "review"))["context_schema"]
    names = schema["properties"]["checkers"]["items"]["enum"]
    review_input = {
        "question": "Write a Python function f(xs). Return the sum plus 2.",
        "answer": "def f(xs):\n    return sum(ys",
    }
    context = {"model": MODEL, "task_type": "code", "checkers": names}
    out = client.runs.wait(None, "review", input=review_input, context=context)
    assert "syntax" in {finding["source"] for finding in out["rounds"][0]["findings"]}
