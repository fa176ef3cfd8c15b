"""Convert the errors of model clients, with what is known of the HTTP exchange."""

from collections.abc import Mapping

from pydantic import ValidationError

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.error_kinds import (
    body_error_message,
    cause_chain,
    classify_body_error,
    is_network_error,
    response_body,
)
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError, call_error
from selfcritic.agent.models.exchange import Exchange


def convert_failure(
    error: Exception, exchange: Exchange, secrets: tuple[str, ...], address: str | None = None
) -> SelfcriticError:
    """Convert a client's error to a ModelCallError or ModelReplyError, without credentials.

    Errors of this package are returned unchanged. An error object that came with status 200, also within a stream, is
    classified by its code.
    """
    if isinstance(error, SelfcriticError):
        return error
    if exchange.is_answered:
        details = response_body(error)
        if isinstance(details, Mapping):
            return ModelCallError(body_error_message(details), classify_body_error(details))
        if _is_unreadable(error):
            return ModelReplyError("The client cannot read the model's reply", "malformed")
    return call_error(error, secrets, address)


def _is_unreadable(error: Exception) -> bool:
    """Return whether a client failed at the form of a reply, not at the connection."""
    if is_network_error(error):
        return False
    failures = (AttributeError, IndexError, KeyError, TypeError, ValidationError)
    return any(isinstance(link, failures) for link in cause_chain(error))
