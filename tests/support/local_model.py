"""The real local model for tests: one small engine per process."""

import importlib.util
import re
from typing import Any, NamedTuple

import pytest

from selfcritic.agent.models import load, smollm2
from selfcritic.agent.models.llama_cpp import LlamaCppModel

SPEC = "local:smollm2?n_ctx=2048&slots=2&threads=1&max_tokens=24"


def _missing() -> str:
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed"
    if smollm2.find() is None:
        return "the weights of smollm2 are missing: run `selfcritic models pull smollm2`"
    return ""


requires_local_model = pytest.mark.skipif(bool(_missing()), reason=_missing() or "not missing")


def local_model(**options: Any) -> LlamaCppModel:
    """Return a model of the shared engine."""
    model = load(SPEC, **options)
    assert isinstance(model, LlamaCppModel)
    return model


class EngineTokens(NamedTuple):
    """Tokens that llama.cpp has evaluated and generated, by its own metrics."""

    evaluated: int
    """Input tokens without those of the prompt cache."""
    generated: int

    def since(self, before: "EngineTokens") -> "EngineTokens":
        """Return the tokens since an earlier reading."""
        return EngineTokens(self.evaluated - before.evaluated, self.generated - before.generated)


def engine_tokens(model: LlamaCppModel) -> EngineTokens:
    return EngineTokens(
        read_metric(model, "prompt_tokens_total"), read_metric(model, "tokens_predicted_total")
    )


def read_metric(model: LlamaCppModel, name: str) -> int:
    metrics = model.engine.load().handle_metrics()
    match = re.search(rf"^llamacpp:{name} (\S+)$", str(metrics), re.MULTILINE)
    assert match is not None, metrics
    return int(float(match[1]))
