"""What can go wrong with a model: the kinds of failure, read off the errors of any client, and what to do about them.

No client is imported here. An error is known by its status, its headers and the names of its classes, so that litellm,
langchain-openai, langchain-anthropic and their like are read alike.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from langchain_core.messages.ai import UsageMetadata

from selfcritic.agent.errors import SelfcriticError

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
    """A request to a model brought no reply."""

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
        """What the provider sent along; empty where the request never got to it."""
        self.provider = provider
        self.address = address


class ModelReplyError(SelfcriticError):
    """A model's reply came, was paid for, and is of no use."""

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
        """What the provider says the reply took; None where it says nothing."""
        self.cost_usd = cost_usd


def classify_error(error: BaseException) -> RequestErrorKind | ReplyErrorKind:
    """What kind of failure an error is; "unknown" where it is none of a model's."""
    if isinstance(error, ModelCallError | ModelReplyError):
        return error.kind
    status = status_of(error)
    is_final_answer = bool(headers_of(error)) and (status or 0) >= 400
    if not is_final_answer and (kind := _unanswered(list(_links(error)))):
        return kind
    return _by_status(status, _said(error)) if status else "unknown"


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error carries."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "code"):
            if isinstance(status := getattr(holder, name, None), int):
                return int(status)
    return None


def headers_of(error: BaseException) -> dict[str, str]:
    """The headers of the provider's response, their names in lower case; empty where there was none."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("litellm_response_headers", "headers"):
            if isinstance(headers := getattr(holder, name, None), Mapping) and headers:
                return {str(key).lower(): str(value) for key, value in headers.items()}
    return {}


def describe_error(error: BaseException) -> str:
    """The provider's words and what to do, in one line and without any key."""
    hint = _HINTS.get(classify_error(error), "").format(
        variable=_key_variable(error), address=_address(error) or "its address"
    )
    return f"{words(error)} {hint}".strip()


def words(error: BaseException, *secrets: str) -> str:
    """What the provider said, in one line and without any key."""
    text = " ".join(redact(_said(error), *secrets).split()) or type(error).__name__
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return text if text.endswith((".", "!", "?", "…")) else text + "."


def redact(text: str, *secrets: str) -> str:
    """The text without the given secrets, the keys in the environment, and all that looks like a key."""
    kept = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    for secret in sorted((value for value in (*secrets, *kept) if len(value) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(secret, "[key]")
    return _KEY.sub("[key]", text)


_LONGEST = 500
_SHORTEST = 6
"""Of a value from the environment that is taken for a key: "x" or "none" would be found in any text."""
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|nvapi|r8)[-_][\w*.-]{6,}\w|\bAIza[\w-]{20,}|(?<=[?&]key=)[^&\s'\"]+")
_CLIENT_PREFIX = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)|Timeout Error)\s*(?::|-)\s*")
_TOO_LONG = re.compile(
    r"context (?:length|window)|too long|too many (?:input )?tokens|maximum.{0,30}tokens", re.IGNORECASE
)
_NO_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|credit balance", re.IGNORECASE)

_TIMEOUTS = {"builtins.TimeoutError", "httpx.TimeoutException", "httpx2.TimeoutException"}
_CONNECTIONS = {
    "builtins.ConnectionError",
    "httpx.TransportError",
    "httpx2.TransportError",
    "aiohttp.ClientConnectionError",
}

_HINTS: Mapping[str, str] = {
    "bad_key": "Set {variable} to a key that may use this model; a server of your own takes any.",
    "no_model": "Check the model's name (see `selfcritic models`) and api_base, which often ends in /v1.",
    "too_long": "Shorten the question or its context, or choose a model with a larger context.",
    "rejected": "The provider does not take the request as it is.",
    "rate_limit": "Wait a little, or lower the concurrency.",
    "no_quota": "The account has nothing left to spend: see the provider's billing page.",
    "timeout": "Raise timeout, or see whether the provider is up.",
    "connection": "Is the server running at {address}?",
    "server": "The provider is in trouble: try again later, or name another model.",
    "invalid_json": "The provider's reply is garbled: see what stands between you and {address}.",
    "truncated": "The reply broke off: try again, and see what stands between you and the provider.",
    "no_choices": "Try again, or name another model.",
    "null": "Try again, or raise max_tokens, which a model that reasons can use up before it answers.",
    "refusal": "Put the question differently, or name another model.",
}

_KEY_VARIABLES = {
    "together_ai": "TOGETHERAI_API_KEY",
    "bedrock": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "vertex_ai": "GOOGLE_APPLICATION_CREDENTIALS",
    "huggingface": "HF_TOKEN",
    "fireworks_ai": "FIREWORKS_AI_API_KEY",
    "text-completion-openai": "OPENAI_API_KEY",
}
"""Of the providers whose variable is not their name and _API_KEY."""


def _root(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _links(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from. litellm raises within `except`, without a `from`; elsewhere that is chance."""
    of_litellm = _root(type(error)) == "litellm"
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (link.__context__ if of_litellm else None)


def _unanswered(links: list[BaseException]) -> RequestErrorKind | None:
    """The kind of a failure that the provider did not tell of itself."""
    kinds = [kind for link in links for kind in type(link).__mro__]
    names = {f"{_root(kind)}.{kind.__name__}" for kind in kinds}
    bare = {kind.__name__ for kind in kinds}  # anthropic, groq and more have openai's classes under their own roof
    if "json.JSONDecodeError" in names:
        return "invalid_json"
    if any(f"{_root(type(link))}.{type(link).__name__}" == "openai.OpenAIError" for link in links):
        return "bad_key"  # the client's own complaint that there is none, which litellm gives the status 500
    if names & _TIMEOUTS or "APITimeoutError" in bare:
        return "timeout"
    return "connection" if names & _CONNECTIONS or "APIConnectionError" in bare else None


def _by_status(status: int, said: str) -> RequestErrorKind:
    if status in (400, 402, 403, 429) and _NO_QUOTA.search(said):
        return "no_quota"
    if status in (401, 403):
        return "bad_key"
    if status == 404 or "LLM Provider NOT provided" in said:
        return "no_model"
    if status in (408, 504):
        return "timeout"
    if status == 429:
        return "rate_limit"
    if status in (409, 425, 500, 502, 503, 529):  # 529: Anthropic is overloaded
        return "server"
    return "too_long" if _TOO_LONG.search(said) else "rejected"


def _said(error: BaseException) -> str:
    """The provider's own message where the client keeps it apart, else the client's."""
    body: Any = getattr(error, "body", None)
    if isinstance(body, dict):
        body = body.get("error") or body
        if isinstance(body, dict) and isinstance(body.get("message"), str):
            return " ".join(filter(None, (body["message"], str(body.get("code") or ""))))
    text = str(getattr(error, "message", None) or error)
    while (shorter := _CLIENT_PREFIX.sub("", text)) != text:
        text = shorter
    return text


def _key_variable(error: BaseException) -> str:
    provider = getattr(error, "provider", None) or getattr(error, "llm_provider", None) or _root(type(error))
    if provider in ("builtins", "selfcritic", "litellm", ""):
        return "the provider's key variable"
    return _KEY_VARIABLES.get(provider, re.sub(r"\W", "_", provider.removeprefix("langchain_")).upper() + "_API_KEY")


def _address(error: BaseException) -> str | None:
    if isinstance(error, ModelCallError):
        return error.address
    carried = vars(error)  # for httpx's `request` raises where there is none
    url = urlsplit(str(getattr(carried.get("request") or carried.get("_request"), "url", "")))
    return f"{url.scheme}://{url.netloc}" if url.netloc and _root(type(error)) != "litellm" else None


def rate_limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that tell of rate limits, without a client's prefix; the others are nobody's business."""
    named = {str(name).lower().removeprefix("llm_provider-"): str(value) for name, value in headers.items()}
    return {name: value for name, value in named.items() if "ratelimit-" in name}
