"""Remember for the whole process what was learned about each model.

A new run does not send parameters again that a provider rejects.
"""

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel

from selfcritic.agent.models import model_key
from selfcritic.agent.schemas import Capabilities

_known: dict[object, Capabilities] = {}


def recall(model: str | BaseChatModel) -> Capabilities:
    """Return a copy of what is known about a model; empty for an unknown one."""
    known = _known.get(hashable_key(model))
    if known is None:
        return Capabilities()
    return known.copy_learned()


def remember(models: Sequence[BaseChatModel], capabilities: Capabilities) -> None:
    """Save what a successful request has shown about a role's model.

    With fallbacks, it is unknown which model rejected a parameter.
    """
    if len(models) > 1:
        return
    key = hashable_key(models[0])
    if key is not None:
        _known[key] = Capabilities(
            rejected=list(capabilities.rejected),
            reasoning=capabilities.reasoning,
            verdict_tokens=capabilities.verdict_tokens,
        )


def forget_all() -> None:
    """Forget all models, for tests."""
    _known.clear()


def hashable_key(model: str | BaseChatModel) -> object | None:
    """Return a model's key; None for a model without a name."""
    key = model_key(model)
    if isinstance(key, BaseChatModel):
        return None
    return key
