"""Import litellm and look up what it knows about models.

The import takes seconds, so it happens at the first call. All functions here may import litellm.
"""

import asyncio
import functools
import gc
import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any


@functools.cache
def import_litellm() -> Any:
    """Import litellm without network access or error banners."""
    # Without it, the import downloads prices.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with _paused_garbage_collection():
        litellm = importlib.import_module("litellm")
        for module in _LATE_IMPORTS:
            with suppress(ImportError):
                importlib.import_module(module)
    litellm.suppress_debug_info = True  # type: ignore[attr-defined]
    return litellm


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Collect no garbage in the block: an import creates none, and collections take a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@functools.cache
def import_provider(model: str) -> Any:
    """Import litellm with everything that the first request to a model would import."""
    litellm = import_litellm()
    prefix = model.partition("/")[0]
    if prefix in _OLLAMA_PROVIDERS:
        _add_entry(litellm, model, prefix)
    with suppress(Exception):  # litellm raises plain exceptions; the request raises its own
        _, provider, _, _ = litellm.get_llm_provider(model)
        litellm.utils.ProviderConfigManager.get_provider_chat_config(
            model, litellm.LlmProviders(provider)
        )
    if _settings.freezes_imports:
        gc.collect()
        gc.freeze()
    return litellm


def _add_entry(litellm: Any, model: str, provider: str) -> None:
    """Add an entry without prices for a model that litellm does not know.

    Without an entry, litellm asks a server about the model twice per request, on the event loop.
    """
    litellm.model_cost.setdefault(model, {"litellm_provider": provider, "mode": "chat"})
    forget_lookups = getattr(litellm.utils, "_invalidate_model_cost_lowercase_map", None)
    if forget_lookups is not None:
        forget_lookups()


def freeze_imports() -> None:
    """Exclude litellm's objects from garbage collection once they are imported.

    They are about 460,000, and a full collection of them stops the event loop for 0.3 seconds. Call it only where the
    process belongs to you: it affects all objects that exist at that time.
    """
    _settings.freezes_imports = True


async def import_provider_async(model: str) -> Any:
    """Import litellm for a model in a thread, unless it is imported already.

    The imports take about two seconds, and the event loop must not wait for them.
    """
    if model not in _imported:
        await asyncio.to_thread(import_provider, model)
        _imported.add(model)
    return import_litellm()


class _Settings:
    freezes_imports = False


_OLLAMA_PROVIDERS = ("ollama", "ollama_chat")
_settings = _Settings()
_imported: set[str] = set()
_LATE_IMPORTS = (
    "openai.resources",
    "openai._extras",
    "openai.lib.streaming.chat",
    "openai._send_queue",
    "openai._event_handler",
    "litellm.llms.openai.openai",
    "litellm.llms.litellm_proxy.chat.transformation",
    "litellm.llms.openai_like.dynamic_config",
    "litellm._service_logger",
    "litellm.integrations.prometheus_services",
    "litellm.litellm_core_utils.default_encoding",
    "litellm.litellm_core_utils.streaming_chunk_builder_utils",
    "litellm.types.litellm_core_utils.streaming_chunk_builder_utils",
    "litellm.proxy.guardrails.exception_utils",
    "fastapi.exceptions",
    "anyio._backends._asyncio",
    "jiter",
)
"""Modules that litellm or its clients import at the first request or error; a version may lack some."""


@functools.cache
def is_priced(model: str) -> bool:
    """Return whether litellm knows the price of a model."""
    # litellm's get_model_info queries servers about some models, and reads a missing price as zero.
    litellm = import_litellm()
    entry = _model_entry(model)
    if "input_cost_per_token" not in entry or "output_cost_per_token" not in entry:
        return False
    provider = model.partition("/")[0]
    # A provider may have variants: "vertex_ai-text-models".
    entry_provider = str(entry.get("litellm_provider"))
    if model not in litellm.model_cost and not entry_provider.startswith(provider):
        return False
    try:
        litellm.cost_per_token(model=model, prompt_tokens=1, completion_tokens=1)
    except (litellm.BadRequestError, litellm.exceptions.ModelNotMappedError):
        return False
    return True


def known_cost(model: str, usage: Any) -> float | None:
    """Return the cost of a usage in US dollars at litellm's price, None if unknown."""
    if not is_priced(model):
        return None
    return float(sum(import_litellm().cost_per_token(model=model, usage_object=usage)))


def known_token_cost(model: str, input_tokens: int, output_tokens: int) -> float | None:
    """Return the cost of tokens in US dollars at litellm's price, None if unknown."""
    if not is_priced(model):
        return None
    costs = import_litellm().cost_per_token(
        model=model, prompt_tokens=input_tokens, completion_tokens=output_tokens
    )
    return float(sum(costs))


@functools.cache
def supports_prefill(model: str) -> bool:
    """Return whether litellm knows that a model continues a prefill."""
    return bool(_model_entry(model).get("supports_assistant_prefill"))


@functools.cache
def context_size(model: str) -> int | None:
    """Return the context size of a model in tokens, None if litellm does not know it."""
    size = _model_entry(model).get("max_input_tokens")
    return size if isinstance(size, int) else None


def _model_entry(model: str) -> Mapping[str, Any]:
    """Return litellm's entry for a model, looked up with and without the provider."""
    entries: Mapping[str, Mapping[str, Any]] = import_litellm().model_cost
    entry = entries.get(model)
    if entry:
        return entry
    name = model.partition("/")[2]
    return entries.get(name, {})


_OPENAI_PROVIDERS = ("openai", "custom_openai", "text-completion-openai")


def requires_key(model: str) -> bool:
    """Return whether requests to a model fail without an API key, and none is set."""
    litellm = import_litellm()
    if litellm.api_key:
        return False
    provider = model.partition("/")[0]
    if provider in _OPENAI_PROVIDERS:
        return not litellm.openai_key
    missing = litellm.validate_environment(model=model)["missing_keys"]
    return any(str(name).endswith("_API_KEY") for name in missing)
