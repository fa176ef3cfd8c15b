"""Classification, explanation and redaction of the errors of any client."""

import json
import pickle

import httpx
import pytest

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.models.error_kinds import classify_error
from selfcritic.agent.models.errors import (
    ModelCallError,
    ModelReplyError,
    describe_error,
    redact,
)
from selfcritic.agent.models.headers import status_of

KEY = "planted-0f9e8d7c6b5a"


def make_error(
    module: str,
    name: str,
    base: type[Exception] = Exception,
    message: str = "It failed.",
    **attributes,
) -> Exception:
    """Create an error like that of a client that is not installed."""
    error_class = type(name, (base,), {"__module__": module})
    error = error_class(message)
    vars(error).update(attributes)
    return error


def status_error(status: int, message: str, module: str = "anthropic", **headers: str) -> Exception:
    """Create an error like openai's and anthropic's, with status, response and body."""
    response = httpx.Response(status, headers={"content-type": "application/json"} | headers)
    body = {"type": "error", "error": {"type": "some_error", "message": message}}
    text = f"Error code: {status} - {body}"
    return make_error(
        module, "APIStatusError", message=text, status_code=status, response=response, body=body
    )


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


GET = httpx.Request("GET", "http://h:1")
INVALID_JSON = json.JSONDecodeError("Expecting value", "<html>", 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((status_error(status, "x"), "server") for status in (409, 425, 500, 502, 503, 529)),
        *((status_error(status, "x"), "bad_key") for status in (401, 403)),
        *((status_error(status, "x"), "rejected") for status in (400, 413, 422, 501)),
        *((status_error(status, "x"), "timeout") for status in (408, 504)),
        (status_error(404, "x"), "no_model"),
        (status_error(429, "x"), "rate_limit"),
        (status_error(429, "You exceeded your current quota, please check your plan"), "no_quota"),
        (status_error(400, "Your credit balance is too low"), "no_quota"),
        (status_error(400, "prompt is too long: 210000 tokens > 200000 maximum"), "too_long"),
        (status_error(400, "This model's maximum context length is 8192 tokens."), "too_long"),
        (status_error(413, "Request too large: too many tokens"), "too_long"),
        (make_error("anthropic", "APIConnectionError"), "connection"),
        (
            make_error(
                "anthropic", "APITimeoutError", type(make_error("anthropic", "APIConnectionError"))
            ),
            "timeout",
        ),
        (with_cause(make_error("groq", "APIError"), httpx.ConnectError("refused")), "connection"),
        (httpx.ConnectError("refused"), "connection"),
        (httpx.ReadError("reset"), "connection"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (ConnectionResetError("reset"), "connection"),
        (TimeoutError(), "timeout"),
        (INVALID_JSON, "invalid_json"),
        (make_error("some_client", "ServerError", code=503), "server"),
        (ModelReplyError("x", "refusal"), "refusal"),
        (ModelCallError("x", "no_quota", status_code=429), "no_quota"),
        (
            httpx.HTTPStatusError("x", request=GET, response=httpx.Response(502, request=GET)),
            "server",
        ),
        (ValueError("no"), "unknown"),
        (OSError("disk full"), "unknown"),
        (BudgetExhausted("no more"), "unknown"),
        (KeyboardInterrupt(), "unknown"),
    ],
    ids=repr,
)
def test_classifies_errors(error: BaseException, kind: str):
    assert classify_error(error) == kind


def test_ignores_the_context_of_an_error():
    error = ValueError("a mistake in the handler")
    error.__context__ = ConnectionResetError("reset")
    assert classify_error(error) == "unknown"


@pytest.mark.parametrize(
    ("error", "explanation"),
    [
        (
            status_error(401, "invalid x-api-key"),
            "invalid x-api-key. Set ANTHROPIC_API_KEY to a key",
        ),
        (status_error(401, "no", module="openai"), "no. Set OPENAI_API_KEY to a key"),
        (
            ModelCallError("No.", "bad_key", provider="together_ai"),
            "No. Set TOGETHERAI_API_KEY to a key",
        ),
        (ModelCallError("No.", "bad_key"), "No. Set the provider's key variable to a key"),
        (
            status_error(404, "model: claude-9"),
            "model: claude-9. Check the model's name (see `selfcritic models`)",
        ),
        (status_error(400, "prompt is too long"), "prompt is too long. Shorten the question"),
        (
            status_error(400, "n is not supported"),
            "n is not supported. The provider does not accept",
        ),
        (status_error(429, "Slow down!"), "Slow down! Wait a little, or lower the concurrency."),
        (status_error(503, "x"), "x. The provider is unavailable: try again later"),
        (
            ModelCallError("Connection error.", "connection", address="http://h:1/v1"),
            "running at http://h:1/v1?",
        ),
        (
            with_cause(
                make_error(
                    "openai",
                    "APIConnectionError",
                    request=httpx.Request("POST", "http://h:1/v1/chat"),
                ),
                INVALID_JSON,
            ),
            "h:1",
        ),
        (httpx.ReadTimeout(""), "ReadTimeout. Raise timeout,"),
        (
            ModelReplyError("m sent a reply without content", "null"),
            "content. Try again, or raise max_tokens",
        ),
        (ModelReplyError("m refused to answer: no", "refusal"), "no. Rephrase the question"),
        (ValueError("It is no number"), "It is no number."),
    ],
    ids=repr,
)
def test_explains_errors_with_the_message_and_a_hint(error: BaseException, explanation: str):
    assert explanation in describe_error(error)
    assert "\n" not in describe_error(error)


def test_drops_client_prefixes_and_cuts_long_messages():
    message = "litellm.BadRequestError: OpenAIException - <html>\n" + "long words " * 500
    explanation = describe_error(
        make_error("litellm.exceptions", "BadRequestError", message=message, status_code=400)
    )
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
def test_redacts_strings_that_look_like_keys(text: str):
    redacted = redact(text)
    assert "[key]" in redacted
    for fragment in ("abcDEF", "f123", "SyA123"):
        assert fragment not in redacted


def test_redacts_keys_in_the_environment_and_secrets(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", KEY)
    monkeypatch.setenv("OTHER_API_KEY", "none")
    assert (
        redact(f"not {KEY}, and none other-{KEY[8:]}", KEY[8:]) == "not [key], and none other-[key]"
    )
    assert KEY not in describe_error(status_error(401, f"bad key {KEY}"))


def test_keeps_text_without_keys():
    text = "The task-specific skill of risk-averse desk-workers; keyboard=3, token 5, sk- and pk."
    assert redact(text) == text


def test_pickles_model_errors():
    call = ModelCallError(
        "No.", "rate_limit", status_code=429, headers={"retry-after": "1"}, provider="openai"
    )
    reply = ModelReplyError(
        "No.", "refusal", usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    )
    for error in (call, reply):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled here
        assert (str(copy), vars(copy)) == (str(error), vars(error))
    assert status_of(call) == 429
