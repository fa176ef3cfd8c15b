"""Import the code under the module names that tests import."""

import ast
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

from selfcritic.agent.sandbox.inside.code_names import Names, is_special

PACKAGE = "_package_._of_._the_._tests_"
"""The package of the tests, so that relative imports of some levels work."""


class CodeImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import the code under any unused module name that the tests import.

    The code may be in a package, as in `from package.module import f`, and imports may be relative.
    """

    def __init__(self, module: types.ModuleType, names: Names, tests: str) -> None:
        """Store the module that the tests import, and the names of the code."""
        self._module = module
        self._names = names
        self._modules: set[str] = set()  # names of the code's module
        tree = ast.parse(tests)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._modules.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                self._modules.update(self._modules_of(node, tree))
                if not node.level and node.module:
                    self._replace(node.module, [alias.name for alias in node.names])
        if "__main__" in self._modules:  # the program of the sandbox has this name
            sys.modules["__main__"] = module

    def _modules_of(self, node: ast.ImportFrom, tree: ast.Module) -> Iterator[str]:
        """Yield the module that names are imported from, and names that are modules."""
        name = node.module or ""
        if node.level:
            parts = PACKAGE.split(".")
            package = ".".join(parts[: max(len(parts) + 1 - node.level, 1)])
            name = f"{package}.{name}".rstrip(".")
        for alias in node.names:
            if self._is_module(alias, tree, is_likely=not node.module):
                yield f"{name}.{alias.name}"
            else:
                yield name

    def _is_module(self, alias: ast.alias, tree: ast.Module, *, is_likely: bool) -> bool:
        """Return whether an imported name is the code's module, and not a name that it defines."""
        name = alias.asname or alias.name
        uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
        attributes = [
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.value in uses
        ]
        if alias.name not in self._names:
            return alias.name != "*" and (is_likely or 0 < len(uses) == len(attributes))
        # The function `area` of a module `area` has no attribute `area`.
        value = self._names[alias.name]
        missing = [attribute for attribute in attributes if not hasattr(value, attribute)]
        return bool(missing) and all(attribute in self._names for attribute in missing)

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
        """Claim the modules that the tests import, and their packages."""
        is_package = any(name.startswith(f"{fullname}.") for name in self._modules)
        if not is_package and fullname not in self._modules:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Return the module of the code, or a package that contains it."""
        if spec.submodule_search_locations is None:
            return self._module
        return _Package(spec.name, self._module, self._modules)

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: the code has already run."""


class _Package(types.ModuleType):
    """A package that contains the code's module and has its names, too."""

    def __init__(self, name: str, module: types.ModuleType, modules: set[str]) -> None:
        super().__init__(name)
        self._module_ = module
        self._modules_ = modules

    def __getattr__(self, name: str) -> Any:
        if is_special(name) or f"{self.__name__}.{name}" in self._modules_:
            raise AttributeError(name)
        return getattr(self._module_, name)
