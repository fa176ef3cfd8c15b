"""Classify the errors of any model client and explain them.

Errors are classified by HTTP status, headers and class names, without importing a client. This covers litellm,
langchain-openai, langchain-anthropic and similar clients.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from langchain_core.messages.ai import UsageMetadata

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.headers import headers_of, status_of

RequestErrorKind = Literal[
    "bad_key",
    "no_model",
    "too_long",
    "rejected",
    "rate_limit",
    "no_quota",
    "timeout",
    "connection",
    "server",
    "invalid_json",
    "unknown",
]
ReplyErrorKind = Literal["truncated", "no_choices", "null", "refusal"]


class ModelCallError(SelfcriticError):
    """A request to a model failed without a reply."""

    def __init__(
        self,
        message: str,
        kind: RequestErrorKind = "unknown",
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        provider: str | None = None,
        address: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status_code = status_code
        self.headers = dict(headers or {})
        """Headers of the provider's response; empty if the request did not reach the provider."""
        self.provider = provider
        self.address = address


class ModelReplyError(SelfcriticError):
    """A model's reply arrived and was charged, but is unusable."""

    def __init__(
        self,
        message: str,
        kind: ReplyErrorKind = "null",
        *,
        usage: UsageMetadata | None = None,
        cost_usd: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.usage = usage
        """Tokens that the provider reported for the reply; None if it reported nothing."""
        self.cost_usd = cost_usd


def classify_error(error: BaseException) -> RequestErrorKind | ReplyErrorKind:
    """Return the kind of a model error, "unknown" for any other error."""
    if isinstance(error, ModelCallError | ModelReplyError):
        return error.kind
    status = status_of(error)
    has_response = bool(headers_of(error)) and status is not None and status >= 400
    if not has_response:
        kind = _classify_client_error(error)
        if kind is not None:
            return kind
    if not status:
        return "unknown"
    return _classify_status(status, _provider_message(error))


def describe_error(error: BaseException) -> str:
    """Return the provider's message and a hint on one line, without API keys."""
    hint = _HINTS.get(classify_error(error), "")
    hint = hint.format(variable=_key_variable(error), address=_address(error) or "its address")
    return f"{error_message(error)} {hint}".strip()


def error_message(error: BaseException, *secrets: str) -> str:
    """Return the provider's message on one line, without API keys."""
    text = redact(_provider_message(error), *secrets)
    text = " ".join(text.split()) or type(error).__name__
    if len(text) > _MAX_MESSAGE_CHARS:
        text = text[:_MAX_MESSAGE_CHARS] + "…"
    if not text.endswith((".", "!", "?", "…")):
        text += "."
    return text


def redact(text: str, *secrets: str) -> str:
    """Replace the secrets, keys in the environment, and key-like strings."""
    candidates = list(secrets)
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name):
            candidates.append(value)
    long_enough = [value for value in candidates if len(value) >= _MIN_SECRET_CHARS]
    for secret in sorted(long_enough, key=len, reverse=True):
        text = text.replace(secret, "[key]")
    return _KEY.sub("[key]", text)


_MAX_MESSAGE_CHARS = 500
_MIN_SECRET_CHARS = 6
"""A shorter value, such as "x" or "none", occurs in ordinary text."""
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|nvapi|r8)[-_][\w*.-]{6,}\w|\bAIza[\w-]{20,}|(?<=[?&]key=)[^&\s'\"]+"
)
_CLIENT_PREFIX = re.compile(
    r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)|Timeout Error)\s*(?::|-)\s*"
)
_TOO_LONG = re.compile(
    r"context (?:length|window)|too long|too many (?:input )?tokens|maximum.{0,30}tokens",
    re.IGNORECASE,
)
_NO_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|credit balance", re.IGNORECASE
)

_TIMEOUTS = {"builtins.TimeoutError", "httpx.TimeoutException", "httpx2.TimeoutException"}
_CONNECTION_ERRORS = {
    "builtins.ConnectionError",
    "httpx.TransportError",
    "httpx2.TransportError",
    "aiohttp.ClientConnectionError",
}

_HINTS: Mapping[str, str] = {
    "bad_key": "Set {variable} to a key with access to this model; a self-hosted server accepts any key.",
    "no_model": "Check the model's name (see `selfcritic models`) and api_base, which often ends in /v1.",
    "too_long": "Shorten the question or its context, or choose a model with a larger context.",
    "rejected": "The provider does not accept this request: check the options of the model and the run.",
    "rate_limit": "Wait a little, or lower the concurrency.",
    "no_quota": "The account has no credit left: see the provider's billing page.",
    "timeout": "Raise timeout, or check whether the provider is up.",
    "connection": "Is the server running at {address}?",
    "server": "The provider is unavailable: try again later, or use another model.",
    "invalid_json": "The reply is not valid JSON: check the proxies between you and {address}.",
    "truncated": "The reply is incomplete: try again, and check the proxies between you and the provider.",
    "no_choices": "Try again, or use another model.",
    "null": "Try again, or raise max_tokens: a reasoning model can use it up before it answers.",
    "refusal": "Rephrase the question, or use another model.",
}

_KEY_VARIABLES = {
    "together_ai": "TOGETHERAI_API_KEY",
    "bedrock": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "vertex_ai": "GOOGLE_APPLICATION_CREDENTIALS",
    "huggingface": "HF_TOKEN",
    "fireworks_ai": "FIREWORKS_AI_API_KEY",
    "text-completion-openai": "OPENAI_API_KEY",
}
"""Providers whose variable is not PROVIDER_API_KEY."""


def _root_package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _cause_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes.

    litellm raises inside `except` without `from`, so its contexts count as causes. Other contexts are
    unrelated errors.
    """
    uses_context = _root_package(type(error)) == "litellm"
    link: BaseException | None = error
    while link is not None:
        yield link
        cause = link.__cause__
        if cause is None and uses_context:
            cause = link.__context__
        link = cause


def _classify_client_error(error: BaseException) -> RequestErrorKind | None:
    """Classify an error raised without a provider response."""
    names: set[str] = set()
    # anthropic, groq and others copy openai's classes into their own packages.
    bare_names: set[str] = set()
    for link in _cause_chain(error):
        for kind in type(link).__mro__:
            names.add(f"{_root_package(kind)}.{kind.__name__}")
            bare_names.add(kind.__name__)
    if "json.JSONDecodeError" in names:
        return "invalid_json"
    if any(_is_missing_key(link) for link in _cause_chain(error)):
        return "bad_key"
    if names & _TIMEOUTS or "APITimeoutError" in bare_names:
        return "timeout"
    if names & _CONNECTION_ERRORS or "APIConnectionError" in bare_names:
        return "connection"
    return None


def _is_missing_key(error: BaseException) -> bool:
    """Return whether openai's client found no key; litellm reports this as status 500."""
    kind = type(error)
    return kind.__name__ == "OpenAIError" and _root_package(kind) == "openai"


def _classify_status(status: int, message: str) -> RequestErrorKind:
    if status in (400, 402, 403, 429) and _NO_QUOTA.search(message):
        return "no_quota"
    if status in (401, 403):
        return "bad_key"
    if status == 404 or "LLM Provider NOT provided" in message:
        return "no_model"
    if status in (408, 504):
        return "timeout"
    if status == 429:
        return "rate_limit"
    if status in (409, 425, 500, 502, 503, 529):  # 529: Anthropic is overloaded
        return "server"
    if _TOO_LONG.search(message):
        return "too_long"
    return "rejected"


def _provider_message(error: BaseException) -> str:
    """Return the provider's message if the client keeps it, else the client's own."""
    details: Any = getattr(error, "body", None)
    if isinstance(details, dict):
        details = details.get("error") or details
    if isinstance(details, dict) and isinstance(details.get("message"), str):
        code = details.get("code") or ""
        return f"{details['message']} {code}".strip()
    text = str(getattr(error, "message", None) or error)
    shorter = _CLIENT_PREFIX.sub("", text)
    while shorter != text:
        text = shorter
        shorter = _CLIENT_PREFIX.sub("", text)
    return text


def _key_variable(error: BaseException) -> str:
    provider = getattr(error, "provider", None) or getattr(error, "llm_provider", None)
    if not provider:
        provider = _root_package(type(error))
    if provider in ("builtins", "selfcritic", "litellm", ""):
        return "the provider's key variable"
    if provider in _KEY_VARIABLES:
        return _KEY_VARIABLES[provider]
    name = provider.removeprefix("langchain_")
    return re.sub(r"\W", "_", name).upper() + "_API_KEY"


def _address(error: BaseException) -> str | None:
    if isinstance(error, ModelCallError):
        return error.address
    if _root_package(type(error)) == "litellm":
        return None
    attributes = vars(error)  # httpx's `request` property raises if it is not set
    request = attributes.get("request") or attributes.get("_request")
    url = urlsplit(str(getattr(request, "url", "")))
    if not url.netloc:
        return None
    return f"{url.scheme}://{url.netloc}"
