"""Raise litellm's errors as errors of this package."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from selfcritic.agent.models.exchange import watch_exchange
from selfcritic.agent.models.failures import convert_failure


@contextmanager
def translate_errors(
    api_base: str | None, secrets: tuple[str, ...], seconds: float
) -> Iterator[None]:
    """Raise litellm's errors as errors of this package, without a key that a provider may echo.

    The HTTP requests of the block are watched; `seconds` limits a synchronous reply.
    """
    failure = None
    with watch_exchange(seconds) as exchange:
        try:
            yield
        # OpenAIError is the base class of litellm's errors; `Deadline` raises TimeoutError.
        except (importlib.import_module("openai").OpenAIError, TimeoutError) as error:
            failure = convert_failure(error, exchange, secrets, api_base)
    if failure is not None:
        try:
            raise failure from None
        finally:
            failure.__context__ = (
                None  # litellm's error, which may contain a key; `from None` only hides it
            )
