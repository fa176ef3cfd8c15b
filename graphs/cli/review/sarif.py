"""Convert reviews to SARIF 2.1.0 (OASIS), for code hosts and editors.

Columns count from 1 in UTF-16 code units, as the log declares. Paths are relative to the repository's root, and each
rule has what GitHub code scanning requires.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Severity
from selfcritic.graphs.cli.review.documents import Document, Skipped
from selfcritic.graphs.cli.review.repository import repo_root
from selfcritic.graphs.cli.review.result import LocatedComment, Review, sort_by_severity
from selfcritic.graphs.cli.review.sarif_rules import LEVELS, build_rule, rule_id

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MAX_SNIPPET_CHARS = 1000
_MAX_MESSAGE_CHARS = 4000


def check_uris(documents: Sequence[Document]) -> None:
    """Raise InputError if a document is outside the repository."""
    for document in documents:
        if _is_absolute(document):
            raise InputError(
                f"'{document.name}' is outside of '{repo_root()}': --sarif requires files of one repository. "
                "Run the command in the file's repository, or pass --json."
            )


def to_sarif(
    reviews: Sequence[Review], min_severity: Severity, skipped: Sequence[Skipped] = ()
) -> dict[str, Any]:
    """Build a log with a result per comment, the most severe first, and a rule per rule id."""
    documents: dict[int, Document] = {}
    comments: list[LocatedComment] = []
    for review in reviews:
        for comment in review.comments(min_severity):
            documents[id(comment)] = review.document
            comments.append(comment)
    comments = sort_by_severity(comments)
    rule_ids = sorted({rule_id(comment) for comment in comments})
    fingerprints = _Fingerprints()
    results: list[dict[str, Any]] = []
    for comment in comments:
        result = _result(documents[id(comment)], comment, rule_ids, fingerprints)
        results.append(result)
    driver = {
        "name": "selfcritic",
        "version": version("selfcritic"),
        "rules": [build_rule(rule, comments) for rule in rule_ids],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "artifacts": [{"location": _artifact_location(review.document)} for review in reviews],
        "results": results,
        "invocations": [_invocation(reviews, skipped)],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [run],
    }


def _result(
    document: Document,
    located: LocatedComment,
    rule_ids: Sequence[str],
    fingerprints: "_Fingerprints",
) -> dict[str, Any]:
    comment = located.comment
    physical_location = {
        "artifactLocation": _artifact_location(document),
        "region": _region(document, located),
    }
    location: dict[str, Any] = {"physicalLocation": physical_location}
    text = _shorten(comment.text.strip() or "No text.", _MAX_MESSAGE_CHARS)
    cell = document.cell_number(located.location)
    if cell is not None:
        line = document.line_number(located.location.line)
        text = f"Cell {cell}, line {line}: {text}"
        location["logicalLocations"] = [{"name": f"cell {cell}"}]
    result: dict[str, Any] = {
        "ruleId": rule_id(located),
        "ruleIndex": rule_ids.index(rule_id(located)),
        "level": LEVELS[located.severity],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"quoteAndRule/v1": fingerprints.build(document, located)},
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


class _Fingerprints:
    """Hashes file, rule and quote; line numbers would change between commits."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def build(self, document: Document, located: LocatedComment) -> str:
        """Return the fingerprint; equal quotes of a file are numbered."""
        quote = " ".join(located.comment.quote.split())
        key = "\0".join((document.uri, rule_id(located), quote))
        number = self._counts[key]
        self._counts[key] += 1
        if number:
            key += f"\0{number}"
        return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()


def _is_absolute(document: Document) -> bool:
    return ":" in document.uri.partition("/")[0]


def _artifact_location(document: Document) -> dict[str, Any]:
    if _is_absolute(document):
        return {"uri": document.uri}
    return {"uri": document.uri, "uriBaseId": "%SRCROOT%"}


def _region(document: Document, located: LocatedComment) -> dict[str, Any]:
    location = located.location
    region: dict[str, Any] = {
        "startLine": max(document.file_line(location.line), 1),
        "endLine": max(document.file_line(location.end_line), 1),
    }
    quote = document.text[located.start : located.end]
    if len(quote) <= _MAX_SNIPPET_CHARS and not document.cells:
        region["snippet"] = {"text": quote}
    if document.cells:  # the columns of the JSON are not those of the code
        return region
    region["startColumn"] = _column(document.lines[location.line], location.column)
    region["endColumn"] = _column(document.lines[location.end_line], location.end_column)
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


def _shorten(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def _invocation(reviews: Sequence[Review], skipped: Sequence[Skipped]) -> dict[str, Any]:
    """Report errors, skipped files, and comments whose quote is not in the file."""
    notifications: list[dict[str, Any]] = []
    for review in reviews:
        if review.error:
            notifications.append(_notification(review.document, "error", review.error))
    for skip in skipped:
        level = "error" if skip.kind == "unreadable" else "note"
        text = f"Skipped {skip.name}: it {skip.reason}."
        notifications.append({"level": level, "message": {"text": text}})
    for review in reviews:
        for comment in review.unlocated:
            text = f"Not in the file: {comment.quote!r}. {comment.text}"
            notifications.append(_notification(review.document, "note", text))
    is_complete = not any(review.error for review in reviews) and not any(
        skip.kind == "unreadable" for skip in skipped
    )
    return {
        "executionSuccessful": is_complete,
        "toolExecutionNotifications": notifications,
    }


def _notification(document: Document, level: str, text: str) -> dict[str, Any]:
    physical_location = {"artifactLocation": _artifact_location(document)}
    return {
        "level": level,
        "message": {"text": _shorten(text, _MAX_MESSAGE_CHARS)},
        "locations": [{"physicalLocation": physical_location}],
    }
