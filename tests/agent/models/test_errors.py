"""What kind of failure an error is, and what is said about it, for the errors of any client."""

import json
import pickle

import httpx
import pytest

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.models.errors import (
    ModelCallError,
    ModelReplyError,
    classify_error,
    describe_error,
    redact,
)
from selfcritic.agent.models.headers import status_of

KEY = "planted-0f9e8d7c6b5a"


def of(module: str, name: str, base: type[Exception] = Exception, message: str = "It failed.", **carried) -> Exception:
    """An error as a client raises it that is not installed here."""
    error = type(name, (base,), {"__module__": module})(message)
    vars(error).update(carried)
    return error


def last_exchange(status: int, message: str, module: str = "anthropic", **headers: str) -> Exception:
    """An error of a client as openai's and anthropic's are: status, response, body."""
    response = httpx.Response(status, headers={"content-type": "application/json"} | headers)
    body = {"type": "error", "error": {"type": "some_error", "message": message}}
    said = f"Error code: {status} - {body}"
    return of(module, "APIStatusError", message=said, status_code=status, response=response, body=body)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


GET = httpx.Request("GET", "http://h:1")
GARBLED = json.JSONDecodeError("Expecting value", "<html>", 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((last_exchange(status, "x"), "server") for status in (409, 425, 500, 502, 503, 529)),
        *((last_exchange(status, "x"), "bad_key") for status in (401, 403)),
        *((last_exchange(status, "x"), "rejected") for status in (400, 413, 422, 501)),
        *((last_exchange(status, "x"), "timeout") for status in (408, 504)),
        (last_exchange(404, "x"), "no_model"),
        (last_exchange(429, "x"), "rate_limit"),
        (last_exchange(429, "You exceeded your current quota, please check your plan"), "no_quota"),
        (last_exchange(400, "Your credit balance is too low"), "no_quota"),
        (last_exchange(400, "prompt is too long: 210000 tokens > 200000 maximum"), "too_long"),
        (last_exchange(400, "This model's maximum context length is 8192 tokens."), "too_long"),
        (last_exchange(413, "Request too large: too many tokens"), "too_long"),
        (of("anthropic", "APIConnectionError"), "connection"),
        (of("anthropic", "APITimeoutError", type(of("anthropic", "APIConnectionError"))), "timeout"),
        (caused(of("groq", "APIError"), httpx.ConnectError("refused")), "connection"),
        (httpx.ConnectError("refused"), "connection"),
        (httpx.ReadError("reset"), "connection"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (ConnectionResetError("reset"), "connection"),
        (TimeoutError(), "timeout"),
        (GARBLED, "invalid_json"),
        (of("some_client", "ServerError", code=503), "server"),
        (ModelReplyError("x", "refusal"), "refusal"),
        (ModelCallError("x", "no_quota", status_code=429), "no_quota"),
        (httpx.HTTPStatusError("x", request=GET, response=httpx.Response(502, request=GET)), "server"),
        (ValueError("no"), "unknown"),
        (OSError("disk full"), "unknown"),
        (BudgetExhausted("no more"), "unknown"),
        (KeyboardInterrupt(), "unknown"),
    ],
    ids=repr,
)
def test_an_error_is_of_its_kind(error: BaseException, kind: str):
    assert classify_error(error) == kind


def test_what_an_error_merely_came_after_is_not_its_cause():
    error = ValueError("a mistake in the handler")
    error.__context__ = ConnectionResetError("reset")
    assert classify_error(error) == "unknown"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (last_exchange(401, "invalid x-api-key"), "invalid x-api-key. Set ANTHROPIC_API_KEY to a key"),
        (last_exchange(401, "no", module="openai"), "no. Set OPENAI_API_KEY to a key"),
        (ModelCallError("No.", "bad_key", provider="together_ai"), "No. Set TOGETHERAI_API_KEY to a key"),
        (ModelCallError("No.", "bad_key"), "No. Set the provider's key variable to a key"),
        (last_exchange(404, "model: claude-9"), "model: claude-9. Check the model's name (see `selfcritic models`)"),
        (last_exchange(400, "prompt is too long"), "prompt is too long. Shorten the question"),
        (last_exchange(400, "n is not supported"), "n is not supported. The provider does not take"),
        (last_exchange(429, "Slow down!"), "Slow down! Wait a little, or lower the concurrency."),
        (last_exchange(503, "x"), "x. The provider is in trouble: try again later"),
        (ModelCallError("Connection error.", "connection", address="http://h:1/v1"), "running at http://h:1/v1?"),
        (
            caused(of("openai", "APIConnectionError", request=httpx.Request("POST", "http://h:1/v1/chat")), GARBLED),
            "h:1",
        ),
        (httpx.ReadTimeout(""), "ReadTimeout. Raise timeout,"),
        (ModelReplyError("m sent a reply without content", "null"), "content. Try again, or raise max_tokens"),
        (ModelReplyError("m refused to answer: no", "refusal"), "no. Put the question differently"),
        (ValueError("It is no number"), "It is no number."),
    ],
    ids=repr,
)
def test_an_explanation_has_the_words_and_what_to_do(error: BaseException, said: str):
    assert said in describe_error(error)
    assert "\n" not in describe_error(error)


def test_a_clients_own_prefixes_are_dropped_and_long_words_are_cut():
    message = "litellm.BadRequestError: OpenAIException - <html>\n" + "long words " * 500
    explanation = describe_error(of("litellm.exceptions", "BadRequestError", message=message, status_code=400))
    assert explanation.startswith("<html> long words long")
    assert len(explanation) < 700


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcDEF123456-_x. Find it at https://x",
        "Incorrect API key provided: sk-proj-********************f123.",
        "for url 'https://x.googleapis.com/v1?key=abcDEF123456&alt=sse'",
        "AIzaSyA1234567890abcdefghijkl is not valid",
        "gsk_abcDEF123456 hf_abcDEF123456 xai-abcDEF123456",
    ],
)
def test_what_looks_like_a_key_is_not_told(text: str):
    told = redact(text)
    assert "[key]" in told
    assert not any(part in told for part in ("abcDEF", "f123", "SyA123"))


def test_keys_in_the_environment_and_keys_named_are_not_told(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", KEY)
    monkeypatch.setenv("OTHER_API_KEY", "none")
    assert (
        redact(f"{KEY} is none of mine, nor is other-{KEY[8:]}", KEY[8:]) == "[key] is none of mine, nor is other-[key]"
    )
    assert KEY not in describe_error(last_exchange(401, f"bad key {KEY}"))


def test_words_without_a_key_stay_as_they_are():
    text = "The task-specific skill of risk-averse desk-workers; keyboard=3, token 5, sk- and pk."
    assert redact(text) == text


def test_an_error_of_ours_survives_being_saved():
    call = ModelCallError("No.", "rate_limit", status_code=429, headers={"retry-after": "1"}, provider="openai")
    reply = ModelReplyError("No.", "refusal", usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    for error in (call, reply):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert (str(again), vars(again)) == (str(error), vars(error))
    assert status_of(call) == 429
