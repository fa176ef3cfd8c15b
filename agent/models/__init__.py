"""Load chat models by spec; `PROVIDERS` lists the specs."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from selfcritic.agent.addresses import is_address
from selfcritic.agent.errors import UnknownModelError, format_validation_error
from selfcritic.agent.models.names import check_address, check_provider, explain_unknown_name


@dataclass(frozen=True)
class Provider:
    """A source of models for `load`."""

    spec: str
    description: str
    factory: Callable[..., BaseChatModel]
    """Called with the text after the spec's colon, if any, and the options as keywords."""


def _simulated(**options: Any) -> BaseChatModel:
    from selfcritic.agent.models.simulated import SimulatedModel

    return SimulatedModel(**options)


def _scripted(path: str, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.scripted import ScriptedModel

    return ScriptedModel.from_file(path, **options)


def _tiny(folder: str | None = None, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.tiny.model import TinyModel

    if folder is not None:
        options["folder"] = folder
    return TinyModel(**options)


def _local(model: str, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.llama_cpp import LlamaCppModel

    return LlamaCppModel(model=model, **options)


def _hugging_face(folder: str, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.hugging_face.model import HuggingFaceModel

    return HuggingFaceModel(folder=folder, **options)


def _litellm(model: str, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.litellm import LiteLLMModel

    return LiteLLMModel(model=model, **options)


PROVIDERS: Mapping[str, Provider] = {
    "simulated": Provider(
        "simulated[?draft_error_rate=0.5&seed=1…]",
        "noisy solver of the built-in tasks with known error rates; offline",
        _simulated,
    ),
    "scripted": Provider(
        "scripted:FILE.json",
        "replies from a file, for tests; offline",
        _scripted,
    ),
    "tiny": Provider(
        "tiny[:FOLDER]",
        "1 MB language model that sorts words, or one trained by `selfcritic train tiny`; offline",
        _tiny,
    ),
    "local": Provider(
        "local:FILE.gguf[?n_ctx=4096&slots=4&threads=1&lora=FILE…]",
        "GGUF file, run in this process; local:smollm2 after `selfcritic models pull smollm2`",
        _local,
    ),
    "hf": Provider(
        "hf:FOLDER[?lora_scale=0.5&max_tokens=512…]",
        "transformers folder, such as a critic of `selfcritic train`; runs in this process",
        _hugging_face,
    ),
    "litellm": Provider(
        "PROVIDER/MODEL",
        "any model of litellm: openai/gpt-5-mini, anthropic/…; the key comes from the environment",
        _litellm,
    ),
}


def load(spec: str | BaseChatModel, **options: Any) -> BaseChatModel:
    """Load the chat model of a spec; a chat model is returned unchanged.

    Options are fields of the model. A spec may contain them after a question mark:
    "simulated?draft_error_rate=0.3&seed=7", "openai/qwen3?api_base=http://127.0.0.1:8000/v1". Keyword arguments
    override those of the spec.

    Raises:
        UnknownModelError: the spec or an option is unknown.
    """
    if isinstance(spec, BaseChatModel):
        return spec
    name, _, query = spec.partition("?")
    provider, arguments = _parse_name(name)
    if provider is None:
        specs = [PROVIDERS[key].spec for key in ("local", "tiny", "simulated", "scripted")]
        forms = ", ".join(spec.partition("[")[0] for spec in specs)
        raise UnknownModelError(explain_unknown_name(name, f"local:smollm2, {forms}"))
    options = {**dict(parse_qsl(query)), **options}
    if provider is PROVIDERS["litellm"]:
        check_provider(name)
        _check_addresses(name, options)
    try:
        return provider.factory(*arguments, **options)
    except (TypeError, ValidationError) as error:
        raise UnknownModelError(
            f"The model '{name}' cannot be loaded: {_format_error(error, provider)}"
        ) from None


def has_provider(spec: str) -> bool:
    """Return whether a spec has the form PROVIDER/MODEL, which litellm calls."""
    provider, _ = _parse_name(spec.partition("?")[0])
    return provider is PROVIDERS["litellm"]


def _check_addresses(name: str, options: Mapping[str, Any]) -> None:
    for option in ("api_base", "base_url"):
        address = options.get(option)
        if isinstance(address, str):
            check_address(name, address, option)


def _parse_name(name: str) -> tuple[Provider | None, list[str]]:
    """Return the provider of a name and the arguments of its factory."""
    key, _, argument = name.partition(":")
    if key not in PROVIDERS and is_address(name):
        raise UnknownModelError(
            "A model is named PROVIDER/MODEL, not by an address: use openai/NAME with the address as api_base "
            "(--api-base URL)."
        )
    if "/" in name and key not in PROVIDERS:
        return PROVIDERS["litellm"], [name]
    arguments = [argument] if argument else []
    if key == "litellm":
        return None, arguments
    return PROVIDERS.get(key), arguments


def _format_error(error: TypeError | ValidationError, provider: Provider) -> str:
    if isinstance(error, TypeError):
        return f"use the form '{provider.spec}'."
    message = format_validation_error(error).removeprefix("input: ")
    message = message.replace("Value error, ", "")
    return message.replace("Extra inputs are not permitted", "the model has no such option") + "."


def get_model(spec: str | BaseChatModel) -> BaseChatModel:
    """Load a model once per spec, so that its connections are shared."""
    if isinstance(spec, BaseChatModel):
        return spec
    return _load_cached(spec)


@functools.lru_cache(maxsize=64)
def _load_cached(spec: str) -> BaseChatModel:
    return disable_retries(load(spec))


def model_key(spec: str | BaseChatModel) -> object:
    """Return a key that identifies a model: type, name and base URL.

    A model without a name is its own key.
    """
    model = get_model(spec)
    name = _name_of(model)
    base_url = getattr(model, "openai_api_base", None) or getattr(model, "api_base", None)
    if not name:
        return model
    return type(model), name, base_url


def model_name(model: BaseChatModel) -> str:
    """Return the type and name of a model, the same in all processes."""
    return f"{type(model).__name__} {_name_of(model) or ''}".strip()


def _name_of(model: BaseChatModel) -> Any:
    return getattr(model, "model_name", None) or getattr(model, "model", None)


_CLIENTS = {"client", "async_client", "root_client", "root_async_client"}
"""Clients that OpenAI-like chat models create, with built-in retries."""


def disable_retries(model: BaseChatModel) -> BaseChatModel:
    """Copy the model with `max_retries=0`, so its own retries cannot bypass the budget.

    Returns the model itself if it does not retry.
    """
    fields = type(model).model_fields
    if "max_retries" not in fields or getattr(model, "max_retries", None) == 0:
        return model
    copied_fields = (model.model_fields_set & fields.keys()) - _CLIENTS
    arguments = {fields[name].alias or name: getattr(model, name) for name in copied_fields}
    arguments[fields["max_retries"].alias or "max_retries"] = 0
    return type(model)(**arguments)
