"""Find the names that modules of the standard library define, some of which have no type stub."""

import ast
import sys
import sysconfig
from functools import cache
from pathlib import Path

_STDLIB = Path(sysconfig.get_path("stdlib"))


def defines_name(module: str, name: str) -> bool:
    """Whether a standard module written in Python defines a name at its top level."""
    return name in _defined_names(module)


@cache
def _defined_names(module: str) -> frozenset[str]:
    parts = module.split(".")
    if parts[0] not in sys.stdlib_module_names:
        return frozenset()
    folder = _STDLIB.joinpath(*parts)
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if path.is_file():
            tree = ast.parse(path.read_bytes())
            return frozenset(_bound_names(tree))
    return frozenset()


def _bound_names(scope: ast.AST) -> set[str]:
    """Return the names that are bound in a scope, without those of functions and classes in it."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        names |= _bound_names(node)
    return names
