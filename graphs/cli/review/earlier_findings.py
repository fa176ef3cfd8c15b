"""Find the comments on unchanged lines that a change causes.

A change can break a line that it does not touch: it removes an import, renames a function or assigns a variable later.
So the checkers also run on the file before the change. What they report only after it is a result of the change.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from selfcritic.agent.schemas import Comment
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.unified_diff import FileDiff

SYNTAX_ERRORS = ("syntax/SyntaxError", "ruff/invalid-syntax", "pyright/syntax-error")
"""Rules for code that cannot be parsed; no other error of such code is found."""
FindingKey = tuple[str | None, str, tuple[str, ...]]
_ROW = re.compile(r"\bline \d+")


def restore_text(text: str, file: FileDiff) -> str | None:
    """Return the text of a file before a change; None for a merge, which has several."""
    if any(line.startswith("@@@") for line in file.lines):
        return None
    lines = text.split("\n")
    before: list[str] = []
    end = 0
    for hunk in file.hunks:
        num_new = len(hunk.new_lines)
        start = hunk.start - 1 if num_new else hunk.start
        before += lines[end:start]
        before += [line.text for line in hunk.lines if line.marker != "+"]
        end = start + num_new
    return "\n".join(before + lines[end:])


def count_findings(document: Document, findings: Iterable[Comment]) -> Counter[FindingKey] | None:
    """Count equal findings of a file before its change; None if it could not be parsed."""
    counts: Counter[FindingKey] = Counter()
    for comment in findings:
        if comment.rule in SYNTAX_ERRORS:
            return None
        counts[key_of(document, comment)] += 1
    return counts


def key_of(document: Document, comment: Comment) -> FindingKey:
    """Return what is equal for a finding on the same line before and after a change."""
    start = comment.start or 0
    location = document.locate(start, comment.end or start)
    lines: Sequence[str] = document.lines[location.line : location.end_line + 1]
    return comment.rule, _ROW.sub("line", comment.text), tuple(lines)
