"""LangChain's standard tests of chat models, on the local model."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from selfcritic.agent.models.llama_cpp import LlamaCppModel
from tests.support.local_model import requires_local_model

pytestmark = [requires_local_model, pytest.mark.slow]
PARAMS: dict[str, Any] = {"model": "smollm2", "n_ctx": 2048, "slots": 2, "threads": 1}


class TestLlamaCppModelUnit(ChatModelUnitTests):
    """Skips `test_serdes`: LangChain deserializes only the classes of its own list."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return LlamaCppModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return PARAMS

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        # A model in this process has no timeout, key or retries.
        return {"temperature": 0, "max_tokens": 20, "stop": []}


class TestLlamaCppModelIntegration(ChatModelIntegrationTests):
    """The model has no tools, images or structured output, so LangChain skips their tests."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return LlamaCppModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**PARAMS, "max_tokens": 20}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0}
