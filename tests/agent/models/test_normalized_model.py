"""Any chat model in the loop: bounded time, readable replies, errors and traces without credentials."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiohttp import web
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.outputs import LLMResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from selfcritic.agent.models.credentials import mask_secrets, model_secrets
from selfcritic.agent.models.deadline import Deadline
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError
from selfcritic.agent.models.exchange import watch_exchange
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.models.normalized_model import NormalizedModel
from tests.support.event_loop import run
from tests.support.fake_provider import FakeProvider, Fault, Received

CANARY = "Canary-7f3a9b"
MESSAGES: list[BaseMessage] = [HumanMessage("Which city?")]


def litellm_model(url: str, **fields: Any) -> BaseChatModel:
    return LiteLLMModel(model="openai/toy", api_base=url, api_key=SecretStr("none"), **fields)


def openai_model(url: str, **fields: Any) -> BaseChatModel:
    return ChatOpenAI(
        model="toy", base_url=url, **{"api_key": SecretStr("none"), "max_retries": 0, **fields}
    )


every_client = pytest.mark.parametrize("make_model", [litellm_model, openai_model])
MakeModel = Callable[..., BaseChatModel]


async def ask_async(model: BaseChatModel, *, streams: bool = False, handler: Any = None) -> Any:
    """Return the first reply of a request through the wrapper."""
    wrapped = NormalizedModel.wrap(model)
    callbacks = [handler] if handler else None
    options = {"stream": True} if streams else {}
    result = await wrapped.agenerate([MESSAGES], callbacks=callbacks, **options)
    return result.generations[0][0].message


def ask(model: BaseChatModel, *, streams: bool = False, handler: Any = None) -> Any:
    return run(ask_async(model, streams=streams, handler=handler))


class BodyProvider(FakeProvider):
    """Replies with a given JSON body and status 200."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        return web.json_response(self.body)


def completion(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "toy"} | {
        "choices": [choice],
        "usage": usage,
    }


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@every_client
@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Ly"}, {"type": "text", "text": "on"}], "Lyon"),
        (["Lyon"], "Lyon"),
        (7, "7"),
    ],
    ids=str,
)
def test_reads_a_content_that_is_not_a_string(make_model: MakeModel, content: Any, text: str):
    with BodyProvider(completion(content=content)) as provider:
        message = ask(make_model(provider.url))
    assert message.text == text
    assert message.usage_metadata["input_tokens"] == 5
    assert message.usage_metadata["output_tokens"] == 7


ODD_LOGPROBS: list[Any] = [
    {"content": [{"token": "Yes", "logprob": "x", "top_logprobs": "y"}]},
    {"content": [{"token": 3, "logprob": None, "top_logprobs": [None, 4]}]},
    {"content": [{"token": "Yes", "logprob": 10**400, "bytes": [999], "top_logprobs": []}]},
    {"content": "x"},
    {"tokens": ["Yes"], "token_logprobs": None},
    [],
    "x",
]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@every_client
@pytest.mark.parametrize("logprobs", ODD_LOGPROBS, ids=str)
def test_odd_logprobs_do_not_lose_the_reply(make_model: MakeModel, logprobs: Any):
    body = completion(content="Yes")
    body["choices"][0]["logprobs"] = logprobs
    with BodyProvider(body) as provider:
        assert ask(make_model(provider.url)).text == "Yes"


@every_client
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "Slow down", "code": 429}, "rate_limit"),
        ({"message": "Slow down", "code": "rate_limit_exceeded"}, "rate_limit"),
        ({"message": "Slow down", "type": "rate_limit_error"}, "rate_limit"),
        ({"message": "Bad key", "code": "invalid_api_key"}, "bad_key"),
        ({"message": "Busy", "code": "503"}, "server"),
        ({"message": "No", "code": 400}, "rejected"),
        ({"message": "prompt is too long", "type": "invalid_request_error"}, "too_long"),
        ("Something failed", "server"),
    ],
    ids=str,
)
def test_classifies_an_error_object_with_status_200(make_model: MakeModel, error: Any, kind: str):
    with BodyProvider({"error": error}) as provider, pytest.raises(ModelCallError) as caught:
        ask(make_model(provider.url))
    assert caught.value.kind == kind
    assert str(caught.value) == (error if isinstance(error, str) else error["message"])


@every_client
@pytest.mark.parametrize("body", [{}, [1, 2], {"choices": None}, {"choices": [1]}], ids=str)
def test_a_body_that_is_no_completion_is_malformed(make_model: MakeModel, body: Any):
    with BodyProvider(body) as provider, pytest.raises(ModelReplyError) as caught:
        ask(make_model(provider.url))
    assert caught.value.kind in ("malformed", "no_choices", "null")
    assert "site-packages" not in str(caught.value)


@every_client
@pytest.mark.parametrize("streams", [False, True])
def test_the_timeout_bounds_a_slow_drip(make_model: MakeModel, streams: bool):
    with (
        FakeProvider(faults=[Fault("drip")]) as provider,
        pytest.raises(ModelCallError, match=r"No complete reply within 0\.3 seconds") as caught,
    ):
        ask(make_model(provider.url, timeout=0.3), streams=streams)
    assert caught.value.kind == "timeout"


@every_client
def test_the_timeout_bounds_a_slow_drip_of_synchronous_calls(make_model: MakeModel):
    with FakeProvider(faults=[Fault("drip")]) as provider:
        model = NormalizedModel.wrap(make_model(provider.url, timeout=0.3))
        with pytest.raises(ModelCallError) as caught:
            model.invoke(MESSAGES)
    assert caught.value.kind == "timeout"


def test_a_synchronous_stream_is_bounded():
    with FakeProvider(faults=[Fault("drip")]) as provider, pytest.raises(ModelCallError) as caught:
        list(litellm_model(provider.url, timeout=0.3).stream(MESSAGES))
    assert caught.value.kind == "timeout"


def test_only_waiting_for_the_server_counts():
    async def read_slowly() -> None:
        deadline = Deadline(0.2)
        for _ in range(4):
            async with deadline:
                await asyncio.sleep(0)
            await asyncio.sleep(0.1)
        for _ in range(4):
            async with deadline:
                await asyncio.sleep(0.1)

    with pytest.raises(TimeoutError, match=r"No complete reply within 0\.2 seconds"):
        asyncio.run(read_slowly())


def test_other_timeouts_keep_their_message():
    async def fail() -> None:
        async with Deadline(None):
            raise TimeoutError("of the client")

    with pytest.raises(TimeoutError, match="of the client"):
        asyncio.run(fail())


def test_httpx_is_unchanged_outside_of_an_exchange():
    with watch_exchange():
        pass
    moved = Fault("status", 302, location="http://127.0.0.1:9")
    with FakeProvider(faults=[moved]) as provider, httpx.Client() as client:
        url = f"{provider.url}/chat/completions"
        with pytest.raises(httpx.ConnectError):
            client.post(url, json={"messages": []}, follow_redirects=True)


class Tracer(BaseCallbackHandler):
    """Keeps all that a tracer sees, as text."""

    def __init__(self) -> None:
        self.seen = ""

    def on_chat_model_start(self, serialized: Any, messages: Any, **options: Any) -> None:
        self.seen += f"{serialized} {options}"

    def on_llm_end(self, response: LLMResult, **options: Any) -> None:
        self.seen += f"{response} {options}"

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **options: Any) -> None:
        link: BaseException | None = error
        while link is not None:
            self.seen += f"{link!r} {vars(link)} {options}"
            link = link.__cause__ or link.__context__


SECRET_FIELDS: list[dict[str, Any]] = [
    {"api_key": SecretStr(CANARY)},
    {"default_headers": {"X-Portal": CANARY}},
    {"default_headers": {"Authorization": f"Bearer {CANARY}"}},
    {"default_query": {"key": CANARY}},
    {"extra_body": {"api_key": CANARY}},
    {"openai_organization": None, "api_key": SecretStr(CANARY), "model_kwargs": {}},
]


@pytest.mark.parametrize("fields", SECRET_FIELDS, ids=str)
@pytest.mark.parametrize("streams", [False, True])
def test_tracers_see_no_credentials(fields: dict[str, Any], streams: bool):
    async def ask_twice(model: BaseChatModel) -> ModelCallError:
        await ask_async(model, streams=streams, handler=tracer)
        with pytest.raises(ModelCallError) as caught:
            await ask_async(model, streams=streams, handler=tracer)
        return caught.value

    refused = Fault("status", 401, message=f"Wrong: {CANARY}, {CANARY.upper()}.")
    tracer = Tracer()
    with FakeProvider("Lyon", faults=[None, refused]) as provider:
        model = openai_model(provider.url, **fields)
        error = run(ask_twice(model))
    assert str(error) == "Wrong: [key], [key]."
    assert error.kind == "bad_key"
    assert "Lyon" in tracer.seen
    assert CANARY.lower() not in tracer.seen.lower()


def test_tracers_see_no_credentials_of_an_address():
    tracer = Tracer()
    with FakeProvider("Lyon") as provider:
        url = provider.url.replace("http://", f"http://user:{CANARY}@")
        assert ask(openai_model(url), handler=tracer).text == "Lyon"
        with pytest.raises(ModelCallError) as caught:  # aiohttp refuses a user and a key
            ask(litellm_model(url), handler=tracer)
    assert CANARY not in tracer.seen
    assert CANARY not in str(vars(caught.value))


def test_finds_the_credentials_of_a_model():
    model = openai_model(
        f"http://user:{CANARY}-1@h/v1?token={CANARY}-2",
        api_key=SecretStr(f"{CANARY}-3"),
        default_headers={"Authorization": f"Bearer {CANARY}-4", "User-Agent": "someone"},
        default_query={"sig": f"{CANARY}-5"},
        http_client=httpx.Client(headers={"X-Key": f"{CANARY}-6"}),
    )
    secrets = model_secrets(model)
    for number in range(1, 7):
        assert f"{CANARY}-{number}" in secrets
    assert "someone" not in secrets


def test_masks_only_credentials():
    fields = {"model": "toy", "headers": {"Accept": "text/html", "X-A": "b"}, "n": 1, "seed": None}
    masked = {**fields, "headers": {"Accept": "text/html", "X-A": "[key]"}}
    assert mask_secrets(fields, ()) == masked
    assert mask_secrets(["a", {"token": "b"}], ()) == ["a", {"token": "[key]"}]


def test_wraps_a_model_once_and_follows_its_settings():
    model = litellm_model("http://h/v1")
    wrapped = NormalizedModel.wrap(model)
    model.tags = ["later"]
    assert NormalizedModel.wrap(model) is wrapped
    assert wrapped.tags == ["later"]


@pytest.mark.parametrize("streams", [False, True])
def test_the_log_of_the_http_client_has_no_credentials(
    streams: bool, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "httpx")
    with FakeProvider("Lyon") as provider:
        ask(openai_model(provider.url, default_query={"sig": CANARY}), streams=streams)
    [message] = [text for text in caplog.messages if "HTTP Request" in text]
    assert "/chat/completions?" in message
    assert CANARY not in caplog.text
