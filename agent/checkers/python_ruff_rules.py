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

_SEVERITIES: Mapping[str, Severity] = {
    "B003": "low",
    "B004": "low",
    "B006": "low",  # medium if the function changes the argument
    "B007": "low",
    "B008": "low",  # frameworks declare dependencies in defaults
    "B012": "low",
    "B017": "low",
    "B018": "low",
    "B019": "low",
    "B020": "low",
    "B021": "low",
    "B024": "low",
    "B026": "low",
    "B027": "low",
    "B033": "low",
    "B034": "low",
    "E9": "high",
    "F4": "low",
    "F5": "high",
    "F54": "low",
    "F63": "high",
    "F7": "high",
    "F811": "low",
    "F82": "high",
    "F822": "low",  # a package may list its modules in `__all__`
    "F84": "low",
    "PLE": "high",
    "PLE0605": "low",  # `__all__` may be computed
    "PLE0704": "low",  # a function called in an exception handler may raise again
    SYNTAX_ERROR: "high",
}
_MUTABLE_DEFAULT = "B006"
_PARAMETER = re.compile(r"(\w+)\s*(?::[^=]*)?=\s*\Z")
_MUTATION = (
    r"\b{name}(?:\.(?:add|append|clear|discard|extend|insert|pop|popitem|remove|setdefault|sort|update)\("
    r"|\[[^\]\n]*\]\s*[-+*/|&]?=(?!=)|\s*[-+*/|&]=)|\breturn\s+{name}\b|\bself\.\w+\s*=\s*{name}\b"
)
_MAX_FUNCTION_LINES = 200
_MANGLED_SLOT = re.compile(r"Attribute `__\w+?(?<!__)` is not defined in class's `__slots__`")
_EXPECTS_ERROR = re.compile(
    r"\s*with\b.*(?:assertRaises|\braises|assertWarns|\bwarns)(?:Regex)?\(.*"
)
_MAX_BLOCK_LINES = 30


def severity_of_rule(code: str) -> Severity:
    """Return the severity of findings of a ruff rule."""
    return severity_of(code, _SEVERITIES)


def severity_of_violation(violation: Mapping[str, Any], lines: Sequence[str]) -> Severity:
    """Return the severity of a violation in code with these lines."""
    rule = violation["code"] or SYNTAX_ERROR
    if rule == _MUTABLE_DEFAULT and _is_default_changed(violation, lines):
        return "medium"
    return severity_of_rule(rule)


def is_false_alarm(violation: Mapping[str, Any], lines: Sequence[str]) -> bool:
    """Detect known false alarms of ruff, and code that a test expects to fail."""
    row = violation["location"]["row"]
    rule = violation["code"]
    if row > len(lines) or rule in (None, SYNTAX_ERROR):
        return False
    if rule == "PLE0237" and _MANGLED_SLOT.match(violation["message"]):
        return True
    if rule == "F821" and is_in_literal(lines[row - 1], violation["location"]["column"] - 1):
        return True
    is_expression = rule in ("B015", "B018")
    return _is_expected_to_fail(lines, row - 1, in_try=is_expression)


def _is_default_changed(violation: Mapping[str, Any], lines: Sequence[str]) -> bool:
    """Detect a function that changes or keeps its mutable default."""
    row = violation["location"]["row"]
    column = violation["location"]["column"] - 1
    parameter = _PARAMETER.search(lines[row - 1][:column]) if row <= len(lines) else None
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
    before = line[:column]
    return before.endswith(('"', "'")) and "Literal[" in before


def _is_expected_to_fail(lines: Sequence[str], index: int, *, in_try: bool) -> bool:
    """Detect a line in a `with` block that expects an exception, or in a `try` block."""
    indent = _indent(lines[index])
    for line in reversed(lines[max(index - _MAX_BLOCK_LINES, 0) : index]):
        if not line.strip() or _indent(line) >= indent:
            continue
        indent = _indent(line)
        if _EXPECTS_ERROR.match(line) or (in_try and line.strip() == "try:"):
            return True
    return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
