"""Classification, explanation and redaction of the errors of any client."""

import json
import pickle

import httpx
import pytest

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.models.error_kinds import TRANSIENT, classify_error
from selfcritic.agent.models.errors import (
    ModelCallError,
    ModelReplyError,
    describe_error,
    error_message,
)
from selfcritic.agent.models.headers import status_of
from selfcritic.agent.redaction import redact

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


TOO_LONG = [
    (400, {"type": "exceed_context_size_error", "code": 400, "message": "x"}),
    (400, {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "x"}),
    (413, {"type": "request_too_large", "message": "x"}),
    *(
        (400, {"message": message})
        for message in (
            "request (9191 tokens) exceeds the available context size (4096 tokens), try increasing it",
            "the request exceeds the available context size. try increasing the context size",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
            "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "the input length exceeds the context length",
            "prompt too long; exceeded max context length by 20 tokens",
            "Input is too long for requested model.",
            "too many tokens: total number of tokens in the prompt cannot exceed 4081",
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
            "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with "
            "context length of only 4096 tokens",
            "Requested tokens (5000) exceed context window of 4096",
            "Invalid request: Your request exceeded model token limit: 8192",
            "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
            "Request body too large for gpt-4o model. Max size: 8000 tokens.",
            "Total tokens of image and text exceed max message tokens",
            "Prompt 超长",
        )
    ),
    (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` "
        "tokens and 20 `max_new_tokens`",
    ),
    (500, {"message": "the request exceeds the available context size"}),
]


def body_error(status: int, body: object) -> Exception:
    """Create an error like openai's, with the `error` field of a response."""
    response = httpx.Response(status, headers={"content-type": "application/json"})
    return make_error(
        "openai",
        "APIStatusError",
        message=f"Error code: {status} - {body}",
        status_code=status,
        response=response,
        body=body,
    )


@pytest.mark.parametrize(("status", "body"), TOO_LONG, ids=str)
def test_recognizes_a_context_overflow(status: int, body: object):
    error = body_error(status, body)
    assert classify_error(error) == "too_long"
    assert describe_error(error).endswith("choose a model with a larger context.")


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 5000. This model supports at most 4096 completion tokens.",
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model",
        "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 "
        "tokens and your request has 20 input tokens.",
        "max_tokens: 300000 > 64000, which is the maximum allowed number of output tokens",
        "Unsupported value: 'n' must be 1.",
        "Unrecognized request argument supplied: top_logprobs",
    ],
)
def test_does_not_take_other_rejections_for_an_overflow(message: str):
    assert classify_error(body_error(400, {"message": message})) == "rejected"


@pytest.mark.parametrize("status", [401, 429, 503])
def test_other_statuses_are_no_overflow_by_words(status: int):
    assert classify_error(body_error(status, {"message": "too long"})) != "too_long"


@pytest.mark.parametrize(
    "message",
    ["Loading model", "Model x is currently loading", "The model is warming up"],
)
def test_recognizes_a_server_that_loads_its_model(message: str):
    assert classify_error(body_error(503, {"message": message})) == "loading"
    assert classify_error(body_error(503, {"message": "Overloaded"})) == "server"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connection refused"),
        with_cause(httpx.ConnectError("All connection attempts failed"), ConnectionRefusedError()),
        with_cause(
            httpx.ConnectError("All connection attempts failed"),
            ExceptionGroup("multiple", [ConnectionRefusedError(), ConnectionRefusedError()]),
        ),
        httpx.ConnectError("[Errno 111] Connect call failed ('::1', 8000, 0, 0)"),
    ],
    ids=repr,
)
def test_recognizes_a_refused_connection(error: Exception):
    assert classify_error(error) == "connection_refused"
    assert describe_error(error).startswith("Connection refused. Is the server running at")


def test_a_lost_connection_is_not_refused():
    assert (
        classify_error(httpx.ConnectError("[Errno -2] Name or service not known")) == "connection"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)", "not_https"),
        ("[SSL: RECORD_LAYER_FAILURE] record layer failure (_ssl.c:1032)", "not_https"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed", "certificate"),
        ("record layer failure", "connection"),
    ],
)
def test_recognizes_a_failed_handshake(text: str, kind: str):
    error = httpx.ConnectError(text)
    assert classify_error(error) == kind
    assert (kind in TRANSIENT) == (kind == "connection")


def test_a_missing_key_is_named_without_the_advice_of_the_client():
    missing = make_error("openai", "OpenAIError", message="Missing credentials. Please pass x")
    wrapped = make_error(
        "litellm.exceptions", "InternalServerError", status_code=500, llm_provider="openai"
    )
    assert describe_error(with_cause(wrapped, missing)).startswith(
        "No API key is set. Set OPENAI_API_KEY to a key"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"error":"model \'x\' not found"}', "model 'x' not found."),
        ('{"error": {"message": "No model x"}}', "No model x."),
        ('{"error": 5}', '{"error": 5}.'),
        ("{x}", "{x}."),
    ],
)
def test_a_message_in_json_is_unwrapped(text: str, message: str):
    error = make_error(
        "litellm.exceptions",
        "APIConnectionError",
        message=f"litellm.APIConnectionError: Ollama_chatException - {text}",
    )
    assert error_message(error) == message


def test_the_address_of_ollama_does_not_end_in_v1():
    error = ModelCallError("No model x.", "no_model", provider="ollama_chat")
    assert describe_error(error) == (
        "No model x. Check the model's name: `ollama list` shows the names."
    )


def test_an_argument_that_the_client_does_not_know_is_rejected():
    error = make_error("litellm.exceptions", "InternalServerError", status_code=500)
    error.__context__ = TypeError("create() got an unexpected keyword argument 'top_logprobs'")
    assert classify_error(error) == "rejected"
    error.__context__ = TypeError("'NoneType' object is not subscriptable")
    assert classify_error(error) == "server"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://b:1/v1/chat/completions", "https://b:1/v1"),
        ("/other/v1/chat/completions", "http://a:2/other/v1"),
        ("https://user:password@b/v1/messages?key=abcdef123456#x", "https://b/v1"),
    ],
)
def test_names_the_target_of_a_redirect(location: str, target: str):
    error = ModelCallError(
        "Moved.", "redirect", headers={"location": location}, address="http://a:2/v1"
    )
    assert describe_error(error) == f"Moved. Set the address (api_base) to {target}"


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
