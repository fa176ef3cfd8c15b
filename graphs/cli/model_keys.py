"""Find the API keys in the environment, and models whose key is missing."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from selfcritic.agent.errors import InputError
from selfcritic.agent.models import has_provider
from selfcritic.agent.models.errors import key_variable, strip_url
from selfcritic.agent.models.litellm_requests import is_private
from selfcritic.agent.models.names import check_address, check_provider
from selfcritic.graphs.cli.servers import speaks_https

_KEY_PROVIDERS = (
    "openai",
    "anthropic",
    "gemini",
    "azure",
    "mistral",
    "groq",
    "deepseek",
    "openrouter",
    "xai",
    "cohere",
    "together_ai",
    "fireworks_ai",
    "huggingface",
    "cerebras",
    "nvidia_nim",
    "perplexity",
    "deepinfra",
)
"""Providers whose keys are looked for in the environment."""
_REQUIRED_KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY"),
    "xai": ("XAI_API_KEY",),
}
"""Variables with the key of a provider that takes it from nowhere else; the first is named in messages."""
_ADDRESS_VARIABLES = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "ollama": ("OLLAMA_API_BASE",),
    "ollama_chat": ("OLLAMA_API_BASE",),
}


def find_keys(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that hold a provider's API key."""
    names = [key_variable(provider) for provider in _KEY_PROVIDERS]
    return [name for name in names if environment.get(name)]


def check_server(spec: str, api_base: str | None, *, needs_key: bool = True) -> None:
    """Check the address and key of a PROVIDER/MODEL name before any import.

    Raises:
        UnknownModelError: The provider or the address is not one.
        InputError: No key is set.
    """
    if not has_provider(spec):
        return
    name, _, query = spec.partition("?")
    check_provider(name)
    provider = name.partition("/")[0]
    options = dict(parse_qsl(query))
    addresses = {"--api-base": api_base}
    for option in ("api_base", "base_url"):
        addresses[option] = options.get(option)
    for variable in _ADDRESS_VARIABLES.get(provider, ()):
        addresses[variable] = os.environ.get(variable)
    for option, address in addresses.items():
        if address:
            check_address(name, address, option)
            _check_https(address, option)
            break
    address = api_base or options.get("api_base") or options.get("base_url")
    if needs_key and "api_key" not in options:
        _check_key(name, address)


def _check_https(address: str, option: str) -> None:
    """Raise InputError if an http server of this network would wait for the rest of a TLS handshake."""
    if not address.startswith("https://") or not is_private(address):
        return
    if not speaks_https(address):
        plain = strip_url(address).replace("https://", "http://", 1)
        raise InputError(f"The server does not speak https: use {option} {plain}")


def _check_key(name: str, address: str | None) -> None:
    provider = name.partition("/")[0]
    variables = _REQUIRED_KEYS.get(provider, ())
    has_key = any(os.environ.get(variable) for variable in variables)
    if not variables or has_key or _has_env_file():
        return
    if address and is_private(address):
        return
    message = f"No key for {name}: export {variables[0]}=…"
    if address:
        raise InputError(f"{message} A server on a public address needs a key.")
    own_server = "openai/NAME --api-base http://127.0.0.1:8000/v1"
    if provider == "openai":
        own_server = "--api-base http://127.0.0.1:8000/v1"
    raise InputError(
        f"{message} For your own server, add {own_server}. For neither, use --model local:smollm2."
    )


def _has_env_file() -> bool:
    """Return whether litellm may read keys from a file, above its own folder."""
    prefix = Path(sys.prefix)
    return any((folder / ".env").is_file() for folder in (prefix, *prefix.parents))
