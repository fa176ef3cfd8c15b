"""Ask model servers for the models that they serve.

These requests are small and are not counted by a budget. They follow no redirect, which could take a key elsewhere.
"""

import base64
import http.client
import json
import os
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.errors import strip_url

OLLAMA_ADDRESS = "http://127.0.0.1:11434"
"""Where Ollama listens by default."""
TIMEOUT = 5.0
_MAX_BYTES = 10_000_000
_CONTEXT_FIELDS = ("n_ctx", "max_model_len", "context_length", "context_window")
"""Fields with a model's context size, of llama.cpp, vLLM and others."""


class ServerError(SelfcriticError):
    """A server does not list its models."""


@dataclass(frozen=True)
class ServedModel:
    """A model that a server lists."""

    name: str
    aliases: tuple[str, ...] = ()
    context_size: int | None = None
    """Tokens."""


def list_openai_models(address: str, timeout: float = TIMEOUT) -> list[ServedModel]:
    """Return the models of an OpenAI-compatible server. Raises ServerError."""
    body = _fetch(f"{address.rstrip('/')}/models", timeout)
    entries = body.get("data")
    if not isinstance(entries, list):
        raise ServerError(f"{strip_url(address)}/models is no list of models.")
    models = []
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            aliases = entry.get("aliases")
            names = tuple(map(str, aliases)) if isinstance(aliases, list) else ()
            models.append(ServedModel(entry["id"], names, _read_context(entry)))
    return models


def list_ollama_models(address: str, timeout: float = TIMEOUT) -> list[str]:
    """Return the names of Ollama's models. Raises ServerError."""
    body = _fetch(f"{address.rstrip('/')}/api/tags", timeout)
    entries = body.get("models")
    if not isinstance(entries, list):
        raise ServerError(f"{strip_url(address)}/api/tags is no list of models.")
    return [str(entry["name"]) for entry in entries if isinstance(entry, dict) and "name" in entry]


def ollama_context(address: str, name: str, timeout: float = TIMEOUT) -> int | None:
    """Return the context that a model of Ollama was trained with. Raises ServerError."""
    payload = json.dumps({"model": name}).encode()
    info = _fetch(f"{address.rstrip('/')}/api/show", timeout, payload).get("model_info")
    if not isinstance(info, dict):
        return None
    for field, value in info.items():
        if field.endswith(".context_length") and isinstance(value, int):
            return value
    return None


def ollama_address() -> str:
    """Return the address of Ollama, from OLLAMA_API_BASE if it is set."""
    return os.environ.get("OLLAMA_API_BASE") or OLLAMA_ADDRESS


def served_names(address: str, timeout: float = TIMEOUT) -> dict[str, list[str]]:
    """Return the names for --model by the address that serves them. Raises ServerError.

    An address without /v1 may be that of Ollama, or may lack it.
    """
    base = address.rstrip("/")
    candidates = [base]
    if not urlsplit(base).path:
        candidates = [f"{base}/v1", base]
        with suppress(ServerError):
            names = list_ollama_models(base, timeout)
            return {base: [f"ollama_chat/{name}" for name in names]}
    error = ServerError(f"{strip_url(address)} lists no models.")
    for candidate in candidates:
        try:
            models = list_openai_models(candidate, timeout)
        except ServerError as failure:
            error = failure
        else:
            return {candidate: [f"openai/{model.name}" for model in models]}
    raise error


def speaks_https(address: str, timeout: float = TIMEOUT) -> bool:
    """Return whether a server answers a TLS handshake, or does not listen.

    A server that speaks only http may wait for the rest of the request until a timeout.
    """
    parts = urlsplit(address)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = socket.create_connection((parts.hostname, parts.port or 443), timeout)
    except OSError:
        return True
    with connection:
        try:
            with context.wrap_socket(connection, server_hostname=parts.hostname):
                return True
        except ssl.SSLError as error:
            return error.reason not in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
        except OSError:
            return False


def _read_context(entry: Mapping[str, Any]) -> int | None:
    meta = entry.get("meta")
    for fields in (meta, entry):
        if not isinstance(fields, dict):
            continue
        for name in _CONTEXT_FIELDS:
            if isinstance(fields.get(name), int):
                return int(fields[name])
    return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """Refuse."""


def _authorize(url: str) -> str | None:
    """Return the header with the user and password of a URL, or with the key, if there is one."""
    user_info, has_user, _ = urlsplit(url).netloc.rpartition("@")
    if has_user:
        credentials = base64.b64encode(unquote(user_info).encode())
        return f"Basic {credentials.decode()}"
    key = os.environ.get("OPENAI_API_KEY")
    if key and url.endswith("/models"):
        return f"Bearer {key}"
    return None


def _fetch(url: str, timeout: float, payload: bytes | None = None) -> dict[str, Any]:
    """Return a server's JSON object. Raises ServerError."""
    headers = {"Content-Type": "application/json"}
    authorization = _authorize(url)
    if authorization is not None:
        headers["Authorization"] = authorization
    address = strip_url(url)
    parts = urlsplit(url)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # urllib keeps the user
    try:
        request = urllib.request.Request(url, payload, headers)  # noqa: S310 - http or https, checked
        opener = urllib.request.build_opener(_NoRedirects)
        with opener.open(request, timeout=timeout) as response:
            body = json.loads(response.read(_MAX_BYTES))
    except HTTPError as error:
        with error:
            raise ServerError(f"{address} replied with status {error.code}.") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ServerError(f"Nothing replies at {address} ({reason}).") from None
    except ValueError:
        raise ServerError(f"{address} did not reply with JSON.") from None
    if not isinstance(body, dict):
        raise ServerError(f"{address} is no list of models.")
    return body
