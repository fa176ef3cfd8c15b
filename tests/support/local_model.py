"""The real local model for tests: one small engine per process."""

import importlib.util

import pytest

from selfcritic.agent.models import get_model, smollm2
from selfcritic.agent.models.llama_cpp import LlamaCppModel

SPEC = "local:smollm2?n_ctx=2048&slots=2&threads=1&max_tokens=24"


def _missing() -> str:
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed"
    if smollm2.find() is None:
        return "the weights of smollm2 are missing: run `selfcritic models pull smollm2`"
    return ""


requires_local_model = pytest.mark.skipif(bool(_missing()), reason=_missing() or "never")


def local_model() -> LlamaCppModel:
    """Return the shared model."""
    model = get_model(SPEC)
    assert isinstance(model, LlamaCppModel)
    return model
