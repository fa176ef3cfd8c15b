"""Export node and model spans to an OTLP collector (extra `observability`).

OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python examples/observability.py

Spans contain prompts and replies, but no API keys, and the cost of each reply. To leave prompts and replies out, set
OPENINFERENCE_HIDE_INPUTS=true and OPENINFERENCE_HIDE_OUTPUTS=true.
"""

import os
import socket
import sys
from urllib.parse import urlsplit

from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from selfcritic.graphs import create_self_critique
from selfcritic.graphs.tracing import CostRecorder

provider = TracerProvider(resource=Resource.create({"service.name": "selfcritic"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # reads OTEL_EXPORTER_OTLP_…
instrumentor = LangChainInstrumentor()
instrumentor.instrument(tracer_provider=provider)

graph = create_self_critique(model="simulated?draft_error_rate=1", max_rounds=5, seed=1).compile(
    name="self_critique"
)


def require_collector() -> None:
    """Exit if nothing listens at the collector's address; the exporter would retry in silence."""
    address = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    url = urlsplit(address)
    try:
        socket.create_connection((url.hostname or "", url.port or 80), timeout=5).close()
    except OSError as error:
        sys.exit(f"Set OTEL_EXPORTER_OTLP_ENDPOINT: no collector at {address} ({error.strerror}).")


if __name__ == "__main__":
    require_collector()
    output = graph.invoke(
        {"question": "What is 4,387 + 2,965?"}, config={"callbacks": [CostRecorder(instrumentor)]}
    )
    print(output["answer"], output["stop_reason"])
    provider.shutdown()  # flushes the remaining spans
