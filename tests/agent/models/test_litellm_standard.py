"""LangChain's standard tests of chat models, on LiteLLMModel."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from selfcritic.agent.models.litellm import LiteLLMModel


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
