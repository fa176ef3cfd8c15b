"""Reviews as SARIF 2.1.0 (OASIS), which code hosts and editors show beside the lines.

Columns count from 1 in UTF-16 code units, the unit that most viewers take for granted, and the log says so.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from selfcritic.agent.schemas import Comment
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import CRITIC, Review, SeverityChoice, severity, source

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {SeverityChoice.low: "note", SeverityChoice.medium: "warning", SeverityChoice.high: "error"}


def as_sarif(reviews: Sequence[Review], least: SeverityChoice) -> dict[str, Any]:
    """A log of one run: a result for each comment that is shown, a rule for each source of them."""
    shown = [(review.document, comment) for review in reviews for comment in review.comments(least)]
    rules = sorted({source(comment) for _, comment in shown})
    driver = {"name": "selfcritic", "version": version("selfcritic"), "rules": [_rule(name) for name in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "artifacts": [{"location": _location(review.document)} for review in reviews],
        "results": [_result(document, comment, rules) for document, comment in shown],
        "invocations": [_invocation(reviews)],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str) -> dict[str, Any]:
    text = "A comment of the critic." if name == CRITIC else f"A finding of the checker {name}."
    return {"id": name, "shortDescription": {"text": text}}


def _result(document: Document, comment: Comment, rules: Sequence[str]) -> dict[str, Any]:
    rule = source(comment)
    place = {"artifactLocation": _location(document), "region": _region(document, comment)}
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": _LEVELS[severity(comment)],
        "message": {"text": comment.text},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"quoteAndRule/v1": _fingerprint(document, comment)},
    }
    if comment.evidence is not None:
        result["properties"] = {"evidence": comment.evidence}
    if comment.evidence == "refuted":
        result["suppressions"] = [{"kind": "external", "justification": "A checker refutes it."}]
    return result


def _fingerprint(document: Document, comment: Comment) -> str:
    """The same for the same quote in the same file, wherever its lines move to."""
    told = "\0".join((document.uri, source(comment), " ".join(comment.quote.split())))
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()


def _location(document: Document) -> dict[str, Any]:
    base = {} if ":" in document.uri.partition("/")[0] else {"uriBaseId": "%SRCROOT%"}
    return {"uri": document.uri, **base}


def _region(document: Document, comment: Comment) -> dict[str, Any]:
    """The quote's place in the file, and its text as it stands there."""
    start, end = comment.start or 0, comment.end or 0
    place = document.place(start, end)
    first, last = document.lines[place.line], document.lines[place.end_line]
    region: dict[str, Any] = {
        "startLine": document.number(place.line),
        "startColumn": _units(first[: place.column]) + 1,
        "endLine": document.number(place.end_line),
        "endColumn": _units(last[: place.end_column]) + 1,
        "snippet": {"text": document.text[start:end]},
    }
    if document.numbers is None:  # the text is the file, so that offsets in it are the file's
        region |= {"charOffset": _units(document.text[:start]), "charLength": _units(document.text[start:end])}
    return region


def _units(text: str) -> int:
    """The length of a text in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _invocation(reviews: Sequence[Review]) -> dict[str, Any]:
    """Whether all went well, and what is no result: failures, and comments on words that are not there."""
    told = [(review, "error", review.error) for review in reviews if review.error]
    told += [
        (review, "note", f"Not in the file: {c.quote!r}. {c.text}") for review in reviews for c in review.unlocated
    ]
    return {
        "executionSuccessful": not any(review.error for review in reviews),
        "toolExecutionNotifications": [
            {
                "level": level,
                "message": {"text": text},
                "locations": [{"physicalLocation": {"artifactLocation": _location(review.document)}}],
            }
            for review, level, text in told
        ],
    }
