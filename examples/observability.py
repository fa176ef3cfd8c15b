"""Export spans of nodes and model calls to an OTLP collector (extra `observability`).

OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python examples/observability.py

Spans contain no API keys. One exception: if you pass a LangChain chat model, its errors contain the provider's
message, which can repeat the key. Models that are passed by name are safe.
"""

from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from selfcritic.graphs import create_self_critique

provider = TracerProvider(resource=Resource.create({"service.name": "selfcritic"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # reads OTEL_EXPORTER_OTLP_…
LangChainInstrumentor().instrument(tracer_provider=provider)

graph = create_self_critique(model="simulated?draft_error_rate=1", max_rounds=5, seed=1).compile(
    name="self_critique"
)

if __name__ == "__main__":
    output = graph.invoke({"question": "What is 4,387 + 2,965?"})
    print(output["answer"], output["stop_reason"])
    provider.shutdown()  # flushes the remaining spans
