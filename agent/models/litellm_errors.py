"""Raise litellm's errors as errors of this package."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from selfcritic.agent.models.error_kinds import RequestErrorKind, classify_error
from selfcritic.agent.models.errors import ModelCallError, error_message, redact, strip_url
from selfcritic.agent.models.headers import headers_of, status_of


@contextmanager
def translate_errors(api_base: str | None, secrets: tuple[str, ...]) -> Iterator[None]:
    """Raise litellm's errors as ModelCallError, without a key that a provider may echo."""
    try:
        yield
    # The base class of litellm's errors.
    except importlib.import_module("openai").OpenAIError as error:
        failure = ModelCallError(
            error_message(error, *secrets),
            cast(RequestErrorKind, classify_error(error)),
            status_code=status_of(error),
            headers=_redact_headers(headers_of(error), secrets),
            provider=getattr(error, "llm_provider", None),
            address=redact(strip_url(api_base), *secrets) if api_base else None,
        )
        try:
            raise failure from None
        finally:
            failure.__context__ = None  # `from None` only hides it


def _redact_headers(headers: Mapping[str, str], secrets: tuple[str, ...]) -> dict[str, str]:
    """Remove keys, and the credentials in the target of a redirect."""
    redacted = {name: redact(value, *secrets) for name, value in headers.items()}
    if "location" in redacted:
        redacted["location"] = strip_url(redacted["location"])
    return redacted
