"""Select ruff's rules, rate their violations, and detect false alarms."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfcritic.agent.checkers.python_findings import severity_of
from selfcritic.agent.schemas import Severity

SYNTAX_ERROR = "invalid-syntax"
# Bugs and likely bugs: no style rules, nothing that needs a newer Python (B905, B912).
RULES = "F,E9,B,PLE"
IGNORED_RULES = "B009,B010,B011,B904,B905,B911,B912,B028,E902,F403,F405"
STUB_RULES = "B018,B024,B027"
"""Ignored in stubs, where no function has a body."""

# Rules that often object to correct code.
_LOW_RULES = """
    B003 B004 B005 B006 B007 B008 B012 B013 B014 B017 B018 B019 B020 B021 B022 B024 B026 B027 B033 B034 B039 B901
    F4 F504 F522 F523 F54 F811 F822 F84 PLE0605 PLE0704 PLE25
"""
_HIGH_RULES = f"E9 F5 F63 F7 F82 PLE {SYNTAX_ERROR}"
_SEVERITIES: Mapping[str, Severity] = {
    **dict.fromkeys(_LOW_RULES.split(), "low"),
    **dict.fromkeys(_HIGH_RULES.split(), "high"),
    "PLE1310": "medium",
    "PLE2502": "medium",
}
_MUTABLE_DEFAULT = "B006"
_PARAMETER = re.compile(r"(\w+)\s*(?::[^=]*)?=\s*\Z")
_MUTATION = (
    r"\b{name}(?:\.(?:add|append|clear|discard|extend|insert|pop|popitem|remove|setdefault|sort|update)\("
    r"|\[[^\]\n]*\]\s*[-+*/|&]?=(?!=)|\s*[-+*/|&]=)|\breturn\s+{name}\b|\bself\.\w+\s*=\s*{name}\b"
)
_MAX_FUNCTION_LINES = 200
_MANGLED_SLOT = re.compile(r"Attribute `__\w+?(?<!__)` is not defined in class's `__slots__`")
_SHAPE_LIBRARY = re.compile(
    r"^\s*(?:from|import)\s+(?:jaxtyping|torchtyping|nptyping)\b", re.MULTILINE
)
_EXPECTS_ERROR = re.compile(
    r"\s*with\b.*(?:assertRaises|\braises|assertWarns|\bwarns)(?:Regex)?\(.*"
)
_TRY = re.compile(r"\s*try\s*:")
_MAX_BLOCK_LINES = 30
_MAX_CHARS_BEFORE = 500
_INDENT = re.compile(r"[ \t]*")


def severity_of_rule(code: str) -> Severity:
    """Return the severity of findings of a ruff rule."""
    return severity_of(code, _SEVERITIES)


def severity_of_violation(violation: Mapping[str, Any], lines: Sequence[str]) -> Severity:
    """Return the severity of a violation in code with these lines."""
    rule = violation["code"] or SYNTAX_ERROR
    if rule == _MUTABLE_DEFAULT and _is_default_changed(violation, lines):
        return "medium"
    return severity_of_rule(rule)


def annotates_shapes(text: str) -> bool:
    """Detect a library whose annotations contain the shapes of arrays as text."""
    return _SHAPE_LIBRARY.search(text) is not None


def is_false_alarm(violation: Mapping[str, Any], lines: Sequence[str], *, has_shapes: bool) -> bool:
    """Detect known false alarms of ruff, and code that a test expects to fail."""
    row = violation["location"]["row"]
    rule = violation["code"]
    if row > len(lines) or rule in (None, SYNTAX_ERROR):
        return False
    if rule == "PLE0237" and _MANGLED_SLOT.match(violation["message"]):
        return True
    column = violation["location"]["column"] - 1
    if rule == "F821" and is_in_literal(lines[row - 1], column):
        return True
    if has_shapes and rule in ("F722", "F821") and _is_shape(lines[row - 1], column):
        return True
    is_expression = rule in ("B015", "B018")
    return _is_expected_to_fail(lines, row - 1, in_try=is_expression)


def _is_default_changed(violation: Mapping[str, Any], lines: Sequence[str]) -> bool:
    """Detect a function that changes or keeps its mutable default."""
    row = violation["location"]["row"]
    column = violation["location"]["column"] - 1
    if row > len(lines):
        return False
    before = lines[row - 1][max(column - _MAX_CHARS_BEFORE, 0) : column]
    parameter = _PARAMETER.search(before)
    if parameter is None or re.search("cache|memo|^_", parameter[1]):
        return False
    mutation = re.compile(_MUTATION.format(name=re.escape(parameter[1])))
    indent = _indent(lines[row - 1])
    for line in lines[row - 1 : row + _MAX_FUNCTION_LINES]:
        is_next_definition = re.match(r"\s*(?:async\s+def|def|class)\b", line) is not None
        if is_next_definition and line is not lines[row - 1] and _indent(line) <= indent:
            return False
        if mutation.search(line):
            return True
    return False


def is_in_literal(line: str, column: int) -> bool:
    """Detect a string in `Literal[…]`, which a tool reads as a type if it does not know the import."""
    before = line[max(column - _MAX_CHARS_BEFORE, 0) : column]
    return before.endswith(('"', "'")) and "Literal[" in before


def _is_shape(line: str, column: int) -> bool:
    """Detect a shape of an array in an annotation, such as Float[Array, "rows columns"]."""
    edge = line[max(column - 1, 0) : column + 1]
    return '"' in edge or "'" in edge


def _is_expected_to_fail(lines: Sequence[str], index: int, *, in_try: bool) -> bool:
    """Detect a line in a `with` block that expects an exception, or in a `try` block."""
    indent = _indent(lines[index])
    for line in reversed(lines[max(index - _MAX_BLOCK_LINES, 0) : index]):
        if not line or line.isspace() or _indent(line) >= indent:
            continue
        indent = _indent(line)
        if _EXPECTS_ERROR.match(line) or (in_try and _TRY.match(line)):
            return True
    return False


def _indent(line: str) -> int:
    indent = _INDENT.match(line)
    return indent.end() if indent else 0
