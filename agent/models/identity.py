"""Identify a chat model by all settings that can change its replies, without credentials."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, SecretStr

from selfcritic.agent.redaction import MASK, is_secret_name, redact

_OTHER_SETTINGS = {
    "async_client",
    "cache",
    "callbacks",
    "client",
    "custom_get_token_ids",
    "default_headers",
    "disable_streaming",
    "extra_headers",
    "http_async_client",
    "http_client",
    "input_cost_per_token",
    "log",
    "max_retries",
    "metadata",
    "name",
    "output_cost_per_token",
    "profile",
    "rate_limiter",
    "request_timeout",
    "root_async_client",
    "root_client",
    "slots",
    "streaming",
    "tags",
    "threads",
    "timeout",
    "verbose",
}
"""Fields that do not change what a model replies."""
_FILE_FIELDS = {"chat_template", "folder", "lora", "model"}
_files: dict[int, tuple[BaseChatModel, list[Any]]] = {}
"""Files by the identity of a model, which the entry keeps alive."""
_MAX_MODELS = 64


def model_identity(model: BaseChatModel) -> str:
    """Return a text that is equal for models with the same class, settings and files.

    A model keeps the files of the first call: replacing them does not change a model that was loaded.
    """
    settings: dict[str, Any] = {}
    for name in type(model).model_fields:
        if name not in _OTHER_SETTINGS and not is_secret_name(name):
            settings[name] = getattr(model, name)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    identity = json.dumps([kind, settings, _files_of(model)], sort_keys=True, default=_to_json)
    return redact(identity)


def _files_of(model: BaseChatModel) -> list[Any]:
    """Return the size and time of the files that the model's settings name."""
    if id(model) not in _files:
        while len(_files) >= _MAX_MODELS:
            _files.pop(next(iter(_files)), None)
        names = sorted(_FILE_FIELDS & type(model).model_fields.keys())
        _files[id(model)] = (model, [_describe_files(getattr(model, name)) for name in names])
    return _files[id(model)][1]


def _to_json(value: Any) -> Any:
    """Describe a value that JSON has no form for; equal in all processes."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Path):
        return str(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _describe_files(value: Any) -> list[list[Any]]:
    """Return the size and time of the file, or of the files in the folder, that a setting names."""
    if not isinstance(value, str | Path):
        return []
    path = Path(value).expanduser()
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        states = [(file.name, file.stat()) for file in files if file.is_file()]
    except (OSError, ValueError):
        return []
    return [[name, state.st_size, state.st_mtime_ns] for name, state in states]
