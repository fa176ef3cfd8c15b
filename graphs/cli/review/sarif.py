"""Convert reviews to SARIF 2.1.0 (OASIS), for code hosts and editors.

Columns count from 1 in UTF-16 code units, as the log declares.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from selfcritic.agent.schemas import Severity
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import CRITIC, LocatedComment, Review

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: dict[Severity, str] = {
    "low": "note",
    "medium": "warning",
    "high": "error",
}


def to_sarif(reviews: Sequence[Review], min_severity: Severity) -> dict[str, Any]:
    """Build a log with a result per comment and a rule per source."""
    shown: list[tuple[Document, LocatedComment]] = []
    for review in reviews:
        for comment in review.comments(min_severity):
            shown.append((review.document, comment))
    rules = sorted({comment.source for _, comment in shown})
    driver = {
        "name": "selfcritic",
        "version": version("selfcritic"),
        "rules": [_rule(source) for source in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "artifacts": [{"location": _artifact_location(review.document)} for review in reviews],
        "results": [_result(document, comment, rules) for document, comment in shown],
        "invocations": [_invocation(reviews)],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [run],
    }


def _rule(source: str) -> dict[str, Any]:
    text = f"A finding of the checker {source}."
    if source == CRITIC:
        text = "A comment of the critic."
    return {"id": source, "shortDescription": {"text": text}}


def _result(
    document: Document,
    located: LocatedComment,
    rules: Sequence[str],
) -> dict[str, Any]:
    comment = located.comment
    physical_location = {
        "artifactLocation": _artifact_location(document),
        "region": _region(document, located),
    }
    result: dict[str, Any] = {
        "ruleId": located.source,
        "ruleIndex": rules.index(located.source),
        "level": _LEVELS[located.severity],
        "message": {"text": comment.text},
        "locations": [{"physicalLocation": physical_location}],
        "partialFingerprints": {"quoteAndRule/v1": _fingerprint(document, located)},
    }
    if comment.evidence is not None:
        result["properties"] = {"evidence": comment.evidence}
    if comment.evidence == "refuted":
        suppression = {
            "kind": "external",
            "justification": "A checker refutes it.",
        }
        result["suppressions"] = [suppression]
    return result


def _fingerprint(document: Document, located: LocatedComment) -> str:
    """Hash file, rule and quote; line numbers would change between commits."""
    quote = " ".join(located.comment.quote.split())
    key = "\0".join((document.uri, located.source, quote))
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()


def _artifact_location(document: Document) -> dict[str, Any]:
    first_segment = document.uri.partition("/")[0]
    if ":" in first_segment:  # an absolute URI
        return {"uri": document.uri}
    return {"uri": document.uri, "uriBaseId": "%SRCROOT%"}


def _region(document: Document, located: LocatedComment) -> dict[str, Any]:
    location = located.location
    first_line = document.lines[location.line]
    last_line = document.lines[location.end_line]
    quote = document.text[located.start : located.end]
    region: dict[str, Any] = {
        "startLine": document.line_number(location.line),
        "startColumn": _column(first_line, location.column),
        "endLine": document.line_number(location.end_line),
        "endColumn": _column(last_line, location.end_column),
        "snippet": {"text": quote},
    }
    if document.line_numbers is None:  # offsets in a whole file are the file's offsets
        region["charOffset"] = _utf16_length(document.text[: located.start])
        region["charLength"] = _utf16_length(quote)
    return region


def _column(line: str, column: int) -> int:
    """Convert a column in characters, from 0, to UTF-16 units, from 1."""
    return _utf16_length(line[:column]) + 1


def _utf16_length(text: str) -> int:
    num_pairs = sum(character > "\uffff" for character in text)
    return len(text) + num_pairs


def _invocation(reviews: Sequence[Review]) -> dict[str, Any]:
    """Report errors, and comments whose quote is not in the file."""
    notifications: list[dict[str, Any]] = []
    for review in reviews:
        if review.error:
            notifications.append(_notification(review.document, "error", review.error))
    for review in reviews:
        for comment in review.unlocated:
            text = f"Not in the file: {comment.quote!r}. {comment.text}"
            notifications.append(_notification(review.document, "note", text))
    return {
        "executionSuccessful": not any(review.error for review in reviews),
        "toolExecutionNotifications": notifications,
    }


def _notification(document: Document, level: str, text: str) -> dict[str, Any]:
    physical_location = {"artifactLocation": _artifact_location(document)}
    return {
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": physical_location}],
    }
