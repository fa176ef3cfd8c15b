"""Recognize type errors in code that works, so that they do not reject a draft.

Type checkers infer declared types from the first value of a variable, know only names with a stub, and do not see which
branches run. Correct code without annotations triggers such errors, so their severity is low.
"""

import ast
import re

from selfcritic.agent.checkers.python_source import Code, is_valid_python

_UNTYPED_IDIOM = re.compile(
    r"""
    # Fallbacks for imports, and other values for a property, function or class.
    Type\ .*\ is\ not\ assignable\ to\ declared\ type\ "(?:type\[|\(|property")
  | \AImport\ symbol\ .*\ is\ not\ assignable\ to\ declared\ type
  | is\ obscured\ by\ a\ declaration\ of\ the\ same\ name
    # Attributes that subclasses, decorators, metaclasses or other modules define.
  | Cannot\ access\ attribute\ "\w+"\ for\ class\ "\w+\*"
  | Cannot\ access\ attribute\ "register"\ for\ class\ "type\[
  | \ACannot\ assign\ to\ attribute
    # Values that may be None as far as the checker can see.
  | \A(?:Type|Argument\ of\ type)\ "[^"]*\|\ None[^"]*"
  | \AOperator\ .*\bNone\b
  | for\ class\ "None"
    # The item type of a list or dictionary is inferred from its first items.
  | in\ function\ "__setitem__" | \ANo\ overloads\ for\ "__setitem__"
  | is\ invariant,\ but\ "(?P<item>[^"]+)"\ is\ not\ the\ same\ as\ "(?:float|complex|object|[^"]*\b(?P=item)\b[^"]*)"
    # Numbers as truth values, and functions that a class body calls.
  | "Literal\[\d+\]"\ is\ not\ assignable\ to\ "bool"
  | to\ parameter\ "\w+"\ of\ type\ "Self@
    """,
    re.DOTALL | re.VERBOSE,
)
_NO_RETURN = re.compile(
    r"Function with declared return type .* must return value on all code paths"
)
_PRIVATE_ATTRIBUTE = re.compile(r'Cannot access attribute "_\w+" for class "(?:type\[)?(\w+)')
_ATTRIBUTE = re.compile(r'Cannot access attribute "(\w+)" for class')


def is_idiom(message: str, row: int, code: Code) -> bool:
    """Whether code that works may trigger this error; rows count from 0."""
    if _UNTYPED_IDIOM.search(message):
        return True
    if _NO_RETURN.match(message):
        return not _never_returns(code, row + 1)
    private = _PRIVATE_ATTRIBUTE.match(message)
    if private is not None:
        return re.search(rf"^\s*class\s+{private[1]}\b", code.text, re.MULTILINE) is None
    attribute = _ATTRIBUTE.match(message)
    if attribute is None:
        return False
    return re.search(rf"\.{attribute[1]}\s*=[^=]", code.text) is not None


def _never_returns(code: Code, row: int) -> bool:
    """Whether a function at a row, counted from 1, has statements but returns no value."""
    if not is_valid_python(code.text):
        return False  # its syntax is newer
    for node in ast.walk(ast.parse(code.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno == row:
            break
    else:
        return False
    has_statements = not all(isinstance(child, ast.Expr | ast.Pass) for child in node.body)
    returns = [child for child in ast.walk(node) if isinstance(child, ast.Return)]
    return has_statements and not any(child.value is not None for child in returns)
