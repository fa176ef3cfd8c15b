"""Check where traces are sent, and that they contain every node and no API key."""

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
PRINT_CONNECTIONS = """
import sys, socket
connections = []
def record_connection(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        connections.append((event, str(arguments[1:] if event == "socket.connect" else arguments)))
sys.addaudithook(record_connection)
from selfcritic.graphs import create_self_critique
graph = create_self_critique(model="simulated", seed=1, max_rounds=5).compile()
print(graph.invoke({"question": "What is 4,387 + 2,965?"})["answer"])
import time
time.sleep(0.5)  # gives a background thread the time to connect
print(connections)
"""
RUN_WITH_LANGSMITH = """
import selfcritic.graphs, langsmith
from langchain_core.tracers.langchain import wait_for_all_tracers
from langchain_openai import ChatOpenAI
model = ChatOpenAI(model="x", base_url=ADDRESS, api_key=KEY)
graph = selfcritic.graphs.create_self_critique(model=model, max_rounds=0)
print(graph.compile().invoke({"question": "Which city?"})["stop_reason"])
wait_for_all_tracers()
"""
RUN_WITH_SPANS = """
import runpy
from langchain_openai import ChatOpenAI
from selfcritic.agent import load
from selfcritic.agent.errors import ModelError
example = runpy.run_path("examples/observability.py")
priced = {"input_cost_per_token": 0.5, "output_cost_per_token": 0.5}
models = [
    load("openai/x", api_base=ADDRESS, api_key=KEY, **priced),
    ChatOpenAI(model="y", base_url=ADDRESS, api_key=KEY),
]
for model in models:
    recorder = example["CostRecorder"](example["instrumentor"])
    output = example["graph"].invoke(
        {"question": "Which city?"}, {"callbacks": [recorder]}, context={"model": model, "max_rounds": 1}
    )
    print(output["stop_reason"])
try:
    example["graph"].invoke(
        {"question": "Which city?"}, context={"model": load("openai/x", api_base=REFUSING, api_key=KEY)}
    )
except ModelError as error:
    print(error)
example["provider"].shutdown()
"""


def run_python(*arguments: str, **environment: str) -> str:
    """Run Python with only the given tracing variables; return its output."""
    tracing_prefixes = ("LANGSMITH", "LANGCHAIN", "OTEL", "OPENAI")
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(tracing_prefixes)
    }
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def received_spans(collector: Collector) -> list[Any]:
    spans: list[Any] = []
    for body in collector.received["/v1/traces"]:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                spans.extend(scope.spans)
    return spans


def get_attribute(span: Any, name: str) -> str:
    for attribute in span.attributes:
        if attribute.key == name:
            return str(attribute.value.string_value)
    return ""


def model_spans(spans: list[Any]) -> list[Any]:
    return [span for span in spans if get_attribute(span, "openinference.span.kind") == "LLM"]


def costs(spans: list[Any]) -> list[float]:
    values = []
    for span in spans:
        for attribute in span.attributes:
            if attribute.key == "llm.cost.total":
                values.append(float(attribute.value.double_value))
    return values


@pytest.mark.slow
def test_exports_a_span_for_every_node_and_request():
    with Collector() as collector:
        printed = run_python(
            "-W", "error", "examples/observability.py", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        )
    assert printed == "7352 accepted\n"
    spans = received_spans(collector)
    kinds = {(span.name, get_attribute(span, "openinference.span.kind")) for span in spans}
    nodes = {"generate", "classify", "critique", "select", "refine"}
    assert {(node, "CHAIN") for node in nodes} | {
        ("self_critique", "CHAIN"),
        ("SimulatedModel", "LLM"),
    } <= kinds
    assert len({span.trace_id for span in spans}) == 1
    parents = {span.span_id: span.name for span in spans}
    assert {
        parents[span.parent_span_id] for span in spans if span.name == "SimulatedModel"
    } == nodes - {"select"}  # critiques are scored when they arrive
    assert [span.name for span in spans if not span.parent_span_id] == ["self_critique"]
    assert costs(spans) == [0.0] * len(model_spans(spans))
    providers = {get_attribute(span, "llm.provider") for span in model_spans(spans)}
    assert providers == {"simulated"}


@pytest.mark.slow
def test_spans_contain_no_api_key():
    refusing = FakeProvider(reply, faults=[BAD_KEY])  # its error message repeats the key
    with Collector() as collector, FakeProvider(reply) as provider, refusing:
        program = (
            f"ADDRESS, REFUSING, KEY = {provider.url!r}, {refusing.url!r}, {KEY!r}{RUN_WITH_SPANS}"
        )
        printed = run_python(
            "-c", program, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OPENAI_API_KEY=KEY
        )
    *stop_reasons, error = printed.splitlines()
    assert stop_reasons == ["max_rounds"] * 2
    assert error.startswith("Incorrect API key provided: [key].")
    spans = received_spans(collector)
    names = [span.name for span in spans]
    assert min(costs(spans)) > 0
    providers = {get_attribute(span, "llm.provider") for span in model_spans(spans)}
    assert providers == {"openai"}
    assert names.count("self_critique") == 3
    assert {"LiteLLMModel", "ChatOpenAI"} <= set(names)
    assert b"Lyon" in b"".join(collector.received["/v1/traces"])
    assert KEY.encode() not in b"".join(collector.received["/v1/traces"])


@pytest.mark.slow
def test_sends_nothing_to_langsmith_without_its_variables():
    assert run_python("-c", PRINT_CONNECTIONS) == "7352\n[]\n"


@pytest.mark.slow
def test_sends_the_run_but_no_key_to_langsmith_with_its_variables():
    with Collector() as collector, FakeProvider(reply) as provider:
        printed = run_python(
            "-c", f"ADDRESS, KEY = {provider.url!r}, {KEY!r}{RUN_WITH_LANGSMITH}",
            LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=collector.url, LANGSMITH_API_KEY="langsmith-key",
        )  # fmt: skip
    assert printed == "max_rounds\n"
    sent = b""
    for path, bodies in collector.received.items():
        if "runs" in path:
            sent += b"".join(bodies)
    assert b"generate" in sent
    assert b"classify" in sent
    assert KEY.encode() not in sent
