"""Build findings at positions in Python code."""

from collections.abc import Mapping
from typing import Any

from selfcritic.agent.checkers.findings import finding
from selfcritic.agent.checkers.python_source import Code
from selfcritic.agent.schemas import Comment, Severity

Position = tuple[int, int]
"""Row from 1 and column from 0, in characters."""


def code_finding(
    draft: str,
    code: Code,
    start: Position,
    end: Position,
    text: str,
    *,
    source: str,
    severity: Severity,
    rule: str,
) -> Comment:
    """Return a confirmed comment on a range of the draft's code."""
    if not text.endswith((".", "?", "!")):
        text += "."
    start_offset, end_offset = sorted((code.offset(*start), code.offset(*end)))
    return finding(
        draft, start_offset, end_offset, text, source=source, severity=severity, rule=rule
    )


def ruff_positions(violation: Mapping[str, Any]) -> tuple[Position, Position]:
    """Return the start and end of a violation of ruff."""
    start = violation["location"]
    end = violation["end_location"]
    return (start["row"], start["column"] - 1), (end["row"], end["column"] - 1)


def severity_of(rule: str, severities: Mapping[str, Severity]) -> Severity:
    """Return the severity of the longest listed prefix of the rule, else "medium"."""
    prefixes = [prefix for prefix in severities if rule.startswith(prefix)]
    if not prefixes:
        return "medium"
    return severities[max(prefixes, key=len)]
