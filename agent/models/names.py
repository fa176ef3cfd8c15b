"""Check the names and addresses of models before anything is sent."""

import re
from urllib.parse import urlsplit

from selfcritic.agent.errors import UnknownModelError

_SERVER_PROVIDERS = {
    "gguf",
    "llama",
    "llama-cpp",
    "llama.cpp",
    "llama_cpp",
    "llama_server",
    "llamacpp",
    "lmstudio",
    "localai",
    "mlx",
    "tgi",
}
"""Programs that serve OpenAI's API, and are no providers of litellm."""
_OLLAMA_PROVIDERS = ("ollama", "ollama_chat")
_OLLAMA_NAME = re.compile(r"[\w.-]+:[\w.-]+")
"""Such as smollm2:135m."""


def explain_unknown_name(name: str, others: str) -> str:
    """Return the message about a name without a provider.

    `others` lists the forms of names that need no provider.
    """
    model, colon, _ = name.partition(":")
    if not model or model == "litellm":
        return f"There is no model '{name}'. Use PROVIDER/MODEL, {others}."
    served = f"openai/{model} (with api_base, --api-base, for your own server)"
    ollama = f"ollama_chat/{name}"
    forms = f"{served} or {ollama}"
    if colon and _OLLAMA_NAME.fullmatch(name):
        forms = f"{ollama} or {served}"
    return (
        f"There is no model '{name}'. Add its provider: {forms}. "
        f"Names without a provider: {others}."
    )


def check_provider(name: str) -> None:
    """Raise UnknownModelError if a PROVIDER/MODEL name has a program in place of the provider."""
    provider, _, model = name.partition("/")
    if provider in _SERVER_PROVIDERS:
        raise UnknownModelError(
            f"'{name}' names no provider: use 'openai/{model}' with the server's address as "
            "api_base (--api-base http://127.0.0.1:8000/v1)."
        )
    if provider == "local":
        raise UnknownModelError(f"'{name}' names no provider: use 'local:{model}'.")


def check_address(name: str, address: str, option: str = "api_base") -> None:
    """Raise UnknownModelError if a server's address cannot be right.

    `option` is the name of the option or variable with the address.
    """
    if "://" not in address:
        host = address.lstrip("/").partition("?")[0].rpartition("@")[2]  # a password ends with @
        raise UnknownModelError(f"{option} needs http://: use {option} http://{host}")
    try:
        parts = urlsplit(address)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the host or the port is malformed
        is_address = False
    if not is_address:
        raise UnknownModelError(
            f"{option} is not an address: use a form such as http://127.0.0.1:8000/v1."
        )
    path = parts.path.rstrip("/")
    if name.partition("/")[0] in _OLLAMA_PROVIDERS and path.endswith("/v1"):
        netloc = parts.netloc.rpartition("@")[2]
        corrected = f"{parts.scheme}://{netloc}{path.removesuffix('/v1')}"
        raise UnknownModelError(f"Ollama's address has no /v1: use {option} {corrected}")
