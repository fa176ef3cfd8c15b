"""Record the cost of each reply in its OpenTelemetry span."""

from typing import Any, Protocol
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, LLMResult

_COST = "llm.cost.total"
"""OpenInference's attribute."""


class Instrumentor(Protocol):
    """The part of OpenInference's `LangChainInstrumentor` that finds a span."""

    def get_span(self, run_id: UUID) -> Any:
        """Return the span of a run, None without one."""


class CostRecorder(BaseCallbackHandler):
    """Adds the cost of each reply to its span; pass it in the `callbacks` of a run."""

    run_inline = True  # before the instrumentor ends the span

    def __init__(self, instrumentor: Instrumentor) -> None:
        self._instrumentor = instrumentor

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_options: Any) -> None:
        """Read the cost that models of this package report."""
        generation = response.generations[0][0]
        if not isinstance(generation, ChatGeneration):
            return
        cost_usd = generation.message.response_metadata.get("cost_usd")
        span = self._instrumentor.get_span(run_id)
        if span is not None and cost_usd is not None:
            span.set_attribute(_COST, cost_usd)
