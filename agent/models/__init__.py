"""How a model is reached: `load` turns a spec into a chat model, and `KNOWN` says which specs there are."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from selfcritic.agent.errors import UnknownModelError, format_validation_error


@dataclass(frozen=True)
class Provider:
    """One kind of model that `load` knows."""

    spec: str
    description: str
    factory: Callable[..., BaseChatModel]
    """Takes what stands behind the name's colon, where something does, and the options."""


def _simulated(**options: Any) -> BaseChatModel:
    from selfcritic.agent.models.simulated import SimulatedModel

    return SimulatedModel(**options)


def _scripted(path: str, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.scripted import ScriptedModel

    return ScriptedModel.from_file(path, **options)


def _tiny(folder: str | None = None, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.tiny.model import TinyModel

    return TinyModel(**options) if folder is None else TinyModel(folder=folder, **options)


def _litellm(model: str, **options: Any) -> BaseChatModel:
    from selfcritic.agent.models.litellm import LiteLLMModel

    return LiteLLMModel(model=model, **options)


PROVIDERS: Mapping[str, Provider] = {
    "simulated": Provider(
        "simulated[?draft_error_rate=0.5&seed=1…]",
        "a noisy solver of the built-in task families with known error rates; offline",
        _simulated,
    ),
    "scripted": Provider("scripted:FILE.json", "says what the file tells it to say, for tests; offline", _scripted),
    "tiny": Provider(
        "tiny[:FOLDER]",
        "a language model of 1 MB that sorts words, or one that `selfcritic train tiny` made; offline",
        _tiny,
    ),
    "litellm": Provider(
        "PROVIDER/MODEL",
        "any model that litellm knows: openai/gpt-5-mini, anthropic/…, ollama/…; keys from the environment",
        _litellm,
    ),
}


def load(spec: str | BaseChatModel, **options: Any) -> BaseChatModel:
    """The chat model that a spec names; a chat model is handed back as it is.

    Options are the model's own fields; a spec may carry them after a question mark:
    "simulated?draft_error_rate=0.3&seed=7",
    "openai/qwen3?api_base=http://127.0.0.1:8000/v1". Raises UnknownModelError where there is no such name or option.
    """
    if isinstance(spec, BaseChatModel):
        return spec
    name, _, query = spec.partition("?")
    kind, arguments = _kind(name)
    if kind is None:
        raise UnknownModelError(
            f"There is no model '{spec}'. Known are: {', '.join(k.spec for k in PROVIDERS.values())}."
        )
    try:
        return kind.factory(*arguments, **dict(parse_qsl(query)), **options)
    except (TypeError, ValidationError) as error:
        raise UnknownModelError(f"The model '{name}' cannot be made: {_reason(error)}") from None


def _kind(name: str) -> tuple[Provider | None, list[str]]:
    """The kind of model that a name is of, and what is told to its maker; a name with a slash is a provider's."""
    if "/" in name and name.partition(":")[0] not in PROVIDERS:
        return PROVIDERS["litellm"], [name]
    kind, _, rest = name.partition(":")
    return (PROVIDERS.get(kind) if kind != "litellm" else None), [rest] if rest else []


def _reason(error: TypeError | ValidationError) -> str:
    if isinstance(error, TypeError):
        return f"it is named '{PROVIDERS['scripted'].spec}'."
    return f"{format_validation_error(error)}."


@functools.lru_cache(maxsize=64)
def _loaded(spec: str) -> BaseChatModel:
    return load(spec)


def get_model(spec: str | BaseChatModel) -> BaseChatModel:
    """As `load`, but one model for all who name the same spec, so that its connections are shared."""
    return _loaded(spec) if isinstance(spec, str) else spec


_CLIENTS = {"client", "async_client", "root_client", "root_async_client"}
"""What OpenAI's and its kin's chat models build for themselves, with the retries in it."""


def disable_retries(model: BaseChatModel) -> BaseChatModel:
    """The same model, made anew with `max_retries=0`: retries of its own would pass the budget by, uncounted."""
    fields = type(model).model_fields
    if "max_retries" not in fields or getattr(model, "max_retries", None) == 0:
        return model
    given = {
        fields[name].alias or name: getattr(model, name)
        for name in model.model_fields_set & fields.keys() - _CLIENTS - {"max_retries"}
    }
    return type(model)(**given, **{fields["max_retries"].alias or "max_retries": 0})
