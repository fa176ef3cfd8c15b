"""Long error responses are shortened, and stay readable."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import load
from selfcritic.agent.models.error_bodies import shorten_body
from selfcritic.agent.models.errors import ModelCallError
from selfcritic.agent.models.exchange import watch_exchange
from tests.support.fake_provider import FakeProvider, Fault

KEY = "sk-" + "a1b2" * 10
LONG = f"The context is too long. {KEY} " * 10_000 + "Use fewer tokens."


@given(st.text(alphabet='ab \n"{}[]:,é', max_size=50), st.integers(0, 2_000))
def test_bodies_become_short(text: str, count: int):
    shorter = shorten_body(text * count)
    assert len(shorter) <= 8_000


@given(st.recursive(st.text(), lambda items: st.lists(items) | st.dictionaries(st.text(), items)))
def test_json_with_short_texts_is_kept(value: Any):
    body = json.dumps(value)
    if len(body) < 100:
        assert json.loads(shorten_body(body)) == value


def test_long_texts_keep_their_start_and_end_in_json():
    error = json.loads(shorten_body(json.dumps({"error": {"message": LONG, "code": "too_long"}})))
    message = error["error"]["message"]
    assert error["error"]["code"] == "too_long"
    assert message.startswith("The context is too long.")
    assert message.endswith("Use fewer tokens.")


@pytest.mark.parametrize("body", [LONG, json.dumps({"message": LONG}), json.dumps([LONG] * 50)])
def test_no_part_of_a_key_remains(body: str):
    for offset in range(60):
        shorter = shorten_body("x" * offset + body)
        assert "a1b2" not in shorter.replace(KEY, "")


def test_deep_json_is_shortened_as_text():
    assert len(shorten_body("[" * 100_000)) <= 8_000


async def send(client: httpx.AsyncClient) -> httpx.Response:
    with watch_exchange():
        return await client.get("http://x.invalid/")


def test_responses_keep_their_headers_and_status():
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"retry-after": "7"}, text=LONG)

    client = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    response = asyncio.run(send(client))
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert response.text.startswith("The context")
    assert int(response.headers["content-length"]) == len(response.content) < 8_000


def test_successful_replies_are_not_shortened():
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=LONG)

    client = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    assert asyncio.run(send(client)).text == LONG


@pytest.mark.usefixtures("close_clients")
@pytest.mark.parametrize("stream", [False, True])
def test_a_long_error_does_not_block_the_event_loop(stream: bool):
    """The message is classified, and litellm takes seconds for it without the limit."""
    fault = Fault("status", 400, message="maximum context length " + "lorem ipsum " * 50_000)

    async def fail(url: str) -> float:
        model = load("openai/fake", api_base=url, api_key="none-at-all")
        with pytest.raises(ModelCallError):
            await model.ainvoke("warm up")
        started = time.process_time()
        model = model.model_copy(update={"streaming": stream})
        with pytest.raises(ModelCallError) as caught:
            await model.ainvoke("Why?")
        assert caught.value.kind == "too_long"
        return time.process_time() - started

    with FakeProvider("hi", faults=[Fault("status", 400), fault]) as provider:
        assert asyncio.run(fail(provider.url)) < 1
