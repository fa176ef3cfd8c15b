"""Spans of every node and every model call, sent to any OTLP collector; no account, no cloud (extra `observability`).

OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python examples/observability.py

No span holds a key. Only a chat model of LangChain's that is handed in tells a provider's error in the provider's own
words: one that repeated the key in them would put it there. Models that are named are safe from that.
"""

from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from selfcritic.graphs import create_self_critique

provider = TracerProvider(resource=Resource.create({"service.name": "selfcritic"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # reads OTEL_EXPORTER_OTLP_… itself
LangChainInstrumentor().instrument(tracer_provider=provider)

graph = create_self_critique(model="simulated?draft_error_rate=1", max_rounds=5, seed=1).compile(name="self_critique")

if __name__ == "__main__":
    out = graph.invoke({"question": "What is 4,387 + 2,965?"})
    print(out["answer"], out["stop_reason"])
    provider.shutdown()  # sends what is left
