"""Give tests the names of the code."""

import builtins
import importlib
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from selfcritic.agent.sandbox.inside.proxy import is_callable

Names = dict[str, Any]

_BUILTINS = set(vars(builtins))


def visible_names(options: Mapping[str, Any], names: Names) -> Names:
    """Return the names of the code that tests see without importing them.

    Code must not replace the names with which the tests check it: builtins, pure modules, and names such as
    `__builtins__`. `agent.checkers.suite_names` finds the exceptions.
    """
    hidden = _BUILTINS - set(options["builtins"])
    visible = {
        name: value for name, value in names.items() if name not in hidden and not is_special(name)
    }
    for name in options["modules"]:
        visible[name] = importlib.import_module(name)
    return {"callable": is_callable, **visible}


def is_special(name: str) -> bool:
    """Whether a name is one of Python's, such as `__builtins__`."""
    return name.startswith("__") and name.endswith("__")


class RemoteModule(types.ModuleType):
    """The module of code in another process; its names have their current values."""

    def __init__(self, read: Callable[[str], Any], public: Iterable[str]) -> None:
        """Let `read` return the value of a name, and `import *` give the public names."""
        super().__init__("draft")
        self.__all__ = [name for name in public if not name.startswith("_")]
        self._read_ = read

    def __getattr__(self, name: str) -> Any:
        if is_special(name):
            raise AttributeError(name)
        return self._read_(name)
