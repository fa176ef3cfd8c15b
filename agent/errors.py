"""Define the errors that selfcritic raises."""

from pydantic import ValidationError


class SelfcriticError(RuntimeError):
    """Base of all errors that selfcritic raises.

    LangGraph's server hides the messages of errors that are not built-in ones, such as a RuntimeError.
    """


class InputError(SelfcriticError):
    """The question or an option is not valid."""


class UnknownModelError(SelfcriticError):
    """A model spec does not name a model that `load` can create."""


class UnknownTaskError(SelfcriticError):
    """The question is not a task that an offline model can solve."""


class ModelError(SelfcriticError):
    """A model request failed; the message has the provider's reason and a remedy."""

    def __init__(self, message: str, *, is_rejection: bool = False) -> None:
        super().__init__(message)
        self.is_rejection = is_rejection
        """Whether the provider rejected the request itself, so that a modified request may succeed."""


class CheckpointError(SelfcriticError):
    """A checkpoint or ledger cannot be read or written; the message names it and has a remedy."""


class JudgeUnreadable(SelfcriticError):  # noqa: N818 - becomes a stop reason
    """No reply of the judge is a readable Yes or No; the message quotes its first words."""


class ReplyTruncated(SelfcriticError):  # noqa: N818 - becomes a stop reason
    """A draft stopped at its length limit, also when it was requested again."""


class CheckerError(SelfcriticError):
    """A checker failed, or its tool cannot run."""


class BudgetExhausted(SelfcriticError):  # noqa: N818 - not a failure: becomes a stop reason
    """The next request would exceed the run's budget and was not sent."""


class ScriptExhausted(SelfcriticError):  # noqa: N818 - not a failure: the script ended
    """The scripted model has no more replies."""


def format_validation_error(
    error: ValidationError, root: str = "input", limit: int | None = None
) -> str:
    """Join the first `limit` errors as `location: message`, without the invalid values.

    `root` is the location of an error about the whole input.
    """
    details = error.errors(include_input=False)[:limit]
    locations = [".".join(map(str, detail["loc"])) or root for detail in details]
    return "; ".join(
        f"{location}: {detail['msg']}" for location, detail in zip(locations, details, strict=True)
    )
