"""LiteLLMModel against a local server: requests, replies, costs and errors."""

import asyncio
import functools
import operator
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import SecretStr, ValidationError

from selfcritic.agent.models.error_kinds import TRANSIENT, classify_error
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError, describe_error
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.models.litellm_library import is_priced
from tests.support.event_loop import run
from tests.support.fake_provider import (
    BAD_KEY,
    FORBIDDEN,
    NO_SUCH_MODEL,
    TOO_LONG,
    FakeProvider,
    Fault,
    Tokens,
)
from tests.support.verdicts import probability_of_yes

pytestmark = [  # litellm warns at the end of a stream
    pytest.mark.filterwarnings(
        "ignore:Item 'summary' on TypedDict class 'ChatCompletionReasoningItem':UserWarning"
    ),
    pytest.mark.filterwarnings(
        "ignore:Accessing the 'model_(computed_)?fields' attribute:DeprecationWarning"
    ),
]
KEY = "planted-0f9e8d7c6b5a"
PRICE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 3e-6}


def make_model(provider: FakeProvider | str, name: str = "openai/toy", **fields) -> LiteLLMModel:
    base = provider if isinstance(provider, str) else provider.url
    defaults = {"api_key": SecretStr(KEY), "timeout": 60.0}
    return LiteLLMModel(model=name, api_base=base, **(defaults | fields))


def invoke(model: BaseChatModel, messages, **options) -> AIMessage:
    return model.invoke(messages, **options)


def ainvoke(model: BaseChatModel, messages, **options) -> AIMessage:
    return run(model.ainvoke(messages, **options))


def stream(model: BaseChatModel, messages, **options) -> AIMessage:
    return functools.reduce(operator.add, model.stream(messages, **options))


def astream(model: BaseChatModel, messages, **options) -> AIMessage:
    async def collect() -> AIMessage:
        chunks = [chunk async for chunk in model.astream(messages, **options)]
        return functools.reduce(operator.add, chunks)

    return run(collect())


Call = Callable[..., AIMessage]
every_call = pytest.mark.parametrize("call", [invoke, ainvoke, stream, astream])
streams = pytest.mark.parametrize("call", [stream, astream])


def tokens(usage) -> Tokens:
    return Tokens(
        usage["input_tokens"], usage["output_tokens"], usage["input_token_details"]["cache_read"]
    )


@pytest.fixture(autouse=True)
def close_clients():
    """Close clients: litellm's synchronous calls create an event loop and keep their clients."""
    run(asyncio.sleep(0))
    yield
    run(asyncio.sleep(0))


@every_call
def test_returns_the_servers_reply_and_usage(call: Call):
    with FakeProvider("It is  so,\nI say.", cached_share=0.5) as provider:
        reply = call(make_model(provider), "one two three four")
        assert reply.text == "It is  so,\nI say."
        assert tokens(reply.usage_metadata) == provider.usage() == Tokens(4, 7, 2)
        assert reply.response_metadata == {
            "model_name": "toy",
            "finish_reason": "stop",
            "logprobs": None,
            "cost_usd": None,
        }
        assert provider.calls() == 1
        assert provider.received[0].headers["Authorization"] == f"Bearer {KEY}"


def test_native_n_sends_one_request_and_puts_usage_on_the_first_reply():
    with FakeProvider(lambda messages, index: f"reply {index}") as provider:
        result = run(make_model(provider).agenerate([[HumanMessage("x")]], n=3))
        replies = [generation.message for generation in result.generations[0]]
        assert [reply.text for reply in replies] == ["reply 0", "reply 1", "reply 2"]
        assert tokens(replies[0].usage_metadata) == provider.usage()
        assert [reply.usage_metadata for reply in replies[1:]] == [None, None]
        assert ["cost_usd" in reply.response_metadata for reply in replies] == [True, False, False]
        assert provider.calls() == 1


def test_returns_one_reply_if_the_server_ignores_n():
    with FakeProvider(n="ignore") as provider:
        assert len(make_model(provider).generate([[HumanMessage("x")]], n=3).generations[0]) == 1


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("options", [{"n": 2}, {"logprobs": True, "top_logprobs": 5}])
def test_classifies_a_rejected_parameter(status: int, options: dict[str, object]):
    with FakeProvider(n="reject", logprobs="reject", rejects_with=status) as provider:
        with pytest.raises(
            ModelCallError, match=rf"Unsupported parameter: '{next(iter(options))}'"
        ) as caught:
            make_model(provider).invoke("x", **options)
        assert (caught.value.kind, caught.value.status_code, provider.calls()) == (
            "rejected",
            status,
            1,
        )


@every_call
def test_returns_logprobs_in_openai_form(call: Call):
    with FakeProvider(0.8) as provider:
        reply = call(make_model(provider), "x", logprobs=True, top_logprobs=20)
        [first] = reply.response_metadata["logprobs"]["content"]
        assert (first["token"], len(first["top_logprobs"])) == ("Yes", 2)
        assert all(sorted(option) == ["logprob", "token"] for option in first["top_logprobs"])
        assert probability_of_yes(reply) == pytest.approx(0.8)


@every_call
def test_logprobs_are_none_if_the_server_ignores_them(call: Call):
    with FakeProvider("Yes", logprobs="ignore") as provider:
        assert call(make_model(provider), "x", logprobs=True).response_metadata["logprobs"] is None


@every_call
def test_sends_only_the_options_that_are_set(call: Call):
    with FakeProvider("one; two. three") as provider:
        configured = make_model(provider, temperature=0.5, max_tokens=9)
        assert call(configured, "x", seed=7, stop=[";", "."], temperature=0.25).text == "one"
        call(make_model(provider), "x", temperature=None, seed=None, logprobs=None)
        always: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": "x"}]}
        if call in (stream, astream):
            always |= {"stream": True, "stream_options": {"include_usage": True}}
        options = {"temperature": 0.25, "max_tokens": 9, "seed": 7, "stop": [";", "."]}
        assert [received.body for received in provider.received] == [always | options, always]


def test_sends_a_prefill_and_returns_its_continuation():
    with FakeProvider("A draft of it.") as provider:
        reply = make_model(provider).invoke([HumanMessage("x"), AIMessage("A draft")])
        assert reply.text == " of it."
        assert provider.received[0].body["messages"][-1] == {
            "role": "assistant",
            "content": "A draft",
        }


@every_call
def test_computes_the_cost_from_the_known_price(call: Call):
    with FakeProvider(cached_share=0.5) as provider:
        listed = make_model(provider, "openai/gpt-4o-mini")
        declared = make_model(provider, **PRICE)
        assert listed.is_priced
        assert declared.is_priced
        assert not make_model(provider).is_priced
        cost = call(listed, "one two three four").response_metadata["cost_usd"]
        assert cost == pytest.approx(
            2 * 0.15e-6 + 2 * 0.075e-6 + 4 * 0.6e-6
        )  # OpenAI halves the price of cached input
        assert call(declared, "one two").response_metadata["cost_usd"] == pytest.approx(
            2e-6 + 4 * 3e-6
        )


def test_is_priced_only_if_litellm_lists_the_exact_model():
    priced = [
        "gpt-4o-mini",
        "openai/gpt-4o-mini",
        "azure/gpt-4o-mini",
        "vertex_ai/gemini-2.5-pro",
        "ollama/llama3",
    ]
    unpriced = [
        "toy",
        "openai/toy",
        "hosted_vllm/gpt-4o-mini",
        "ollama/toy",
        "github_copilot/gpt-4o",
    ]
    assert all(is_priced(name) for name in priced)
    assert not any(is_priced(name) for name in unpriced)


def test_rejects_one_cost_without_the_other():
    with pytest.raises(ValidationError, match="set both"):
        LiteLLMModel(model="openai/toy", input_cost_per_token=1e-6)


@every_call
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("no_choices", "no_choices"),
        ("null", "null"),
        ("refusal", "refusal"),
        ("filtered", "refusal"),
    ],
)
def test_raises_with_usage_for_an_unusable_reply(call: Call, fault, kind: str):
    with FakeProvider(faults=[Fault(fault)]) as provider:
        with pytest.raises(ModelReplyError, match="openai/toy") as caught:
            call(make_model(provider, **PRICE), "one two")
        assert caught.value.kind == kind
        assert tokens(caught.value.usage) == provider.usage() == Tokens(2)
        assert caught.value.cost_usd == pytest.approx(2e-6)
        assert provider.calls() == 1


def test_keeps_usable_choices_if_another_is_unusable():
    with FakeProvider(lambda messages, index: None if index == 0 else f"reply {index}") as provider:
        [replies] = make_model(provider).generate([[HumanMessage("x")]], n=3).generations
        assert [reply.text for reply in replies] == ["reply 1", "reply 2"]
        assert tokens(replies[0].message.usage_metadata) == provider.usage()


@every_call
def test_accepts_an_empty_reply(call: Call):
    with FakeProvider("") as provider:
        assert call(make_model(provider), "x").text == ""


@streams
def test_raises_for_a_truncated_stream_that_litellm_ends_normally(call: Call):
    with FakeProvider("one two three four five six", faults=[Fault("truncated")]) as provider:
        with pytest.raises(ModelReplyError, match="broke off") as caught:
            call(make_model(provider), "x")
        assert (caught.value.kind, caught.value.usage, provider.usage()) == (
            "truncated",
            None,
            Tokens(),
        )


@every_call
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        *((Fault("status", status), "server") for status in (409, 425, 500, 502, 503, 529)),
        *((Fault("status", status), "timeout") for status in (408, 504)),
        *((Fault("status", status), "rejected") for status in (400, 413, 422)),
        (Fault("status", 429), "rate_limit"),
        (Fault("status", 429, message="You exceeded your current quota."), "no_quota"),
        (BAD_KEY, "bad_key"),
        (FORBIDDEN, "bad_key"),
        (NO_SUCH_MODEL, "no_model"),
        (TOO_LONG, "too_long"),
        (Fault("reset"), "connection"),
        (Fault("invalid_json"), "invalid_json"),
    ],
    ids=str,
)
def test_classifies_a_failure_after_one_request(call: Call, fault: Fault, kind: str):
    with FakeProvider(faults=[fault]) as provider:
        with pytest.raises(ModelCallError) as caught:
            call(make_model(provider), "x")
        assert classify_error(caught.value) == kind
        assert provider.calls() == 1
        if fault.kind == "status":
            assert caught.value.status_code == fault.status
            assert caught.value.headers["content-type"].startswith("application/json")


def wait_until_closed(provider: FakeProvider) -> None:
    """Wait until the client hung up, so that a server stops generating."""
    deadline = time.monotonic() + 5
    while provider.in_flight:
        assert time.monotonic() < deadline, "the connection is open"
        time.sleep(0.01)


@every_call
def test_times_out_if_the_server_hangs(call: Call):
    with FakeProvider(faults=[Fault("hang")]) as provider:
        started = time.monotonic()
        with pytest.raises(ModelCallError) as caught:
            call(make_model(provider, timeout=0.1), "x")
        assert caught.value.kind == "timeout"
        assert time.monotonic() - started < 1
        assert provider.calls() == 1
        wait_until_closed(provider)


@every_call
def test_names_an_unreachable_server(call: Call):
    base = f"http://127.0.0.1:{FakeProvider.refused_port()}/v1"
    with pytest.raises(ModelCallError) as caught:
        call(make_model(base), "x")
    assert caught.value.kind == "connection_refused"
    assert f"Is the server running at {base}?" in describe_error(caught.value)


@every_call
def test_an_https_address_of_an_http_server_is_not_retried(call: Call):
    with FakeProvider() as provider:
        base = provider.url.replace("http://", "https://")
        with pytest.raises(ModelCallError) as caught:
            call(make_model(base), "x")
    assert caught.value.kind == "not_https"
    assert caught.value.kind not in TRANSIENT
    assert describe_error(caught.value) == (
        f"The server does not speak https. Set the address (api_base) to {provider.url}"
    )


def test_cancels_a_request():
    async def cancel(model: LiteLLMModel) -> None:
        async with asyncio.timeout(0.2):
            await model.ainvoke("x")

    with FakeProvider(faults=[Fault("hang")]) as provider:
        with pytest.raises(TimeoutError):
            run(cancel(make_model(provider)))
        assert provider.calls() == 1
        wait_until_closed(provider)


@every_call
def test_returns_a_megabyte_reply_completely(call: Call):
    with FakeProvider(faults=[Fault("huge")]) as provider:
        reply = call(make_model(provider), "x")
        assert len(reply.text) >= 2**20
        assert tokens(reply.usage_metadata) == provider.usage()


def test_counts_concurrent_requests_exactly():
    async def send_all(model: LiteLLMModel) -> list[AIMessage]:
        return await asyncio.gather(*(model.ainvoke(f"question {index}") for index in range(40)))

    with FakeProvider(latency=0.2) as provider:
        replies = run(send_all(make_model(provider)))
        assert (
            sum((tokens(reply.usage_metadata) for reply in replies), Tokens()) == provider.usage()
        )
        assert provider.calls() == 40
        assert provider.peak > 20


@every_call
@pytest.mark.parametrize(
    "fault", [BAD_KEY, FORBIDDEN, Fault("status", 400, message="{key}"), Fault("null")], ids=str
)
@pytest.mark.parametrize("is_from_environment", [False, True])
def test_no_text_contains_the_key(
    call: Call, fault: Fault, is_from_environment: bool, caplog, capfd, monkeypatch
):
    caplog.set_level("INFO")  # litellm logs keys at the debug level
    if is_from_environment:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeProvider(faults=[fault]) as provider:
        fields = {"api_key": None} if is_from_environment else {}
        model = make_model(provider, **fields)
        with pytest.raises((ModelCallError, ModelReplyError)) as caught:
            call(model, "x")
        assert KEY in provider.received[0].headers["Authorization"]
    error: BaseException | None = caught.value
    texts = [repr(model), str(model), model.model_dump_json(), str(model._identifying_params)]
    texts.append(describe_error(caught.value))
    while error is not None:
        texts += [repr(error), str(vars(error)), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    texts += [caplog.text, *capfd.readouterr()]
    assert KEY not in "".join(texts)


def test_hides_the_value_of_an_unknown_field():
    with pytest.raises(ValidationError, match="apikey") as caught:
        LiteLLMModel.model_validate({"model": "openai/toy", "apikey": KEY})
    assert KEY not in str(caught.value)


@every_call
def test_without_a_key_sends_nothing_to_a_public_server(call: Call, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelCallError) as caught:
        call(make_model("http://models.example.com/v1", api_key=None), "x")
    assert caught.value.kind == "bad_key"  # litellm gives it the status 500
    assert "Set OPENAI_API_KEY" in describe_error(caught.value)


def test_imports_litellm_at_the_first_call():
    code = (
        "import sys; from selfcritic.agent.models.litellm import LiteLLMModel; LiteLLMModel(model='openai/toy');"
        "print({'litellm', 'openai', 'aiohttp'} & set(sys.modules))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout == "set()\n"


@pytest.mark.parametrize(("declared", "supported"), [(True, True), (False, False), (None, False)])
def test_supports_prefill_if_declared_or_listed(declared: bool | None, supported: bool):
    assert LiteLLMModel(model="openai/toy", prefill=declared).supports_prefill is supported
    assert LiteLLMModel(model="anthropic/claude-sonnet-4-5").supports_prefill


def test_marks_a_prefill_in_the_providers_form():
    messages = [HumanMessage("Criticize."), AIMessage("```")]
    with FakeProvider("words") as provider:
        run(make_model(provider, prefill=True).ainvoke(messages))
        run(make_model(provider, "deepseek/deepseek-chat").ainvoke(messages))
    openai, deepseek = (received.body for received in provider.received)
    assert (openai["continue_final_message"], openai["add_generation_prompt"]) == (True, False)
    assert openai["messages"][-1] == {"role": "assistant", "content": "```"}
    assert deepseek["messages"][-1] == {"role": "assistant", "content": "```", "prefix": True}
    assert "continue_final_message" not in deepseek
