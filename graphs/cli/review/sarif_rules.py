"""Describe the rules of comments as GitHub code scanning requires."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfcritic.agent.checkers.rules import describe_rule
from selfcritic.agent.schemas import Severity
from selfcritic.graphs.cli.review.result import CRITIC, LocatedComment, severity_rank

LEVELS: dict[Severity, str] = {
    "low": "note",
    "medium": "warning",
    "high": "error",
}
_PROBLEM_SEVERITIES: Mapping[Severity, str] = {
    "low": "recommendation",
    "medium": "warning",
    "high": "error",
}
_SECURITY_SEVERITIES: Mapping[Severity, str] = {
    "low": "3.0",
    "medium": "5.5",
    "high": "8.0",
}
_SECURITY_RULE = re.compile(r"ruff/S\d+")


def rule_id(located: LocatedComment) -> str:
    """Return the id of a comment's rule, such as `ruff/F821`, else its source."""
    return located.comment.rule or located.source


def build_rule(rule: str, comments: Sequence[LocatedComment]) -> dict[str, Any]:
    """Build the descriptor of a rule from its documentation and its comments."""
    description = describe_rule(rule)
    severities = [comment.severity for comment in comments if rule_id(comment) == rule]
    severity = max(severities, key=severity_rank)
    properties: dict[str, Any] = {
        "precision": "medium" if rule == CRITIC else "high",
        "problem.severity": _PROBLEM_SEVERITIES[severity],
    }
    if _SECURITY_RULE.fullmatch(rule):
        properties["security-severity"] = _SECURITY_SEVERITIES[severity]
        properties["tags"] = ["security"]
    descriptor: dict[str, Any] = {
        "id": rule,
        "shortDescription": {"text": description.short},
        "fullDescription": {"text": description.full},
        "help": {"text": description.help, "markdown": description.help},
        "defaultConfiguration": {"level": LEVELS[severity]},
        "properties": properties,
    }
    if description.name != rule:  # SARIF does not allow equal ones
        descriptor["name"] = description.name
    if description.help_uri is not None:
        descriptor["helpUri"] = description.help_uri
    return descriptor
