"""Traces go where they are sent, hold every node and no key, and go nowhere else: a process each."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.fake_provider import BAD_KEY, FakeProvider
from tests.support.otlp_collector import Collector
from tests.support.provider_loop import KEY, reply

ROOT = Path(__file__).parents[2]
WATCHED = """
import sys, socket
tried = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        tried.append((event, str(arguments[1:] if event == "socket.connect" else arguments)))
sys.addaudithook(watch)
from selfcritic.graphs import create_self_critique
graph = create_self_critique(model="simulated", seed=1, max_rounds=5).compile()
print(graph.invoke({"question": "What is 4,387 + 2,965?"})["answer"])
import time
time.sleep(0.5)  # in which a thread in the background would try
print(tried)
"""
LANGSMITH = """
import selfcritic.graphs, langsmith
from langchain_core.tracers.langchain import wait_for_all_tracers
from langchain_openai import ChatOpenAI
model = ChatOpenAI(model="x", base_url=ADDRESS, api_key=KEY)
graph = selfcritic.graphs.create_self_critique(model=model, max_rounds=0)
print(graph.compile().invoke({"question": "Which city?"})["stop_reason"])
wait_for_all_tracers()
"""
TRACED = """
import runpy
from langchain_openai import ChatOpenAI
from selfcritic.agent import load
from selfcritic.agent.errors import ModelError
example = runpy.run_path("examples/observability.py")
models = [load("openai/x", api_base=ADDRESS, api_key=KEY), ChatOpenAI(model="y", base_url=ADDRESS, api_key=KEY)]
for model in models:
    output = example["graph"].invoke({"question": "Which city?"}, context={"model": model, "max_rounds": 1})
    print(output["stop_reason"])
try:
    example["graph"].invoke(
        {"question": "Which city?"}, context={"model": load("openai/x", api_base=REFUSING, api_key=KEY)}
    )
except ModelError as error:
    print(error)
example["provider"].shutdown()
"""


def python(*arguments: str, **environment: str) -> str:
    """What a program prints that knows no tracing variables but these."""
    mine = ("LANGSMITH", "LANGCHAIN", "OTEL", "OPENAI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def spans_of(collector: Collector) -> list[Any]:
    requests = [ExportTraceServiceRequest.FromString(body) for body in collector.received["/v1/traces"]]
    return [
        span for one in requests for resource in one.resource_spans for scope in resource.scope_spans
        for span in scope.spans
    ]  # fmt: skip


def attribute(span: Any, name: str) -> str:
    return next((str(one.value.string_value) for one in span.attributes if one.key == name), "")


def test_the_collector_gets_a_span_for_every_node_and_every_request():
    with Collector() as collector:
        printed = python("-W", "error", "examples/observability.py", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert printed == "7352 accepted\n"
    spans = spans_of(collector)
    kinds = {(span.name, attribute(span, "openinference.span.kind")) for span in spans}
    nodes = {"generate", "classify", "critique", "select", "refine"}
    assert {(node, "CHAIN") for node in nodes} | {("self_critique", "CHAIN"), ("SimulatedModel", "LLM")} <= kinds
    assert len({span.trace_id for span in spans}) == 1
    parents = {span.span_id: span.name for span in spans}
    assert {parents[span.parent_span_id] for span in spans if span.name == "SimulatedModel"} == nodes
    assert [span.name for span in spans if not span.parent_span_id] == ["self_critique"]


@pytest.mark.slow
def test_no_span_holds_a_key():
    refusing = FakeProvider(reply, faults=[BAD_KEY])  # which repeats the key
    with Collector() as collector, FakeProvider(reply) as provider, refusing:
        program = f"ADDRESS, REFUSING, KEY = {provider.url!r}, {refusing.url!r}, {KEY!r}{TRACED}"
        printed = python("-c", program, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OPENAI_API_KEY=KEY)
    *reasons, refusal = printed.splitlines()
    assert reasons == ["max_rounds"] * 2
    assert refusal.startswith("Incorrect API key provided: [key].")
    names = [span.name for span in spans_of(collector)]
    assert names.count("self_critique") == 3
    assert {"LiteLLMModel", "ChatOpenAI"} <= set(names)
    assert b"Lyon" in b"".join(collector.received["/v1/traces"])
    assert KEY.encode() not in b"".join(collector.received["/v1/traces"])


def test_without_its_own_variables_langsmith_is_silent():
    assert python("-c", WATCHED) == "7352\n[]\n"


@pytest.mark.slow
def test_with_its_own_variables_langsmith_gets_the_run_and_no_key():
    with Collector() as collector, FakeProvider(reply) as provider:
        printed = python(
            "-c", f"ADDRESS, KEY = {provider.url!r}, {KEY!r}{LANGSMITH}",
            LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=collector.url, LANGSMITH_API_KEY="theirs",
        )  # fmt: skip
    assert printed == "max_rounds\n"
    sent = b"".join(body for path, bodies in collector.received.items() if "runs" in path for body in bodies)
    assert b"generate" in sent
    assert b"classify" in sent
    assert KEY.encode() not in sent
