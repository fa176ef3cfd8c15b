"""The graphs in LangGraph's dev server, as `make studio` starts it, by the SDK: what Studio does, without its page."""

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
QUESTION = {"question": "What is 128 + 256?"}
MODEL = "simulated?draft_error_rate=1&miss_rate=0&false_alarm_rate=0&judge_error_rate=0&refine_error_rate=0&seed=2"
"""Errs in its first draft, and never after it."""
UNBOUNDED = {"seed", "length_modifier"}
"""Any number will do."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a folder of its own, so that nobody's threads are in it; no node may have blocked it at the end."""
    if not (ROOT / ".venv" / "bin" / "langgraph").exists():
        pytest.skip("`make studio` works in .venv, which `make` sets up and which is not there")
    folder = tmp_path_factory.mktemp("studio")
    for name in ("langgraph.json", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "MAKE"))}
    as_installed = ["--makefile", str(ROOT / "Makefile"), "--old-file", ".venv/ready"]
    command = ["make", *as_installed, "studio", f"PORT={(port := free_port())}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until_up(address := f"http://127.0.0.1:{port}", process, folder / "log")
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            end(process)
    assert "Blocking call" not in (folder / "log").read_text()


def end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the server; its reloader has been seen to sleep for good once the server below it had ended."""
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
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/ok")  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"The server has not come up:\n{log.read_text()}")


def question_for(schemas: Any) -> dict[str, str]:
    """The question, with an answer to it where the graph takes one."""
    takes_an_answer = "answer" in schemas["input_schema"]["properties"]
    return {**QUESTION, "answer": "374"} if takes_an_answer else QUESTION


def default_assistant(client: Any, graph: str) -> str:
    [assistant] = client.assistants.search(graph_id=graph, metadata={"created_by": "system"})
    return assistant["assistant_id"]


def test_every_graph_is_served_under_its_name(client: Any):
    assert sorted(assistant["graph_id"] for assistant in client.assistants.search()) == GRAPHS


def test_options_show_titles_descriptions_bounds_and_their_nodes(client: Any):
    ids = [default_assistant(client, graph) for graph in GRAPHS]
    nodes = {str(node["id"]) for id_ in ids for node in client.assistants.get_graph(id_)["nodes"]}
    for schema in (client.assistants.get_schemas(id_)["context_schema"] for id_ in ids):
        assert schema["properties"].keys() == Context.model_fields.keys()
        for name, option in options_of(schema):
            assert option["title"], name
            assert option["description"], name
            assert name in UNBOUNDED or is_bounded(option), name
            assert set(option.get("langgraph_nodes", [])) <= nodes, name
        assert schema["properties"]["critiques"]["langgraph_nodes"] == ["critique"]
        assert (schema["properties"]["critiques"]["minimum"], schema["properties"]["critiques"]["maximum"]) == (1, 256)


def options_of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option, those within the budget and the retries too."""
    for part in (schema, *(schema["$defs"][name] for name in ("Budget", "Retries"))):
        for name, option in part["properties"].items():
            referred = schema["$defs"][option["$ref"].rsplit("/", 1)[-1]] if "$ref" in option else {}
            yield name, {**referred, **option}


def is_bounded(option: dict[str, Any]) -> bool:
    kinds = [option, *option.get("anyOf", [])]
    numbers = [kind for kind in kinds if kind.get("type") in ("integer", "number")]
    return all("minimum" in number or "exclusiveMinimum" in number for number in numbers)


@pytest.mark.parametrize("graph", GRAPHS)
def test_each_graph_runs_and_streams(client: Any, graph: str):
    schemas = client.assistants.get_schemas(default_assistant(client, graph))
    thread = client.threads.create()["thread_id"]
    modes: list[Any] = ["updates", "custom", "messages-tuple"]
    asked = {"input": question_for(schemas), "context": {"model": MODEL}}
    parts = list(client.runs.stream(thread, graph, **asked, stream_mode=modes))
    assert not [part.data for part in parts if part.event == "error"]
    assert {"updates", "custom", "messages"} <= {part.event for part in parts}
    end = client.threads.get(thread)
    assert end["status"] == ("interrupted" if graph == "human_review" else "idle")
    assert end["values"]["stop_reason"] in (None, "accepted", "max_rounds", "reviewed")
    assert end["values"]["rounds"][0]["answer"] == "374"
    assert end["values"]["usage"]["calls"] > 1


def test_an_assistant_changes_the_options(client: Any):
    assistant = client.assistants.create("self_critique", context={"model": MODEL, "num_critiques": 3})["assistant_id"]
    before = client.runs.wait(None, assistant, input=QUESTION)
    client.assistants.update(assistant, context={"model": MODEL, "num_critiques": 5})
    after = client.runs.wait(None, assistant, input=QUESTION)
    assert [len(out["rounds"][0]["critiques"]) for out in (before, after)] == [3, 5]
    assert before["answer"] == after["answer"] == "384"


def test_an_option_out_of_bounds_is_told(client: Any):
    out = client.runs.wait(None, "self_critique", input=QUESTION, context={"num_critiques": 0}, raise_error=False)
    assert "critiques" in out["__error__"]["message"]


def test_a_draft_is_edited_in_the_middle_and_the_run_forks(client: Any):
    thread = client.threads.create()["thread_id"]
    first = client.runs.wait(thread, "self_critique", input=QUESTION, context={"model": MODEL})
    before = client.threads.get_history(thread, limit=100)
    assert [node for state in reversed(before) for node in state["next"]] == [
        *("__start__", "generate", "classify", "critique", "select", "refine", "classify")
    ]

    judging = next(state for state in reversed(before) if state["next"] == ["classify"])
    edited = {"rounds": [{**judging["values"]["rounds"][0], "answer": "984"}]}
    fork = client.threads.update_state(thread, edited, checkpoint=judging["checkpoint"])["checkpoint"]
    second = client.runs.wait(thread, "self_critique", input=None, checkpoint=fork, context={"model": MODEL})
    assert [draft["answer"] for draft in first["rounds"]] == ["374", "384"]
    assert [draft["answer"] for draft in second["rounds"]] == ["984", "384"]
    [chosen] = [critique for critique in second["rounds"][0]["critiques"] if critique["selected"]]
    assert [comment["quote"] for comment in chosen["comments"]] == ["9"]

    after = client.threads.get_history(thread, limit=100)
    [edit] = [state for state in after if state["metadata"]["source"] == "update"]
    assert edit["parent_checkpoint"]["checkpoint_id"] == judging["checkpoint"]["checkpoint_id"]
    assert [state["checkpoint"] for state in before] == [state["checkpoint"] for state in after][-len(before) :]


def test_a_provider_is_asked_without_blocking(client: Any):
    with FakeProvider(reply) as provider:
        context = {"model": f"openai/any?api_base={provider.url}&api_key={KEY}", "max_rounds": 1}
        out = client.runs.wait(None, "self_critique", input=QUESTION, context=context)
        assert out["usage"]["calls"] == provider.calls() > 0
    assert out["stop_reason"] == "max_rounds"


def test_a_review_waits_for_a_person_and_goes_on_as_they_say(client: Any):
    thread = client.threads.create()["thread_id"]
    given = {**QUESTION, "answer": "984"}
    asked = client.runs.wait(thread, "human_review", input=given, context={"model": MODEL})
    [waiting] = asked["__interrupt__"]
    assert client.threads.get(thread)["status"] == "interrupted"
    assert client.threads.get_state(thread)["next"] == ["await_decision"]
    assert [comment["before"]["quote"] for comment in waiting["value"]["comments"]] == ["9"]

    decision = {
        "actions": [
            {"type": "remove", "id": waiting["value"]["comments"][0]["id"]},
            {"type": "add", "quote": "9", "text": "The hundreds digit should be 3."},
        ],
        "next": "refine",
    }
    out = client.runs.wait(thread, "human_review", command={"resume": decision}, context={"model": MODEL})
    assert client.threads.get(thread)["status"] == "idle"
    assert (out["stop_reason"], out["decision"], out["answer"]) == ("reviewed", "refine", "384")
    assert [label["action"] for label in out["labels"]] == ["removed", "added"]


def test_checkers_work_without_blocking(client: Any):
    schema = client.assistants.get_schemas(default_assistant(client, "review"))["context_schema"]
    names = schema["properties"]["checkers"]["items"]["enum"]
    given = {
        "question": "Write a Python function f(xs). Return the sum plus 2.",
        "answer": "def f(xs):\n    return sum(ys",
    }
    context = {"model": MODEL, "task_type": "code", "checkers": names}
    out = client.runs.wait(None, "review", input=given, context=context)
    assert "syntax" in {finding["source"] for finding in out["rounds"][0]["findings"]}
