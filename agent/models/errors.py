"""Explain the errors of any model client, without API keys."""

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urljoin, urlsplit

from langchain_core.messages.ai import UsageMetadata

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.error_kinds import (
    ReplyErrorKind,
    RequestErrorKind,
    classify_error,
    is_missing_key,
    provider_message,
    root_package,
)
from selfcritic.agent.models.headers import headers_of, status_of
from selfcritic.agent.redaction import redact


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


def call_error(
    error: BaseException, secrets: tuple[str, ...], address: str | None = None
) -> ModelCallError:
    """Convert a client's error to a ModelCallError, without credentials.

    `address` is the base URL of the model, if it is known.
    """
    kind = cast(RequestErrorKind, classify_error(error))
    address = strip_url(address) if address else address_of(error)
    provider = getattr(error, "llm_provider", None) or root_package(type(error))
    return ModelCallError(
        error_message(error, *secrets),
        kind,
        status_code=status_of(error),
        headers=_redact_headers(headers_of(error), secrets),
        provider=provider,
        address=redact(address, *secrets) if address else None,
    )


def _redact_headers(headers: Mapping[str, str], secrets: tuple[str, ...]) -> dict[str, str]:
    """Remove keys, and the credentials in the target of a redirect."""
    redacted = {}
    for name, value in headers.items():
        if name == "location":
            value = strip_url(value)
        redacted[name] = redact(value, *secrets)
    return redacted


def describe_error(error: BaseException) -> str:
    """Return the provider's message and a hint on one line, without API keys."""
    kind = classify_error(error)
    hint = _HINTS.get(kind, "")
    if kind == "no_model" and str(_provider_of(error)).startswith("ollama"):
        hint = _OLLAMA_HINT
    hint = hint.format(
        variable=_key_variable(error),
        address=address_of(error) or "its address",
        plain_address=(address_of(error) or "http://…").replace("https://", "http://", 1),
        target=_redirect_target(error) or "the address it redirects to",
    )
    return f"{error_message(error)} {hint}".strip()


def error_message(error: BaseException, *secrets: str) -> str:
    """Return the provider's message on one line, without API keys."""
    text = provider_message(error)
    if not isinstance(error, ModelCallError):
        text = _MESSAGES.get(classify_error(error), text)
        if is_missing_key(error):
            text = "No API key is set."
    unknown_provider = _NO_PROVIDER.search(text)
    if unknown_provider is not None:
        text = f"'{unknown_provider[1]}' names no provider that litellm supports."
    text = text.partition(_TRACEBACK)[0][:_MAX_PROVIDER_CHARS]
    text = redact(text, *secrets)
    text = " ".join(text.split()) or type(error).__name__
    if len(text) > _MAX_MESSAGE_CHARS:
        text = text[:_MAX_MESSAGE_CHARS] + "…"
    if not text.endswith((".", "!", "?", "…")):
        text += "."
    return text


_MAX_MESSAGE_CHARS = 500
_MAX_PROVIDER_CHARS = 10_000
"""Longer messages are not searched for credentials; no more is shown in any case."""
_TRACEBACK = "Traceback (most recent call last)"
_NO_PROVIDER = re.compile(r"LLM Provider NOT provided\..*?\bmodel=(\S+)", re.DOTALL)

_MESSAGES: Mapping[str, str] = {
    "connection_refused": "Connection refused.",
    "redirect": "The server redirects the request, and redirects are not followed.",
    "not_https": "The server does not speak https.",
    "certificate": "The server's certificate is not trusted.",
}
"""Messages that replace those of the clients."""
NO_MODEL_HINT = "Check the model's name"
_OLLAMA_HINT = f"{NO_MODEL_HINT}: `ollama list` shows the names."
_HINTS: Mapping[str, str] = {
    "bad_key": "Set {variable} to a key with access to this model; a self-hosted server accepts any key.",
    "no_model": f"{NO_MODEL_HINT} (see `selfcritic models`) and api_base, which often ends in /v1.",
    "too_long": "Shorten the question or its context, or choose a model with a larger context.",
    "rejected": "The provider does not accept this request: check the options of the model and the run.",
    "redirect": "Set the address (api_base) to {target}",
    "rate_limit": "Wait a little, or lower the concurrency.",
    "no_quota": "The account has no credit left: see the provider's billing page.",
    "timeout": "Raise timeout, or check whether the provider is up.",
    "connection_refused": "Is the server running at {address}?",
    "connection": "Is the server running at {address}?",
    "not_https": "Set the address (api_base) to {plain_address}",
    "certificate": "Set SSL_CERT_FILE to the certificate of its authority, or use a trusted one.",
    "loading": "The server still loads the model: try again, or raise startup_seconds of Retries.",
    "server": "The provider is unavailable: try again later, or use another model.",
    "invalid_json": "The reply is not valid JSON: check the proxies between you and {address}.",
    "truncated": "The reply is incomplete: try again, and check the proxies between you and the provider.",
    "malformed": "The server does not reply in OpenAI's format: update it, or use another model.",
    "no_choices": "Try again, or use another model.",
    "null": "Try again, or raise max_tokens: a reasoning model can use it up before it answers.",
    "refusal": "Rephrase the question, or use another model.",
}

_REQUEST_PATHS = ("/chat/completions", "/completions", "/messages", "/responses")
"""Paths that clients append to the base URL."""
_KEY_VARIABLES = {
    "together_ai": "TOGETHERAI_API_KEY",
    "bedrock": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "vertex_ai": "GOOGLE_APPLICATION_CREDENTIALS",
    "custom_openai": "OPENAI_API_KEY",
    "huggingface": "HF_TOKEN",
    "fireworks_ai": "FIREWORKS_AI_API_KEY",
    "text-completion-openai": "OPENAI_API_KEY",
}
"""Providers whose variable is not PROVIDER_API_KEY."""


def key_variable(provider: str) -> str:
    """Return the environment variable with the API key of a litellm provider."""
    if provider in _KEY_VARIABLES:
        return _KEY_VARIABLES[provider]
    return re.sub(r"\W", "_", provider).upper() + "_API_KEY"


def address_of(error: BaseException) -> str | None:
    """Return the address of the server that a failed request was sent to, if known."""
    if isinstance(error, ModelCallError):
        return error.address
    if root_package(type(error)) == "litellm":
        return None
    attributes = vars(error)  # httpx's `request` property raises if it is not set
    request = attributes.get("request") or attributes.get("_request")
    url = urlsplit(str(getattr(request, "url", "")))
    if not url.netloc:
        return None
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def strip_url(url: str) -> str:
    """Return a URL without user name, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:  # the host is malformed
        return ""
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _provider_of(error: BaseException) -> str | None:
    return getattr(error, "provider", None) or getattr(error, "llm_provider", None)


def _key_variable(error: BaseException) -> str:
    provider = _provider_of(error) or root_package(type(error))
    if provider in ("builtins", "selfcritic", "litellm", ""):
        return "the provider's key variable"
    return key_variable(provider.removeprefix("langchain_"))


def _redirect_target(error: BaseException) -> str | None:
    """Return the base URL that a redirect points to, without secrets."""
    location = headers_of(error).get("location")
    if not location:
        return None
    target = strip_url(urljoin(address_of(error) or "", location))
    for path in _REQUEST_PATHS:
        target = target.removesuffix(path)
    return redact(target)
