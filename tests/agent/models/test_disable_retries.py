"""`disable_retries` copies a model without its own retries."""

import httpx
from langchain_openai import ChatOpenAI

from selfcritic.agent.models import disable_retries
from selfcritic.agent.models.scripted import ScriptedModel


def test_copies_everything_but_the_retries():
    client = httpx.AsyncClient()
    original = ChatOpenAI(
        model="x",
        api_key="sk-abc",
        temperature=0.3,
        base_url="http://127.0.0.1/v1",
        http_async_client=client,
        model_kwargs={"top_k": 4},
    )
    copy = disable_retries(original)
    assert (original.max_retries, original.root_async_client.max_retries) == (None, 2)
    assert (copy.max_retries, copy.root_async_client.max_retries, copy.root_client.max_retries) == (
        0,
        0,
        0,
    )
    assert copy.http_async_client is client
    assert copy.model_dump(exclude={"max_retries"}) == original.model_dump(exclude={"max_retries"})
    assert copy.openai_api_key == original.openai_api_key
    assert copy.model_kwargs == {"top_k": 4}


def test_returns_a_model_without_retries_unchanged():
    without_retries = ChatOpenAI(model="x", api_key="sk-abc", max_retries=0)
    assert disable_retries(without_retries) is without_retries
    scripted = ScriptedModel(script=[])
    assert disable_retries(scripted) is scripted
