"""Requests of LiteLLMModel: parameters, keys, tools, redirects and thinking."""

import asyncio
import functools
import operator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr, ValidationError

from selfcritic.agent.errors import UnknownModelError
from selfcritic.agent.models import disable_retries, get_model, load
from selfcritic.agent.models.errors import ModelCallError, describe_error
from selfcritic.agent.models.exchange import watch_exchange
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.models.litellm_replies import convert_logprobs
from selfcritic.agent.models.litellm_requests import PLACEHOLDER_KEY, is_private
from tests.support.event_loop import run
from tests.support.fake_provider import FakeProvider, Fault

pytestmark = [  # litellm warns at the end of a stream
    pytest.mark.filterwarnings(
        "ignore:Item 'summary' on TypedDict class 'ChatCompletionReasoningItem':UserWarning"
    ),
    pytest.mark.filterwarnings(
        "ignore:Accessing the 'model_(computed_)?fields' attribute:DeprecationWarning"
    ),
]
KEY = "planted-0f9e8d7c6b5a"


def make_model(provider: FakeProvider | str, name: str = "openai/toy", **fields) -> LiteLLMModel:
    base = provider if isinstance(provider, str) else provider.url
    return LiteLLMModel(model=name, api_base=base, **({"timeout": 5.0} | fields))


def invoke(model: Any, messages, **options) -> AIMessage:
    return model.invoke(messages, **options)


def ainvoke(model: Any, messages, **options) -> AIMessage:
    return run(model.ainvoke(messages, **options))


def stream(model: Any, messages, **options) -> AIMessage:
    return functools.reduce(operator.add, model.stream(messages, **options))


def astream(model: Any, messages, **options) -> AIMessage:
    async def collect() -> AIMessage:
        chunks = [chunk async for chunk in model.astream(messages, **options)]
        return functools.reduce(operator.add, chunks)

    return run(collect())


every_call = pytest.mark.parametrize("call", [invoke, ainvoke, stream, astream])


@pytest.fixture(autouse=True)
def close_clients(monkeypatch):
    """Close clients: litellm's synchronous calls create an event loop and keep their clients."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run(asyncio.sleep(0))
    yield
    run(asyncio.sleep(0))


def test_sends_the_standard_parameters():
    with FakeProvider() as provider:
        model = LiteLLMModel(
            model_name="openai/toy",
            base_url=provider.url,
            temperature=0.2,
            max_tokens=7,
            request_timeout=5,
            stop_sequences="END",
            model_kwargs={"top_p": 0.9},
            default_headers={"X-Team": "critics"},
        )
        model.invoke("x")
        [received] = provider.received
    body = {
        name: received.body.get(name) for name in ("temperature", "max_tokens", "stop", "top_p")
    }
    assert body == {"temperature": 0.2, "max_tokens": 7, "stop": ["END"], "top_p": 0.9}
    assert received.headers["X-Team"] == "critics"
    assert "critics" not in repr(model)


def test_sends_the_reasoning_effort():
    with FakeProvider() as provider:
        make_model(provider, "openai/gpt-5-mini", reasoning_effort="low").invoke("x")
        assert provider.received[0].body["reasoning_effort"] == "low"


def test_options_of_a_call_override_fields():
    with FakeProvider() as provider:
        make_model(provider, temperature=0.2, stop=["A"]).invoke(
            "x", temperature=0.5, stop=["B"], model="other"
        )
        body = provider.received[0].body
    assert (body["temperature"], body["stop"], body["model"]) == (0.5, ["B"], "other")


def test_rejects_fields_in_model_kwargs():
    with pytest.raises(ValidationError, match="set temperature outside of model_kwargs"):
        LiteLLMModel(model="openai/toy", model_kwargs={"temperature": 1})


@pytest.mark.parametrize("call", [invoke, ainvoke])
def test_retries_as_often_as_max_retries(call):
    with FakeProvider(faults=[Fault("status", 503, retry_after=0)] * 2) as provider:
        assert call(make_model(provider, max_retries=2), "x").text == "It is so."
        assert provider.calls() == 3


def test_the_loop_disables_retries():
    model = LiteLLMModel(model="openai/toy", max_retries=2, stop=["A"])
    copy = disable_retries(model)
    assert (copy.max_retries, copy.stop) == (0, ["A"])
    assert get_model("openai/toy?max_retries=3").max_retries == 0


def test_explains_an_invalid_parameter():
    with pytest.raises(UnknownModelError, match="max_retries"):
        load("openai/toy?max_retries=-1")


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000/v1",
        "http://127.8.9.1/v1",
        "http://[::1]:8000/v1",
        "http://10.0.0.7/v1",
        "http://172.16.3.4/v1",
        "http://192.168.1.20:1234/v1",
        "http://169.254.1.1/v1",
        "http://[fe80::1]/v1",
        "http://[fd00::12]/v1",
        "http://gpu.local:8000/v1",
        "http://host.docker.internal:8000/v1",
        "http://vllm:8000/v1",
    ],
)
def test_recognizes_private_addresses(address: str):
    assert is_private(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com/v1",
        "http://8.8.8.8/v1",
        "http://172.32.0.1/v1",
        "http://[2606:4700::1111]/v1",
        "http://localhost.example.com/v1",
        "http://10.0.0.7.example.com/v1",
        "http://user:localhost@example.com/v1",
        "http://[invalid",
        "nonsense.example.com",
        "",
    ],
)
def test_recognizes_public_addresses(address: str):
    assert not is_private(address)


@every_call
@pytest.mark.parametrize("name", ["openai/toy", "custom_openai/toy", "deepseek/toy"])
def test_a_private_server_needs_no_key(call, name: str, monkeypatch):
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    with FakeProvider() as provider:
        assert call(make_model(provider, name), "x").text == "It is so."
        headers = provider.received[0].headers
    assert headers["Authorization"] == f"Bearer {PLACEHOLDER_KEY}"


def test_sends_the_key_of_the_environment_to_a_private_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeProvider() as provider:
        make_model(provider).invoke("x")
        assert provider.received[0].headers["Authorization"] == f"Bearer {KEY}"


@every_call
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("name", ["openai/toy", "deepseek/toy"])
def test_does_not_follow_redirects(call, status: int, name: str):
    with FakeProvider() as target:
        base = target.url.replace("http://", "http://user:password@")
        location = f"{base}/chat/completions?key={KEY}"
        with FakeProvider(faults=[Fault("status", status, location=location)]) as provider:
            with pytest.raises(ModelCallError) as caught:
                call(make_model(provider, name), "x")
            assert (provider.calls(), target.calls()) == (1, 0)
        explanation = describe_error(caught.value)
        assert caught.value.kind == "redirect"
        assert explanation.endswith(f"Set the address (api_base) to {target.url}")
        for secret in ("password", KEY):
            assert secret not in explanation + str(caught.value.headers)


def test_refuses_redirects_of_other_clients_only_inside():
    with FakeProvider() as target:
        fault = Fault("status", 307, location=f"{target.url}/chat/completions")
        with FakeProvider(faults=[fault] * 2) as provider:
            model = ChatOpenAI(
                model="toy", base_url=provider.url, api_key=SecretStr(KEY), max_retries=0
            )
            with watch_exchange(), pytest.raises(Exception, match="307") as caught:
                model.invoke("x")
            assert f"Set the address (api_base) to {target.url}" in describe_error(caught.value)
            assert target.calls() == 0
            model.invoke("x")
            assert target.calls() == 1
            model.root_client.close()


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int


@every_call
def test_returns_tool_calls(call):
    with FakeProvider() as provider:
        model = make_model(provider).bind_tools([City], tool_choice="City")
        reply = call(model, "Describe 'Bern' with 140000 inhabitants.")
        body = provider.received[0].body
    assert body["tool_choice"] == {"type": "function", "function": {"name": "City"}}
    [tool_call] = reply.tool_calls
    assert tool_call["args"] == {"name": "Bern", "inhabitants": 140000}
    assert reply.response_metadata["finish_reason"] == "tool_calls"


def test_keeps_invalid_tool_calls():
    body = (
        '{"id": "1", "created": 1, "model": "toy", "object": "chat.completion", "choices": [{"index": 0,'
        '"finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls":'
        '[{"id": "a", "type": "function", "function": {"name": "City", "arguments": "{broken"}}]}}]}'
    )
    with FakeProvider(faults=[Fault("status", 200, body=body)]) as provider:
        reply = make_model(provider).bind_tools([City]).invoke("x")
    assert reply.tool_calls == []
    assert reply.invalid_tool_calls[0]["args"] == "{broken"


def test_rejects_an_unknown_tool_choice():
    with pytest.raises(ValueError, match=r"tool_choice must be a tool's name \(City\)"):
        make_model("http://h/v1").bind_tools([City], tool_choice="Town")


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("include_raw", [False, True])
def test_returns_structured_output(method: str, include_raw: bool):
    with FakeProvider() as provider:
        model = make_model(provider).with_structured_output(
            City, method=method, include_raw=include_raw
        )
        output = model.invoke("Describe 'Bern' with 140000 inhabitants.")
    parsed = output["parsed"] if include_raw else output
    assert parsed == City(name="Bern", inhabitants=140000)


def test_returns_a_parsing_error_with_the_raw_reply():
    with FakeProvider("no JSON") as provider:
        model = make_model(provider).with_structured_output(
            City, method="json_mode", include_raw=True
        )
        output = model.invoke("Describe 'Bern'.")
    assert output["parsed"] is None
    assert output["parsing_error"] is not None


def test_rejects_an_unknown_method():
    with pytest.raises(ValueError, match="method must be one of json_schema"):
        make_model("http://h/v1").with_structured_output(City, method="xml")


def completion(message: str) -> str:
    usage = (
        '{"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12,'
        ' "completion_tokens_details": {"reasoning_tokens": 5}}'
    )
    return (
        '{"id": "1", "created": 1, "model": "toy", "object": "chat.completion", "choices": [{"index": 0,'
        f'"finish_reason": "stop", "message": {message}}}], "usage": {usage}}}'
    )


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("call", [invoke, ainvoke])
def test_keeps_thinking_out_of_the_content(call, field: str):
    message = f'{{"role": "assistant", "content": "Yes", "{field}": "Let me see."}}'
    with FakeProvider(faults=[Fault("status", 200, body=completion(message))]) as provider:
        reply = call(make_model(provider), "x")
    assert reply.content == "Yes"
    assert reply.additional_kwargs == {"reasoning_content": "Let me see."}
    assert reply.usage_metadata["output_token_details"] == {"reasoning": 5}


@pytest.mark.parametrize("call", [stream, astream])
def test_keeps_streamed_thinking_out_of_the_content(call):
    deltas = [{"reasoning_content": "Let me "}, {"reasoning_content": "see."}, {"content": "Yes"}]
    with FakeProvider(deltas=deltas) as provider:
        reply = call(make_model(provider), "x")
    assert reply.content == "Yes"
    assert reply.additional_kwargs == {"reasoning_content": "Let me see."}


def test_does_not_send_earlier_thinking():
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": "s"}
    messages = [
        HumanMessage("x"),
        AIMessage([thought, {"type": "text", "text": "Yes"}]),
        HumanMessage("y"),
    ]
    with FakeProvider() as provider:
        make_model(provider).invoke(messages)
        assert "Let me see." not in str(provider.received[0].body)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        "x",
        {},
        {"content": None},
        {"content": "Yes"},
        {"content": [None, {}, {"token": None, "logprob": 0}, {"token": "a", "logprob": None}]},
        {"tokens": ["Yes"], "token_logprobs": [-0.1]},
    ],
    ids=repr,
)
def test_ignores_logprobs_in_other_forms(logprobs: object):
    assert convert_logprobs(logprobs) == []


def test_reads_logprobs_without_alternatives():
    token = {"token": "Yes", "logprob": -0.1}
    assert convert_logprobs({"content": [token]}) == [{**token, "top_logprobs": []}]
