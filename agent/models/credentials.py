"""Find the credentials of a chat model, and mask them in what tracers see of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from selfcritic.agent.redaction import (
    MASK,
    address_secrets,
    is_secret_header,
    is_secret_name,
    redact,
)

_AUTHORIZATION_SCHEMES = ("Bearer ", "Basic ", "Token ")


def model_secrets(model: BaseChatModel) -> tuple[str, ...]:
    """Return the credentials in a model's fields: keys, headers, addresses and their options."""
    secrets: set[str] = set()
    for name, value in vars(model).items():
        secrets.update(_find_secrets(name, value))
    return tuple(sorted(secrets))


def mask_secrets(value: Any, secrets: tuple[str, ...], name: str = "") -> Any:
    """Return a copy of JSON-like data without credentials; `name` is its key in the parent."""
    if isinstance(value, str):
        if is_secret_name(name):
            return MASK
        return redact(value, *secrets)
    if isinstance(value, Mapping):
        masked = {}
        for key, item in value.items():
            is_header = _holds_headers(name) and is_secret_header(str(key))
            masked_key = redact(key, *secrets) if isinstance(key, str) else key
            masked[masked_key] = MASK if is_header else mask_secrets(item, secrets, str(key))
        return masked
    if isinstance(value, list | tuple):
        return [mask_secrets(item, secrets) for item in value]
    return value


def masked_fields(
    fields: Iterable[tuple[str | None, Any]], secrets: tuple[str, ...]
) -> Iterator[tuple[str | None, Any]]:
    """Yield the fields that `repr` shows, without credentials."""
    for name, value in fields:
        yield name, _mask_models(mask_secrets(value, secrets, name or ""))


class _Text(str):
    """A text that `repr` shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _mask_models(value: Any) -> Any:
    """Replace chat models with their masked `repr`: those of other packages show their addresses."""
    if isinstance(value, BaseChatModel):
        return _Text(redact(repr(value), *model_secrets(value)))
    if isinstance(value, dict):
        return {key: _mask_models(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask_models(item) for item in value]
    return value


def _find_secrets(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str):
        if is_secret_name(name):
            yield value
        yield from address_secrets(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if _holds_headers(name) and is_secret_header(str(key)):
                yield from _header_secrets(item)
            else:
                yield from _find_secrets(str(key), item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _find_secrets("", item)
    elif _is_http_client(value):
        yield from _find_secrets("headers", dict(value.headers))


def _holds_headers(name: str) -> bool:
    return "header" in name.lower() or "cookie" in name.lower()


def _header_secrets(value: Any) -> Iterator[str]:
    """Yield a header's value, also without the scheme that precedes a key."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    yield text
    for scheme in _AUTHORIZATION_SCHEMES:
        if text.startswith(scheme):
            yield text.removeprefix(scheme)


def _is_http_client(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in ("httpx", "httpx2") and hasattr(
        value, "headers"
    )
