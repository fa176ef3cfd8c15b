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
_identities: dict[int, tuple[BaseChatModel, str]] = {}
"""By the identity of a model, which the entry keeps alive."""
_MAX_IDENTITIES = 64


def model_identity(model: BaseChatModel) -> str:
    """Return a text that is equal for models with the same class, settings and files.

    It is computed once per model, so that a model keeps its identity if its files are replaced after loading.
    """
    known = _identities.get(id(model))
    if known is not None:
        return known[1]
    settings: dict[str, Any] = {}
    for name in type(model).model_fields:
        if name in _OTHER_SETTINGS or is_secret_name(name):
            continue
        value = getattr(model, name)
        settings[name] = value
        if name in _FILE_FIELDS:
            settings[f"{name} files"] = _describe_files(value)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    identity = redact(json.dumps([kind, settings], sort_keys=True, default=_to_json))
    while len(_identities) >= _MAX_IDENTITIES:
        _identities.pop(next(iter(_identities)), None)
    _identities[id(model)] = (model, identity)
    return identity


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
