"""Retries, counted at the server: each error is retried only as often as that can help."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.sampling.retry import call_with_retries
from selfcritic.agent.schemas import Retries
from tests.support.event_loop import run
from tests.support.fake_provider import (
    BAD_KEY,
    FORBIDDEN,
    NO_SUCH_MODEL,
    TOO_LONG,
    TRANSIENT,
    FakeProvider,
    Fault,
    Tokens,
)

WITHOUT_WAITS = Retries(first_wait=0, max_wait=0, startup_seconds=0)
KEY = "planted-0f9e8d7c6b5a"


def litellm_model(url: str, timeout: float = 60) -> BaseChatModel:
    return LiteLLMModel(model="openai/toy", api_base=url, api_key=SecretStr(KEY), timeout=timeout)


def openai_model(url: str, timeout: float = 60) -> BaseChatModel:
    return ChatOpenAI(
        model="toy", base_url=url, api_key=SecretStr(KEY), timeout=timeout, max_retries=0
    )


async def retry(send: Callable[[], Awaitable[Any]], retries: Retries = WITHOUT_WAITS) -> Any:
    return await call_with_retries(send, retries)


def invoke(
    model: BaseChatModel,
    retries: Retries = WITHOUT_WAITS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Any:
    async def invoke_and_close() -> Any:
        try:
            return await call_with_retries(lambda: model.ainvoke("x"), retries, sleep)
        finally:
            if isinstance(model, ChatOpenAI):  # its connections must not outlive the event loop
                await model.root_async_client.close()

    return run(invoke_and_close())


def waits_of(model: BaseChatModel, retries: Retries) -> list[float]:
    """Return the seconds that a call waits between its attempts, without waiting."""
    waits: list[float] = []

    async def record(seconds: float) -> None:
        waits.append(seconds)

    invoke(model, retries, record)
    return waits


async def send_with_litellm(url: str) -> object:
    import litellm

    return await litellm.acompletion(
        model="openai/toy",
        api_base=url,
        api_key=KEY,
        timeout=60,
        max_retries=0,
        messages=[{"role": "user", "content": "x"}],
    )


STATUSES = [
    *((Fault("status", status), 4) for status in (408, 409, 425, 429, 500, 502, 503, 504)),
    *((Fault("status", status), 1) for status in (400, 413, 422)),
    (Fault("status", 429, message="You exceeded your current quota."), 1),
    *((fault, 1) for fault in (BAD_KEY, FORBIDDEN, NO_SUCH_MODEL, TOO_LONG)),
    (Fault("reset"), 4),
    (Fault("truncated"), 4),  # the connection ends before the content length
    (Fault("invalid_json"), 2),
]


@pytest.mark.parametrize(("fault", "calls"), STATUSES, ids=str)
@pytest.mark.parametrize("make_model", [litellm_model, openai_model])
def test_retries_a_permanent_failure_by_its_kind(make_model, fault: Fault, calls: int):
    with FakeProvider(faults=[fault] * 9) as provider:
        with pytest.raises(Exception, match=r"(?s).") as caught:
            invoke(make_model(provider.url))
        assert provider.calls() == calls
        assert provider.usage() == Tokens()
        assert isinstance(caught.value, ModelCallError) == (make_model is litellm_model)


@pytest.mark.parametrize(("fault", "calls"), STATUSES, ids=str)
def test_retries_litellms_own_errors_alike(fault: Fault, calls: int):
    with FakeProvider(faults=[fault] * 9) as provider:
        with pytest.raises(Exception, match=r"(?s)."):
            run(retry(lambda: send_with_litellm(provider.url)))
        assert provider.calls() == calls


@pytest.mark.parametrize(
    ("fault", "calls"), [("no_choices", 2), ("null", 2), ("refusal", 1), ("filtered", 1)]
)
def test_retries_an_unusable_reply_at_most_once(fault, calls: int):
    with FakeProvider(faults=[Fault(fault)] * 9) as provider:
        with pytest.raises(ModelReplyError):
            invoke(litellm_model(provider.url))
        assert provider.calls() == calls


@pytest.mark.filterwarnings(
    "ignore:Item 'summary' on TypedDict class 'ChatCompletionReasoningItem':UserWarning"
)
@pytest.mark.filterwarnings(
    "ignore:Accessing the 'model_(computed_)?fields' attribute:DeprecationWarning"
)
def test_retries_a_truncated_stream_once():
    async def stream(model: BaseChatModel) -> AIMessage:
        return [chunk async for chunk in model.astream("x")][-1]

    with FakeProvider("one two three four", faults=[Fault("truncated")] * 9) as provider:
        with pytest.raises(ModelReplyError, match="broke off"):
            run(retry(lambda: stream(litellm_model(provider.url))))
        assert provider.calls() == 2


@pytest.mark.parametrize("make_model", [litellm_model, openai_model])
def test_retries_a_hang_and_an_unreachable_server(make_model):
    with FakeProvider(faults=[Fault("hang")]) as provider:
        assert invoke(make_model(provider.url, timeout=0.5)).text == "It is so."
        assert provider.calls() == 2
    tries = 0

    async def count() -> AIMessage:
        nonlocal tries
        tries += 1
        return await make_model(f"http://127.0.0.1:{FakeProvider.refused_port()}/v1").ainvoke("x")

    with pytest.raises(Exception, match=r"Connection (?:refused|error)"):
        run(retry(count))
    assert tries == 4


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
def test_transient_fault_costs_one_request_and_usage_is_exact(fault: Fault):
    with FakeProvider(faults=[fault], cached_share=1.0) as provider:
        reply = invoke(litellm_model(provider.url))
        assert reply.text == "It is so."
        assert provider.calls() == 2
        is_unusable_reply = fault.kind in ("no_choices", "null")
        lost = Tokens(1, 0, 1) if is_unusable_reply else Tokens()
        assert Tokens(1, 4, 1) + lost == provider.usage()


def test_counts_each_kind_of_failure_separately():
    faults = [Fault("null"), Fault("invalid_json"), Fault("status", 503), None]
    with FakeProvider(faults=faults) as provider:
        assert invoke(litellm_model(provider.url)).text == "It is so."
        assert provider.calls() == 4


def test_sends_one_request_with_one_try():
    with FakeProvider(faults=[Fault("status", 503)]) as provider:
        with pytest.raises(ModelCallError):
            invoke(litellm_model(provider.url), Retries(tries=1))
        assert provider.calls() == 1


@pytest.mark.parametrize("make_model", [litellm_model, openai_model])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_overrides_the_computed_wait(make_model, status: int):
    with FakeProvider(faults=[Fault("status", status, retry_after=3)]) as provider:
        [wait] = waits_of(make_model(provider.url), Retries(first_wait=0.01, max_wait=5))
        assert 3 <= wait <= 3.01


def test_caps_retry_after_at_max_wait():
    with FakeProvider(faults=[Fault("status", 429, retry_after=3600)]) as provider:
        assert waits_of(litellm_model(provider.url), Retries(first_wait=0, max_wait=5)) == [5]


def test_computed_waits_grow_up_to_max_wait():
    with FakeProvider(faults=[Fault("status", 500)] * 3) as provider:
        first, second, third = waits_of(
            litellm_model(provider.url), Retries(first_wait=1, max_wait=2.5)
        )
        assert 1 <= first <= 2
        assert 2 <= second <= 2.5
        assert third == 2.5


def test_waits_in_real_time():
    with FakeProvider(faults=[Fault("status", 503, retry_after=0.2)]) as provider:
        invoke(litellm_model(provider.url), Retries(first_wait=0, max_wait=5))
        assert provider.waits[0] >= 0.2


@pytest.mark.parametrize(
    "error", [BudgetExhausted("no more"), ValueError("no"), asyncio.CancelledError()], ids=repr
)
def test_raises_other_errors_at_once(error: BaseException):
    tries = 0

    async def fail() -> AIMessage:
        nonlocal tries
        tries += 1
        raise error

    with pytest.raises(type(error)):
        run(retry(fail))
    assert tries == 1


def test_cancels_a_wait():
    async def cancel(model: BaseChatModel) -> None:
        async with asyncio.timeout(0.2):
            await retry(lambda: model.ainvoke("x"), Retries(max_wait=60))

    with FakeProvider(faults=[Fault("status", 429, retry_after=50)] * 2) as provider:
        with pytest.raises(TimeoutError):
            run(cancel(litellm_model(provider.url)))
        assert provider.calls() == 1


def test_logs_attempts_without_the_key(caplog):
    caplog.set_level("INFO")
    with FakeProvider(faults=[Fault("status", 503, message="Busy, {key}.")]) as provider:
        invoke(litellm_model(provider.url))
    [record] = [
        record for record in caplog.records if record.name == "selfcritic.agent.sampling.retry"
    ]
    assert record.getMessage().startswith(
        "Attempt 1 failed, next in 0.0 s: Busy, [key]. The provider is unavailable"
    )
    assert KEY not in caplog.text


def test_random_faults_raise_only_model_errors_and_usage_is_exact():
    def tokens(usage: Any) -> Tokens:
        return Tokens(usage["input_tokens"], usage["output_tokens"])

    async def send(model: BaseChatModel) -> Tokens:
        total = Tokens()

        async def attempt() -> AIMessage:
            nonlocal total
            try:
                return await model.ainvoke("one two three")
            except ModelReplyError as error:
                total += tokens(error.usage)
                raise

        try:
            reply = await retry(attempt)
            return total + tokens(reply.usage_metadata)
        except (ModelCallError, ModelReplyError):
            return total

    async def send_all(model: BaseChatModel) -> list[Tokens]:
        return await asyncio.gather(*(send(model) for _ in range(200)))

    with FakeProvider(fault_rate=0.3, seed=3) as provider:
        model = LiteLLMModel(model="openai/toy", api_base=provider.url, api_key=SecretStr(KEY))
        totals = run(send_all(model))
        assert sum(totals, Tokens()) == provider.usage()
        assert provider.calls() > 260
        assert provider.calls(lambda received: received.fault is None) > 180
