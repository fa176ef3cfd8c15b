"""Give tests the names of the code: in their namespace, and as the modules that they import."""

import ast
import builtins
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        name: value for name, value in names.items() if name not in hidden and not _is_special(name)
    }
    for name in options["modules"]:
        visible[name] = importlib.import_module(name)
    return {"callable": is_callable, **visible}


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


class RemoteModule(types.ModuleType):
    """The module of code in another process; its names have their current values."""

    def __init__(self, read: Callable[[str], Any], public: Iterable[str]) -> None:
        """Let `read` return the value of a name, and `import *` give the public names."""
        super().__init__("draft")
        self.__all__ = [name for name in public if not name.startswith("_")]
        self._read_ = read

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(name)
        return self._read_(name)


class CodeImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import the code under any unused module name that the tests import."""

    def __init__(self, module: types.ModuleType, names: Names, tests: str) -> None:
        """Store the module that the tests import, and the names of the code."""
        self._module = module
        self._names = names
        self._modules: set[str] = set()
        for node in ast.walk(ast.parse(tests)):
            if isinstance(node, ast.Import):
                self._modules.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                self._modules.add(node.module)
                self._replace(node.module, [alias.name for alias in node.names])

    def _replace(self, name: str, imported: Sequence[str]) -> None:
        """Import the code in place of a module that lacks these names.

        The file of the code may be named like a module of the library, such as `code` or `queue`.
        """
        if name not in sys.stdlib_module_names:
            return
        module = importlib.import_module(name)
        missing = [name for name in imported if not hasattr(module, name)]
        if not any(name in self._names for name in missing):
            return
        replacement = types.ModuleType(name)
        vars(replacement).update(vars(module))
        for name_of_code in imported:
            if name_of_code in self._names:
                setattr(replacement, name_of_code, self._names[name_of_code])
        sys.modules[name] = replacement

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """Claim the modules that the tests import."""
        if fullname not in self._modules or "." in fullname:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:  # noqa: ARG002
        """Return the module of the code."""
        return self._module

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: the code has already run."""
