"""Retries, counted at the server: each failure is tried again as often as that can help, and no more."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError
from selfcritic.agent.models.headers import retry_after
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.sampling.retry import attempts
from selfcritic.agent.schemas import Retries
from tests.support.event_loop import run
from tests.support.fake_provider import (
    BAD_KEY,
    FORBIDDEN,
    NO_SUCH_MODEL,
    PASSING,
    TOO_LONG,
    FakeProvider,
    Fault,
    Tokens,
)

AT_ONCE = Retries(first_wait=0, max_wait=0)
KEY = "planted-0f9e8d7c6b5a"


def ours(url: str) -> BaseChatModel:
    return LiteLLMModel(model="openai/toy", api_base=url, api_key=SecretStr(KEY), timeout=0.5)


def openais(url: str) -> BaseChatModel:
    return ChatOpenAI(model="toy", base_url=url, api_key=SecretStr(KEY), timeout=0.5, max_retries=0)


async def asked(ask: Callable[[], Awaitable[Any]], retries: Retries = AT_ONCE) -> Any:
    async for attempt in attempts(retries):
        with attempt:
            return await ask()
    raise AssertionError


def ask(model: BaseChatModel, retries: Retries = AT_ONCE) -> Any:
    async def ask_and_close() -> Any:
        try:
            return await asked(lambda: model.ainvoke("x"), retries)
        finally:
            if isinstance(model, ChatOpenAI):  # it keeps its connections, though the event loop ends here
                await model.root_async_client.close()

    return run(ask_and_close())


async def ask_raw_litellm(url: str) -> object:
    import litellm

    return await litellm.acompletion(
        model="openai/toy",
        api_base=url,
        api_key=KEY,
        timeout=0.5,
        max_retries=0,
        messages=[{"role": "user", "content": "x"}],
    )


STATUSES = [
    *((Fault("status", status), 4) for status in (408, 409, 425, 429, 500, 502, 503, 504)),
    *((Fault("status", status), 1) for status in (400, 413, 422)),
    (Fault("status", 429, message="You exceeded your current quota."), 1),
    *((fault, 1) for fault in (BAD_KEY, FORBIDDEN, NO_SUCH_MODEL, TOO_LONG)),
    (Fault("reset"), 4),
    (Fault("truncated"), 4),  # of a whole reply: the connection ends before its length
    (Fault("invalid_json"), 2),
]


@pytest.mark.parametrize(("fault", "calls"), STATUSES, ids=str)
@pytest.mark.parametrize("make", [ours, openais])
def test_a_failure_that_stays_is_tried_as_often_as_can_help(make, fault: Fault, calls: int):
    with FakeProvider(faults=[fault] * 9) as provider:
        with pytest.raises(Exception, match=r"(?s).") as caught:
            ask(make(provider.url))
        assert provider.calls() == calls
        assert provider.usage() == Tokens()
        assert isinstance(caught.value, ModelCallError) == (make is ours)


@pytest.mark.parametrize(("fault", "calls"), STATUSES, ids=str)
def test_litellms_own_errors_are_read_alike(fault: Fault, calls: int):
    with FakeProvider(faults=[fault] * 9) as provider:
        with pytest.raises(Exception, match=r"(?s)."):
            run(asked(lambda: ask_raw_litellm(provider.url)))
        assert provider.calls() == calls


@pytest.mark.parametrize(("fault", "calls"), [("no_choices", 2), ("null", 2), ("refusal", 1), ("filtered", 1)])
def test_a_reply_of_no_use_is_asked_for_once_more_at_most(fault, calls: int):
    with FakeProvider(faults=[Fault(fault)] * 9) as provider:
        with pytest.raises(ModelReplyError):
            ask(ours(provider.url))
        assert provider.calls() == calls


@pytest.mark.filterwarnings("ignore:Item 'summary' on TypedDict class 'ChatCompletionReasoningItem':UserWarning")
@pytest.mark.filterwarnings("ignore:Accessing the 'model_(computed_)?fields' attribute:DeprecationWarning")
def test_a_stream_that_breaks_off_is_asked_for_once_more():
    async def stream(model: BaseChatModel) -> AIMessage:
        return [chunk async for chunk in model.astream("x")][-1]

    with FakeProvider("one two three four", faults=[Fault("truncated")] * 9) as provider:
        with pytest.raises(ModelReplyError, match="broke off"):
            run(asked(lambda: stream(ours(provider.url))))
        assert provider.calls() == 2


@pytest.mark.parametrize("make", [ours, openais])
def test_a_hang_and_a_server_that_is_not_there_are_tried_again(make):
    with FakeProvider(faults=[Fault("hang")]) as provider:
        assert ask(make(provider.url)).text == "It is so."
        assert provider.calls() == 2
    tries = 0

    async def count() -> AIMessage:
        nonlocal tries
        tries += 1
        return await make(f"http://127.0.0.1:{FakeProvider.refused_port()}/v1").ainvoke("x")

    with pytest.raises(Exception, match="Connection error"):
        run(asked(count))
    assert tries == 4


@pytest.mark.parametrize("fault", PASSING, ids=str)
def test_what_passes_costs_one_more_request_and_is_counted_exactly(fault: Fault):
    with FakeProvider(faults=[fault], cached_share=1.0) as provider:
        reply = ask(ours(provider.url))
        assert reply.text == "It is so."
        assert provider.calls() == 2
        lost = Tokens(1, 0, 1) if fault.kind in ("no_choices", "null") else Tokens()  # sent, and of no use
        assert Tokens(1, 4, 1) + lost == provider.usage()


def test_different_failures_of_one_request_count_apart():
    faults = [Fault("null"), Fault("invalid_json"), Fault("status", 503), None]
    with FakeProvider(faults=faults) as provider:
        assert ask(ours(provider.url)).text == "It is so."
        assert provider.calls() == 4


def test_one_try_is_one_request():
    with FakeProvider(faults=[Fault("status", 503)]) as provider:
        with pytest.raises(ModelCallError):
            ask(ours(provider.url), Retries(tries=1))
        assert provider.calls() == 1


@pytest.mark.parametrize("make", [ours, openais])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_goes_before_our_own_wait(make, status: int):
    with FakeProvider(faults=[Fault("status", status, retry_after=0.2)]) as provider:
        ask(make(provider.url), Retries(first_wait=0.01, max_wait=5))
        assert 0.2 <= provider.waits[0] < 0.6


def test_retry_after_is_capped():
    with FakeProvider(faults=[Fault("status", 429, retry_after=3600)]) as provider:
        ask(ours(provider.url), Retries(first_wait=0, max_wait=0.05))
        assert 0.05 <= provider.waits[0] < 0.5


def test_our_own_waits_grow_up_to_the_longest():
    with FakeProvider(faults=[Fault("status", 500)] * 3) as provider:
        ask(ours(provider.url), Retries(first_wait=0.05, max_wait=0.15))
        first, second, third = provider.waits
        assert 0.05 <= first < 0.3
        assert 0.1 <= second < 0.4
        assert 0.15 <= third < 0.4


def test_the_forms_of_retry_after():
    def told(**headers: str) -> float | None:
        return retry_after(
            ModelCallError("x", headers={name.replace("_", "-"): text for name, text in headers.items()})
        )

    in_a_minute = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    assert told(Retry_After="1.5") == 1.5
    assert told(retry_after="-3") == 0
    assert told(retry_after="9", retry_after_ms="250") == 0.25
    assert told(retry_after=format_datetime(in_a_minute, usegmt=True)) == pytest.approx(60, abs=2)
    assert told(retry_after="Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert told(retry_after="soon") is told() is None
    response = httpx.Response(429, headers={"Retry-After": "7"}, request=httpx.Request("GET", "http://h"))
    assert retry_after(httpx.HTTPStatusError("x", request=response.request, response=response)) == 7


@pytest.mark.parametrize("error", [BudgetExhausted("no more"), ValueError("no"), asyncio.CancelledError()], ids=repr)
def test_what_is_no_failure_of_a_model_is_raised_at_once(error: BaseException):
    tries = 0

    async def fail() -> AIMessage:
        nonlocal tries
        tries += 1
        raise error

    with pytest.raises(type(error)):
        run(asked(fail))
    assert tries == 1


def test_a_wait_can_be_broken_off():
    async def impatient(model: BaseChatModel) -> None:
        async with asyncio.timeout(0.2):
            await asked(lambda: model.ainvoke("x"), Retries(max_wait=60))

    with FakeProvider(faults=[Fault("status", 429, retry_after=50)] * 2) as provider:
        with pytest.raises(TimeoutError):
            run(impatient(ours(provider.url)))
        assert provider.calls() == 1


def test_attempts_are_logged_without_the_key(caplog):
    caplog.set_level("INFO")
    with FakeProvider(faults=[Fault("status", 503, message="Busy, {key}.")]) as provider:
        ask(ours(provider.url))
    [record] = [record for record in caplog.records if record.name == "selfcritic.agent.sampling.retry"]
    assert record.getMessage().startswith("Attempt 1 failed, next in 0.0 s: Busy, [key]. The provider is in trouble")
    assert KEY not in caplog.text


def test_at_a_random_fault_rate_all_is_counted_and_nothing_raises_but_failures_of_models():
    def tokens(told: Any) -> Tokens:
        return Tokens(told["input_tokens"], told["output_tokens"])

    async def one(model: BaseChatModel) -> Tokens:
        spent = Tokens()

        async def attempt() -> AIMessage:
            nonlocal spent
            try:
                return await model.ainvoke("one two three")
            except ModelReplyError as error:
                spent += tokens(error.usage)
                raise

        try:
            reply = await asked(attempt)
            return spent + tokens(reply.usage_metadata)
        except (ModelCallError, ModelReplyError):
            return spent

    async def many(model: BaseChatModel) -> list[Tokens]:
        return await asyncio.gather(*(one(model) for _ in range(200)))

    with FakeProvider(fault_rate=0.3, seed=3) as provider:
        spent = run(many(LiteLLMModel(model="openai/toy", api_base=provider.url, api_key=SecretStr(KEY))))
        assert sum(spent, Tokens()) == provider.usage()
        assert provider.calls() > 260
        assert provider.calls(lambda received: received.fault is None) > 180
