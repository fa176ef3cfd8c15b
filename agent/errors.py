"""Every error the framework raises on purpose; each message says what to do."""

from pydantic import ValidationError


class SelfcriticError(Exception):
    """Base of all errors raised on purpose."""


class InputError(SelfcriticError):
    """The question or the options of a run cannot be used as given."""


class UnknownModelError(SelfcriticError):
    """A model spec names nothing that `load` knows."""


class UnknownTaskError(SelfcriticError):
    """The simulated model was asked something outside its task families."""


class ModelError(SelfcriticError):
    """A model could not be made to reply; the message has the provider's words and what to do."""

    def __init__(self, message: str, *, is_rejection: bool = False) -> None:
        super().__init__(message)
        self.is_rejection = is_rejection
        """Whether the provider would not take the request as it was, so that another form of it may do."""


class CheckerError(SelfcriticError):
    """A checker, or the tool that it uses, cannot be run as it is installed or given."""


class BudgetExhausted(SelfcriticError):  # noqa: N818 - an ending, not a fault: the loop turns it into a stop reason
    """The next request would exceed the run's budget; it was not sent."""


class ScriptExhausted(SelfcriticError):  # noqa: N818 - an ending of the script
    """The scripted model was asked for more replies than it was given."""


def format_validation_error(error: ValidationError, root: str = "input", limit: int | None = None) -> str:
    """Join the first `limit` errors as `location: message`, without the invalid values.

    `root` is the location of an error about the whole input.
    """
    details = error.errors(include_input=False)[:limit]
    locations = [".".join(map(str, detail["loc"])) or root for detail in details]
    return "; ".join(f"{location}: {detail['msg']}" for location, detail in zip(locations, details, strict=True))
