import httpx
from langchain_openai import ChatOpenAI

from selfcritic.agent.models import disable_retries
from selfcritic.agent.models.scripted import ScriptedModel


def test_only_the_retries_are_changed():
    client = httpx.AsyncClient()
    given = ChatOpenAI(
        model="x",
        api_key="sk-abc",
        temperature=0.3,
        base_url="http://127.0.0.1/v1",
        http_async_client=client,
        model_kwargs={"top_k": 4},
    )
    made = disable_retries(given)
    assert (given.max_retries, given.root_async_client.max_retries) == (None, 2)
    assert (made.max_retries, made.root_async_client.max_retries, made.root_client.max_retries) == (0, 0, 0)
    assert made.http_async_client is client
    assert made.model_dump(exclude={"max_retries"}) == given.model_dump(exclude={"max_retries"})
    assert made.openai_api_key == given.openai_api_key
    assert made.model_kwargs == {"top_k": 4}


def test_a_model_without_retries_is_handed_back():
    bare = ChatOpenAI(model="x", api_key="sk-abc", max_retries=0)
    assert disable_retries(bare) is bare
    scripted = ScriptedModel(script=[])
    assert disable_retries(scripted) is scripted
