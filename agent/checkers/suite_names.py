"""Find the names that tests use, and which of them the code under test may define."""

import ast
import builtins
import importlib
import importlib.util
import re
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass

PURE_MODULES = {
    "__future__",
    "cmath",
    "collections",
    "copy",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "statistics",
    "string",
    "typing",
}
"""Modules of the standard library whose results depend only on the arguments."""

_LIBRARIES_OF_TESTS = {"pytest", "unittest"}

_BUILTINS = {name for name in vars(builtins) if not name.startswith("_")}
_NAME_IN_QUESTION = re.compile(r"(?:\bdef[ \t]+|`)(\w+)")


@dataclass(frozen=True)
class Names:
    """The names that tests use and do not define."""

    builtins: tuple[str, ...] = ()
    """Names of builtins that the code may define for the tests."""
    modules: tuple[str, ...] = ()
    """Pure modules that the tests use without importing them."""


def find_names(source: str, question: str, *, has_entry: bool) -> Names:
    """Return the names that tests use and do not define.

    Code must not replace the builtins with which the tests check it, such as `all` or `abs`. It defines a builtin's
    name for the tests only if they use no other name that can be the code's, or if the question names it, as `sum` or
    in `def sum`. `has_entry` states that the tests get the function of the code as an argument.

    Raises:
        SyntaxError: The source is not Python.
    """
    tree = ast.parse(source)
    used = _undefined_names(source)
    for example in find_examples(tree):
        used |= _undefined_names(example)
    modules = {name for name in used & PURE_MODULES if _is_module_in(tree, name)}
    unknown = {name for name in used - _BUILTINS - modules if not name.startswith("__")}
    used_builtins = used & _BUILTINS
    if has_entry or unknown or _may_import_code(tree):
        used_builtins &= set(_NAME_IN_QUESTION.findall(question))
    return Names(tuple(sorted(used_builtins)), tuple(sorted(modules)))


def _undefined_names(source: str) -> set[str]:
    """Return the global names that Python source uses and does not define, builtins included."""
    used: set[str] = set()
    defined: set[str] = set()
    try:
        module = symtable.symtable(source, "<tests>", "exec")
    except SyntaxError:  # of an example: the run reports it
        return set()
    for table in _walk_scopes(module):
        for symbol in table.get_symbols():
            if table is not module and not symbol.is_global():
                continue
            if symbol.is_referenced():
                used.add(symbol.get_name())
            if symbol.is_assigned() or symbol.is_imported():
                defined.add(symbol.get_name())
    return used - defined


def _walk_scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _walk_scopes(child)


def find_examples(tree: ast.Module) -> Iterator[str]:
    """Yield the source of each doctest example in a docstring."""
    import doctest  # slow: it imports a debugger

    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        docstring = ast.get_docstring(node) or ""
        if ">>>" not in docstring:
            continue
        try:
            examples = doctest.DocTestParser().get_examples(docstring)
        except ValueError:  # the run reports it
            continue
        for example in examples:
            try:
                ast.parse(example.source)
            except SyntaxError:
                continue
            yield example.source


def _is_module_in(tree: ast.Module, name: str) -> bool:
    """Return whether all uses of a name are attributes that the module of this name has."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    attributes = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.value in names
    ]
    module = importlib.import_module(name)
    return len(attributes) == len(names) and all(hasattr(module, attr) for attr in attributes)


def _may_import_code(tree: ast.Module) -> bool:
    """Return whether an import can be one of the code, whose file may be named like a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            if not all(is_installed(alias.name) for alias in node.names):
                return True
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            is_library = name in PURE_MODULES | _LIBRARIES_OF_TESTS
            if node.level or not is_installed(name) or (is_stdlib(name) and not is_library):
                return True
    return False


def is_installed(module: str) -> bool:
    """Return whether the tests can import a module that is not the code; `__main__` is the code."""
    name = module.partition(".")[0]
    if name == "__main__":
        return False
    if is_stdlib(name):
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # a loaded module that no file defines
        return False


def is_stdlib(module: str) -> bool:
    """Return whether a module is one of the standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names
