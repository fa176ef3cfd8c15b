"""Classify the errors of any model client.

Errors are classified by HTTP status, error codes, headers and class names, without importing a client. This covers
litellm, langchain-openai, langchain-anthropic and similar clients.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from selfcritic.agent.models.headers import headers_of, status_of

RequestErrorKind = Literal[
    "bad_key",
    "no_model",
    "too_long",
    "rejected",
    "redirect",
    "rate_limit",
    "no_quota",
    "timeout",
    "connection_refused",
    "connection",
    "not_https",
    "certificate",
    "loading",
    "server",
    "invalid_json",
    "unknown",
]
ReplyErrorKind = Literal["truncated", "no_choices", "malformed", "null", "refusal"]

TRANSIENT = frozenset(
    {"rate_limit", "timeout", "connection_refused", "connection", "loading", "server"}
)
"""Kinds after which the same request may succeed."""
STARTING = frozenset({"connection_refused", "loading"})
"""Kinds of a server that is not ready yet."""

_TIMEOUTS = {"builtins.TimeoutError", "httpx.TimeoutException", "httpx2.TimeoutException"}
_CONNECTION_ERRORS = {
    "builtins.ConnectionError",
    "httpx.TransportError",
    "httpx2.TransportError",
    "aiohttp.ClientConnectionError",
}
_CONTEXT_OVERFLOWS = {"ContextWindowExceededError", "ContextOverflowError"}
"""Classes of litellm and of langchain-core."""
_TOO_LONG_CODES = {
    "context_length_exceeded",
    "context_window_exceeded",
    "context_limit_exceeded",
    "exceed_context_size_error",
    "input_too_long",
    "max_prompt_tokens_exceeded",
    "model_max_prompt_tokens_exceeded",
    "prompt_too_long",
    "request_too_large",
    "tokens_limit_reached",
}
_TOO_LONG = re.compile(
    r"\b(?:context|prompt|input) (?:length|window|size|limit)\b|too long|\bmax input\b|超长"
    r"|too many (?:input |prompt |total )?tokens|(?:prompt|request|input)\b.{0,40}too large"
    r"|\binputs?\W* tokens \+|exceed.{0,40}(?:tokens allowed|token limit|message tokens)"
    r"|(?:input|prompt|request|messages?)\b.{0,60}(?:exceed|greater|longer|limit).{0,40}tokens"
    r"|reduce the length of (?:the|your) (?:messages?|prompt|input)"
    r"|maximum (?:input|prompt|model) (?:length|tokens?)|longer than the (?:maximum )?model",
    re.IGNORECASE,
)
_CODE_KINDS: Mapping[str, RequestErrorKind] = {
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "too_many_requests": "rate_limit",
    "resource_exhausted": "rate_limit",
    "invalid_api_key": "bad_key",
    "authentication_error": "bad_key",
    "unauthorized": "bad_key",
    "permission_error": "bad_key",
    "permission_denied": "bad_key",
    "model_not_found": "no_model",
    "not_found_error": "no_model",
    "insufficient_quota": "no_quota",
    "timeout": "timeout",
    "request_timeout": "timeout",
    "invalid_request_error": "rejected",
    "bad_request": "rejected",
    "content_filter": "rejected",
}
"""Kinds of the codes and types in error objects, if there is no error status."""
_OUTPUT_LIMIT = re.compile(
    r"(?<!\+ )(?<!\+ `)\bmax_(?:completion_|output_|new_)?tokens\W+"
    r"(?:must|is too|too|cannot|should|exceeds)\b",
    re.IGNORECASE,
)
"""Messages about a limit of the reply, which may also mention the context."""
_NO_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|credit balance", re.IGNORECASE
)
_REFUSED = re.compile(r"connection refused|connect call failed|errno (?:61|111|10061)\b", re.I)
_NOT_HTTPS = re.compile(r"wrong.version.number|record.layer.failure|http.request", re.IGNORECASE)
_CERTIFICATE = re.compile(r"certificate.verify.failed|self.signed.certificate", re.IGNORECASE)
_LOADING = re.compile(
    r"\bloading (?:the )?model|\bis (?:still |currently )?(?:loading|being loaded|warming up)",
    re.IGNORECASE,
)
_UNEXPECTED_ARGUMENT = re.compile(r"unexpected keyword argument")


def classify_error(error: BaseException) -> RequestErrorKind | ReplyErrorKind:
    """Return the kind of a model error, "unknown" for any other error."""
    kind = getattr(error, "kind", None)
    if root_package(type(error)) == "selfcritic" and kind is not None:
        return cast(RequestErrorKind | ReplyErrorKind, kind)
    status = status_of(error)
    has_response = bool(headers_of(error)) and status is not None and status >= 300
    if not has_response:
        client_kind = _classify_client_error(error)
        if client_kind is not None:
            return client_kind
    if not status:
        return "unknown"
    return _classify_response(status, error)


class _BodyError(Exception):
    """An error object in the body of a response."""

    def __init__(self, body: Any) -> None:
        super().__init__(body_error_message(body))
        self.body = body


def classify_body_error(body: Any) -> RequestErrorKind:
    """Return the kind of an error object that came with status 200, by its code, type and words.

    An unknown one may be transient: gateways report the failures of their providers in this way.
    """
    fields = body if isinstance(body, Mapping) else {}
    error = _BodyError(body)
    for name in ("code", "status", "type"):
        code = str(fields.get(name) or "").lower()
        if code.isdecimal() and 300 <= int(code) < 600:
            return _classify_response(int(code), error)
        if code in _TOO_LONG_CODES:
            return "too_long"
        if code in _CODE_KINDS:
            kind = _CODE_KINDS[code]
            return _classify_response(400, error) if kind == "rejected" else kind
    return "server"


def body_error_message(body: Any) -> str:
    """Return the message of an error object."""
    if isinstance(body, Mapping):
        return str(body.get("message") or body.get("detail") or body.get("type") or dict(body))
    return str(body)


def root_package(kind: type) -> str:
    """Return the top-level package that defines a class."""
    return kind.__module__.partition(".")[0]


def cause_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes.

    litellm raises inside `except` without `from`, so its contexts count as causes. Other contexts are
    unrelated errors. Each error of a group is a cause.
    """
    uses_context = root_package(type(error)) == "litellm"
    link: BaseException | None = error
    while link is not None:
        yield link
        if isinstance(link, BaseExceptionGroup):
            yield from link.exceptions
        cause = link.__cause__
        if cause is None and uses_context:
            cause = link.__context__
        link = cause


def is_network_error(error: BaseException) -> bool:
    """Return whether a connection failed, timed out, or carried invalid JSON."""
    classes = _TIMEOUTS | _CONNECTION_ERRORS | {"json.JSONDecodeError"}
    for link in cause_chain(error):
        for kind in type(link).__mro__:
            if f"{root_package(kind)}.{kind.__name__}" in classes:
                return True
    return False


def response_body(error: BaseException) -> Any:
    """Return the `error` field of the provider's JSON, or the whole JSON, or None."""
    for link in cause_chain(error):
        body = getattr(link, "body", None)
        if body is None and link.args and isinstance(link.args[0], dict):
            body = link.args[0]  # langchain-openai raises ValueError(error object)
        if isinstance(body, dict):
            return body.get("error") or body
        if isinstance(body, str) and body:
            return body
    return None


def _classify_client_error(error: BaseException) -> RequestErrorKind | None:
    """Classify an error raised without a provider response."""
    names: set[str] = set()
    # anthropic, groq and others copy openai's classes into their own packages.
    bare_names: set[str] = set()
    texts = []
    for link in cause_chain(error):
        texts.append(str(link))
        for kind in type(link).__mro__:
            names.add(f"{root_package(kind)}.{kind.__name__}")
            bare_names.add(kind.__name__)
    if "json.JSONDecodeError" in names:
        return "invalid_json"
    if is_missing_key(error):
        return "bad_key"
    if "builtins.TypeError" in names and _UNEXPECTED_ARGUMENT.search("\n".join(texts)):
        return "rejected"
    if names & _TIMEOUTS or "APITimeoutError" in bare_names:
        return "timeout"
    if names & _CONNECTION_ERRORS or "APIConnectionError" in bare_names:
        if tls_kind := _classify_tls_error("\n".join(texts)):
            return tls_kind
        is_refused = "builtins.ConnectionRefusedError" in names
        if is_refused or _REFUSED.search("\n".join(texts)):
            return "connection_refused"
        return "connection"
    return None


def _classify_tls_error(text: str) -> RequestErrorKind | None:
    """Classify a connection error that recurs: no https, or a certificate that is not trusted."""
    if _CERTIFICATE.search(text):
        return "certificate"
    if "ssl" in text.lower() and _NOT_HTTPS.search(text):
        return "not_https"
    return None


def is_missing_key(error: BaseException) -> bool:
    """Return whether a client found no key, before any request."""
    return any(_is_missing_key(link) for link in cause_chain(error))


def _is_missing_key(error: BaseException) -> bool:
    """Return whether openai's client found no key; litellm reports this as status 500."""
    kind = type(error)
    return kind.__name__ == "OpenAIError" and root_package(kind) == "openai"


def _classify_response(status: int, error: BaseException) -> RequestErrorKind:
    message = provider_message(error)
    if 300 <= status < 400:
        return "redirect"
    if status != 429 and _is_too_long(status, error, message):
        return "too_long"
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
    if status == 503 and _LOADING.search(message):
        return "loading"
    if status in (409, 425, 500, 502, 503, 529):  # 529: Anthropic is overloaded
        return "server"
    return "rejected"


def _is_too_long(status: int, error: BaseException, message: str) -> bool:
    """Return whether the context overflows, by the error's code, else by its words."""
    body = response_body(error)
    if isinstance(body, dict):
        codes = {str(body.get(name)).lower() for name in ("code", "type")}
        if codes & _TOO_LONG_CODES:
            return True
    is_about_reply = bool(_OUTPUT_LIMIT.search(message))
    for kind in type(error).__mro__:
        if kind.__name__ in _CONTEXT_OVERFLOWS:
            return not is_about_reply
    if status not in (400, 413, 422, 500):
        return False
    return bool(_TOO_LONG.search(message)) and not is_about_reply


_CLIENT_PREFIX = re.compile(
    r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)|Timeout Error|[\w-]+Exception)\s*(?::|-)\s*"
)


def provider_message(error: BaseException) -> str:
    """Return the provider's message if the client keeps it, else the client's own."""
    details = response_body(error)
    if isinstance(details, str):
        return details
    if isinstance(details, dict):
        message = details.get("message") or details.get("detail")
        code = details.get("code")
        if isinstance(message, str):
            return f"{message} {code}" if isinstance(code, str) and code else message
    text = str(getattr(error, "message", None) or error)
    shorter = _CLIENT_PREFIX.sub("", text)
    while shorter != text:
        text = shorter
        shorter = _CLIENT_PREFIX.sub("", text)
    return _unwrap_json(text)


def _unwrap_json(text: str) -> str:
    """Return the message in the JSON of an error, else the text."""
    if not text.startswith("{"):
        return text
    try:
        body = json.loads(text)
    except ValueError:
        return text
    error = body.get("error")
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else text
