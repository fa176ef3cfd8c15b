"""Chat models that are handed in: made to send one request a call, as the framework's own do."""

from langchain_core.language_models import BaseChatModel

_CLIENTS = {"client", "async_client", "root_client", "root_async_client"}
"""What OpenAI's and its kin's chat models build for themselves, with the retries in it."""


def without_own_retries(model: BaseChatModel) -> BaseChatModel:
    """The same model, made anew with `max_retries=0`: retries of its own would pass the budget by, uncounted."""
    fields = type(model).model_fields
    if "max_retries" not in fields or getattr(model, "max_retries", None) == 0:
        return model
    given = {
        fields[name].alias or name: getattr(model, name)
        for name in model.model_fields_set & fields.keys() - _CLIENTS - {"max_retries"}
    }
    return type(model)(**given, **{fields["max_retries"].alias or "max_retries": 0})
