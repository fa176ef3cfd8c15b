"""LangChain's standard tests of chat models, on LiteLLMModel."""

import gc
import warnings
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from selfcritic.agent.models.litellm import LiteLLMModel
from tests.support.event_loop import close_clients
from tests.support.fake_provider import FakeProvider

pytestmark = [  # litellm warns at the end of a stream
    pytest.mark.filterwarnings(
        "ignore:Item 'summary' on TypedDict class 'ChatCompletionReasoningItem':UserWarning"
    ),
    pytest.mark.filterwarnings(
        "ignore:Accessing the 'model_(computed_)?fields' attribute:DeprecationWarning"
    ),
]


class TestLiteLLMModelUnit(ChatModelUnitTests):
    """Skips `test_serdes`: LangChain deserializes only the classes of its own list."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return LiteLLMModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "openai/toy"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        # litellm reads the key from the environment at each request, so no field holds it.
        return {"OPENAI_API_KEY": "test"}, {"model": "openai/toy"}, {"api_key": None}


class TestLiteLLMModelIntegration(ChatModelIntegrationTests):
    """The integration tests, against the fake provider."""

    url = ""

    @pytest.fixture(autouse=True)
    async def provider(self, request):
        with FakeProvider() as provider:
            type(self).url = provider.url
            yield
            await close_clients()
        if "batch" in request.node.name:
            with warnings.catch_warnings():
                # litellm drops the clients of all threads but one without closing them.
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return LiteLLMModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "openai/toy", "api_base": self.url}

    @property
    def model_override_value(self) -> str:
        return "other"

    @property
    def supports_json_mode(self) -> bool:
        return True
