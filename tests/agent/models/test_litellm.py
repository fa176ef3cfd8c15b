"""The model behind litellm, against a local server: what is sent, what comes back, what it costs, how it fails."""

import asyncio
import functools
import operator
import subprocess
import sys
import time
import traceback
from collections.abc import Callable

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import SecretStr, ValidationError

from selfcritic.agent.models.errors import ModelCallError, ModelReplyError, classify_error, describe_error
from selfcritic.agent.models.litellm import LiteLLMModel, is_priced
from selfcritic.agent.sampling.sampler import probability_of_yes
from tests.support.event_loop import run
from tests.support.fake_provider import BAD_KEY, FORBIDDEN, NO_SUCH_MODEL, TOO_LONG, FakeProvider, Fault, Tokens

pytestmark = [  # litellm's own, at the end of a stream
    pytest.mark.filterwarnings("ignore:Item 'summary' on TypedDict class 'ChatCompletionReasoningItem':UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_(computed_)?fields' attribute:DeprecationWarning"),
]
KEY = "planted-0f9e8d7c6b5a"
PRICE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 3e-6}


def model(provider: FakeProvider | str, name: str = "openai/toy", **fields) -> LiteLLMModel:
    base = provider if isinstance(provider, str) else provider.url
    return LiteLLMModel(model=name, api_base=base, **{"api_key": SecretStr(KEY), "timeout": 5.0} | fields)


def whole(one: BaseChatModel, asked, **options) -> AIMessage:
    return one.invoke(asked, **options)


def whole_async(one: BaseChatModel, asked, **options) -> AIMessage:
    return run(one.ainvoke(asked, **options))


def streamed(one: BaseChatModel, asked, **options) -> AIMessage:
    return functools.reduce(operator.add, one.stream(asked, **options))


def streamed_async(one: BaseChatModel, asked, **options) -> AIMessage:
    async def collect() -> AIMessage:
        return functools.reduce(operator.add, [chunk async for chunk in one.astream(asked, **options)])

    return run(collect())


Way = Callable[..., AIMessage]
every_way = pytest.mark.parametrize("way", [whole, whole_async, streamed, streamed_async])
in_streams = pytest.mark.parametrize("way", [streamed, streamed_async])


def tokens(told) -> Tokens:
    return Tokens(told["input_tokens"], told["output_tokens"], told["input_token_details"]["cache_read"])


@pytest.fixture(autouse=True)
def _nothing_stays_open():
    """Synchronous calls of litellm make a loop where the thread never had one, and keep their clients."""
    run(asyncio.sleep(0))
    yield
    run(asyncio.sleep(0))


@every_way
def test_the_reply_and_what_it_took_are_the_servers(way: Way):
    with FakeProvider("It is  so,\nI say.", cached_share=0.5) as provider:
        reply = way(model(provider), "one two three four")
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


def test_native_n_is_one_request_with_its_usage_on_the_first_reply():
    with FakeProvider(lambda messages, index: f"reply {index}") as provider:
        result = run(model(provider).agenerate([[HumanMessage("x")]], n=3))
        replies = [generation.message for generation in result.generations[0]]
        assert [reply.text for reply in replies] == ["reply 0", "reply 1", "reply 2"]
        assert tokens(replies[0].usage_metadata) == provider.usage()
        assert [reply.usage_metadata for reply in replies[1:]] == [None, None]
        assert ["cost_usd" in reply.response_metadata for reply in replies] == [True, False, False]
        assert provider.calls() == 1


def test_a_server_that_ignores_n_gives_one_reply():
    with FakeProvider(n="ignore") as provider:
        assert len(model(provider).generate([[HumanMessage("x")]], n=3).generations[0]) == 1


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("options", [{"n": 2}, {"logprobs": True, "top_logprobs": 5}])
def test_a_parameter_that_is_rejected_can_be_told_from_other_failures(status: int, options: dict[str, object]):
    with FakeProvider(n="reject", logprobs="reject", rejects_with=status) as provider:
        with pytest.raises(ModelCallError, match=rf"Unsupported parameter: '{next(iter(options))}'") as caught:
            model(provider).invoke("x", **options)
        assert (caught.value.kind, caught.value.status_code, provider.calls()) == ("rejected", status, 1)


@every_way
def test_logprobs_have_the_form_of_openai(way: Way):
    with FakeProvider(0.8) as provider:
        reply = way(model(provider), "x", logprobs=True, top_logprobs=20)
        [first] = reply.response_metadata["logprobs"]["content"]
        assert (first["token"], len(first["top_logprobs"])) == ("Yes", 2)
        assert all(sorted(option) == ["logprob", "token"] for option in first["top_logprobs"])
        assert probability_of_yes(reply) == pytest.approx(0.8)


@every_way
def test_logprobs_that_are_left_out_are_none(way: Way):
    with FakeProvider("Yes", logprobs="ignore") as provider:
        assert way(model(provider), "x", logprobs=True).response_metadata["logprobs"] is None


@every_way
def test_what_is_given_is_sent_and_nothing_else(way: Way):
    with FakeProvider("one; two. three") as provider:
        one = model(provider, temperature=0.5, max_tokens=9)
        assert way(one, "x", seed=7, stop=[";", "."], temperature=0.25).text == "one"
        way(model(provider), "x", temperature=None, seed=None, logprobs=None)
        always = {"model": "toy", "messages": [{"role": "user", "content": "x"}]}
        given = {"temperature": 0.25, "max_tokens": 9, "seed": 7, "stop": [";", "."]}
        stream = {"stream": True, "stream_options": {"include_usage": True}} if "streamed" in way.__name__ else {}
        assert [received.body for received in provider.received] == [always | given | stream, always | stream]


def test_a_prefix_is_handed_over_and_continued():
    with FakeProvider("A draft of it.") as provider:
        reply = model(provider).invoke([HumanMessage("x"), AIMessage("A draft")])
        assert reply.text == " of it."
        assert provider.received[0].body["messages"][-1] == {"role": "assistant", "content": "A draft"}


@every_way
def test_cost_is_the_known_price_of_the_tokens(way: Way):
    with FakeProvider(cached_share=0.5) as provider:
        priced, told = model(provider, "openai/gpt-4o-mini"), model(provider, **PRICE)
        assert (priced.is_priced, told.is_priced, model(provider).is_priced) == (True, True, False)
        cost = way(priced, "one two three four").response_metadata["cost_usd"]
        assert cost == pytest.approx(2 * 0.15e-6 + 2 * 0.075e-6 + 4 * 0.6e-6)  # OpenAI's list: cached input is half
        assert way(told, "one two").response_metadata["cost_usd"] == pytest.approx(2e-6 + 4 * 3e-6)


def test_a_price_is_known_only_where_litellm_has_the_very_model():
    known = ["gpt-4o-mini", "openai/gpt-4o-mini", "azure/gpt-4o-mini", "vertex_ai/gemini-2.5-pro", "ollama/llama3"]
    unknown = ["toy", "openai/toy", "hosted_vllm/gpt-4o-mini", "ollama/toy", "github_copilot/gpt-4o"]
    assert [is_priced(name) for name in known + unknown] == [True] * 5 + [False] * 5


def test_one_price_without_the_other_is_an_error():
    with pytest.raises(ValidationError, match="given together"):
        LiteLLMModel(model="openai/toy", input_cost_per_token=1e-6)


@every_way
@pytest.mark.parametrize(
    ("fault", "kind"), [("no_choices", "no_choices"), ("null", "null"), ("refusal", "refusal"), ("filtered", "refusal")]
)
def test_a_reply_of_no_use_is_an_error_with_its_usage(way: Way, fault, kind: str):
    with FakeProvider(faults=[Fault(fault)]) as provider:
        with pytest.raises(ModelReplyError, match="openai/toy") as caught:
            way(model(provider, **PRICE), "one two")
        assert caught.value.kind == kind
        assert tokens(caught.value.usage) == provider.usage() == Tokens(2)
        assert caught.value.cost_usd == pytest.approx(2e-6)
        assert provider.calls() == 1


def test_choices_of_use_are_kept_beside_one_that_is_not():
    with FakeProvider(lambda messages, index: None if index == 0 else f"reply {index}") as provider:
        [replies] = model(provider).generate([[HumanMessage("x")]], n=3).generations
        assert [reply.text for reply in replies] == ["reply 1", "reply 2"]
        assert tokens(replies[0].message.usage_metadata) == provider.usage()


@every_way
def test_a_reply_that_says_nothing_is_a_reply(way: Way):
    with FakeProvider("") as provider:
        assert way(model(provider), "x").text == ""


@in_streams
def test_a_stream_that_breaks_off_is_an_error_though_litellm_ends_it_well(way: Way):
    with FakeProvider("one two three four five six", faults=[Fault("truncated")]) as provider:
        with pytest.raises(ModelReplyError, match="broke off") as caught:
            way(model(provider), "x")
        assert (caught.value.kind, caught.value.usage, provider.usage()) == ("truncated", None, Tokens())


@every_way
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
def test_a_failure_is_of_its_kind_after_one_request(way: Way, fault: Fault, kind: str):
    with FakeProvider(faults=[fault]) as provider:
        with pytest.raises(ModelCallError) as caught:
            way(model(provider), "x")
        assert classify_error(caught.value) == kind
        assert provider.calls() == 1
        if fault.kind == "status":
            assert caught.value.status_code == fault.status
            assert caught.value.headers["content-type"].startswith("application/json")


@every_way
def test_a_hang_ends_at_the_timeout(way: Way):
    with FakeProvider(faults=[Fault("hang")]) as provider:
        started = time.monotonic()
        with pytest.raises(ModelCallError) as caught:
            way(model(provider, timeout=0.1), "x")
        assert caught.value.kind == "timeout"
        assert time.monotonic() - started < 1
        assert provider.calls() == 1


@every_way
def test_a_server_that_is_not_there_is_named(way: Way):
    base = f"http://127.0.0.1:{FakeProvider.refused_port()}/v1"
    with pytest.raises(ModelCallError) as caught:
        way(model(base), "x")
    assert caught.value.kind == "connection"
    assert f"Is the server running at {base}?" in describe_error(caught.value)


def test_a_request_that_is_cancelled_is_given_up():
    async def cancelled(one: LiteLLMModel) -> None:
        async with asyncio.timeout(0.2):
            await one.ainvoke("x")

    with FakeProvider(faults=[Fault("hang")]) as provider:
        with pytest.raises(TimeoutError):
            run(cancelled(model(provider)))
        assert provider.calls() == 1


@every_way
def test_a_megabyte_arrives_whole(way: Way):
    with FakeProvider(faults=[Fault("huge")]) as provider:
        reply = way(model(provider), "x")
        assert len(reply.text) >= 2**20
        assert tokens(reply.usage_metadata) == provider.usage()


def test_many_at_once_are_counted_exactly():
    async def many(one: LiteLLMModel) -> list[AIMessage]:
        return await asyncio.gather(*(one.ainvoke(f"question {index}") for index in range(40)))

    with FakeProvider(latency=0.2) as provider:
        replies = run(many(model(provider)))
        assert sum((tokens(reply.usage_metadata) for reply in replies), Tokens()) == provider.usage()
        assert provider.calls() == 40
        assert provider.peak > 20


@every_way
@pytest.mark.parametrize("fault", [BAD_KEY, FORBIDDEN, Fault("status", 400, message="{key}"), Fault("null")], ids=str)
@pytest.mark.parametrize("is_from_environment", [False, True])
def test_no_text_has_the_key(way: Way, fault: Fault, is_from_environment: bool, caplog, capfd, monkeypatch):
    caplog.set_level("INFO")  # the rest is what litellm tells those who debug it
    if is_from_environment:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeProvider(faults=[fault]) as provider:
        one = model(provider, **({"api_key": None} if is_from_environment else {}))
        with pytest.raises((ModelCallError, ModelReplyError)) as caught:
            way(one, "x")
        assert KEY in provider.received[0].headers["Authorization"]
    error: BaseException | None = caught.value
    told = [repr(one), str(one), one.model_dump_json(), str(one._identifying_params), describe_error(caught.value)]
    while error is not None:
        told += [repr(error), str(vars(error)), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    assert KEY not in "".join([*told, caplog.text, *capfd.readouterr()])


def test_a_misspelt_field_is_an_error_that_does_not_show_it():
    with pytest.raises(ValidationError, match="apikey") as caught:
        LiteLLMModel.model_validate({"model": "openai/toy", "apikey": KEY})
    assert KEY not in str(caught.value)


@every_way
def test_without_a_key_nothing_is_sent_and_the_variable_is_named(way: Way, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FakeProvider() as provider:
        with pytest.raises(ModelCallError) as caught:
            way(model(provider, api_key=None), "x")
        assert caught.value.kind == "bad_key"  # litellm gives it the status 500
        assert "Set OPENAI_API_KEY" in describe_error(caught.value)
        assert provider.calls() == 0


def test_litellm_is_imported_at_the_first_call_only():
    code = (
        "import sys; from selfcritic.agent.models.litellm import LiteLLMModel; LiteLLMModel(model='openai/toy');"
        "print({'litellm', 'openai', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(("declared", "known"), [(True, True), (False, False), (None, False)])
def test_whether_a_prefix_is_taken_is_declared_or_known(declared: bool | None, known: bool):
    assert LiteLLMModel(model="openai/toy", prefill=declared).supports_prefill is known
    assert LiteLLMModel(model="anthropic/claude-sonnet-4-5").supports_prefill


def test_a_reply_begun_is_marked_as_the_provider_wants_it():
    begun = [HumanMessage("Criticise."), AIMessage("```")]
    with FakeProvider("words") as provider:
        run(model(provider, prefill=True).ainvoke(begun))
        run(model(provider, "deepseek/deepseek-chat").ainvoke(begun))
    openai, deepseek = (received.body for received in provider.received)
    assert (openai["continue_final_message"], openai["add_generation_prompt"]) == (True, False)
    assert openai["messages"][-1] == {"role": "assistant", "content": "```"}
    assert deepseek["messages"][-1] == {"role": "assistant", "content": "```", "prefix": True}
    assert "continue_final_message" not in deepseek
