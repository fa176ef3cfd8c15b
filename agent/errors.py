"""Define the errors that selfcritic raises."""


class SelfcriticError(Exception):
    """Base of all errors that selfcritic raises."""


class InputError(SelfcriticError):
    """The question or an option is not valid."""


class UnknownModelError(SelfcriticError):
    """A model spec names no model that `load` can create."""


class UnknownTaskError(SelfcriticError):
    """The question is no task that an offline model can solve."""


class ModelError(SelfcriticError):
    """A model request failed; the message has the provider's reason and a remedy."""

    def __init__(self, message: str, *, is_rejection: bool = False) -> None:
        super().__init__(message)
        self.is_rejection = is_rejection
        """Whether the provider rejected the request itself, so that another form of it may succeed."""


class CheckerError(SelfcriticError):
    """A checker failed, or its tool cannot run."""


class BudgetExhausted(SelfcriticError):  # noqa: N818 - not a failure: becomes a stop reason
    """The next request would exceed the run's budget and was not sent."""


class ScriptExhausted(SelfcriticError):  # noqa: N818 - not a failure: the script ended
    """The scripted model has no more replies."""
