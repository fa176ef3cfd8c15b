"""Check what a model's server reports about it: its name and context size."""

import asyncio
from collections.abc import Iterable

from langchain_core.language_models import BaseChatModel

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.errors import NO_MODEL_HINT
from selfcritic.graphs.cli.model_report import Finding
from selfcritic.graphs.cli.model_session import CheckSession
from selfcritic.graphs.cli.servers import (
    ServedModel,
    ServerError,
    list_ollama_models,
    list_openai_models,
    ollama_address,
    ollama_context,
)

_MAX_NAMES = 8


async def check_server(session: CheckSession) -> list[Finding]:
    """Check the model's name and its context size."""
    return await asyncio.to_thread(_check_server, session.model)


def _check_server(model: BaseChatModel) -> list[Finding]:
    provider, _, name = str(getattr(model, "model", "")).partition("/")
    address = getattr(model, "api_base", None)
    size = _known_size(model)
    if provider == "ollama_chat":
        address = address or ollama_address()
        return [*_check_name(name, _ollama_models(address)), _ollama_size(address, name)]
    if not address or size is not None:
        return [_report_size(size)]
    models = _openai_models(address)
    for served in models:
        if name in (served.name, *served.aliases) or len(models) == 1:
            size = served.context_size
    return [*_check_name(name, models), _report_size(size)]


def served_models(model: BaseChatModel) -> list[str]:
    """Return the names that a model's server lists, with their provider; empty if unknown."""
    provider = str(getattr(model, "model", "")).partition("/")[0]
    address = getattr(model, "api_base", None)
    if provider.startswith("ollama"):
        models = _ollama_models(address or ollama_address())
        return [f"ollama_chat/{served.name}" for served in models]
    if not address:
        return []
    return [f"{provider}/{served.name}" for served in _openai_models(address)]


def explain_failure(error: SelfcriticError, models: Iterable[str | BaseChatModel]) -> str:
    """Return the message of an error, with the names that the servers list if a name is unknown."""
    message = str(error)
    if NO_MODEL_HINT not in message:
        return message
    names: list[str] = []
    for model in models:
        if isinstance(model, BaseChatModel):
            names += [name for name in served_models(model) if name not in names]
    if names:
        message += f" The server lists {describe_names(names)}."
    return message


def describe_names(names: list[str]) -> str:
    """Join the names that a server lists, at most a few."""
    listed = ", ".join(names[:_MAX_NAMES])
    if len(names) > _MAX_NAMES:
        listed += f" and {len(names) - _MAX_NAMES} more"
    return listed


def _check_name(name: str, models: list[ServedModel]) -> list[Finding]:
    """Report a name that the server does not list; servers of one model accept any name."""
    if not models:
        return []
    for served in models:
        if name in (served.name, served.name.removesuffix(":latest"), *served.aliases):
            return [Finding("name", "yes", "the server lists it")]
    names = describe_names([served.name for served in models])
    return [
        Finding("name", "partly", f"the server does not list {name}; it lists {names}", "use that")
    ]


def _openai_models(address: str) -> list[ServedModel]:
    try:
        return list_openai_models(address)
    except ServerError:
        return []


def _ollama_models(address: str) -> list[ServedModel]:
    try:
        return [ServedModel(name) for name in list_ollama_models(address)]
    except ServerError:
        return []


def _ollama_size(address: str, name: str) -> Finding:
    try:
        size = ollama_context(address, name)
    except ServerError:
        size = None
    if size is None:
        return _report_size(None)
    hint = "Ollama cuts prompts at OLLAMA_CONTEXT_LENGTH of its server, 4096 or more by default"
    return Finding("context size", "partly", f"at most {size:,} tokens", hint)


def _known_size(model: BaseChatModel) -> int | None:
    """Return the context size in tokens that the model's client knows; may import litellm."""
    size = getattr(model, "context_size", None)
    if isinstance(size, int):
        return size
    profile = getattr(model, "profile", None) or {}
    size = profile.get("max_input_tokens")
    return size if isinstance(size, int) else None


def _report_size(size: int | None) -> Finding:
    if size is None:
        hint = "see the server's settings: some servers cut longer prompts without an error"
        return Finding("context size", "unknown", "not reported", hint)
    return Finding("context size", "yes", f"{size:,} tokens")
