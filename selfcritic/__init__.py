"""Language models that find and fix flaws in their own answers."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfcritic.agent.models import load
    from selfcritic.graphs.review import create_review
    from selfcritic.graphs.self_critique import create_self_critique

    __version__: str

__all__ = ["__version__", "create_review", "create_self_critique", "load"]

_MODULES = {
    "create_review": "selfcritic.graphs.review",
    "create_self_critique": "selfcritic.graphs.self_critique",
    "load": "selfcritic.agent.models",
}


def __getattr__(name: str) -> Any:
    # Lazy: the packages below import this module, and need neither the graphs nor the version.
    if name == "__version__":
        return version("selfcritic")
    if name not in _MODULES:
        raise AttributeError(f"module 'selfcritic' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)
