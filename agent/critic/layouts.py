"""Read critiques in other layouts than the one that the prompt asks for.

Layouts are tried in order: JSON, tables, tags, labeled lines ("Quote: … Issue: …"), block quotes, then list items and
paragraphs with a quote in quotation marks or inline code. A comment counts only if its quote is in the answer, apart
from typography. So no layout yields a hallucinated quote.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from selfcritic.agent.critic import labels
from selfcritic.agent.critic.format import parse
from selfcritic.agent.critic.items import read_items
from selfcritic.agent.critic.severity import (
    SEVERITY_LABELS,
    severity_of,
    split_severity,
    split_severity_line,
)
from selfcritic.agent.schemas import Comment

IsLocated = Callable[[str], bool]

_JSON_START = re.compile(r"[\[{]")
_MAX_JSON_ATTEMPTS = 200
_PYTHON_LITERAL = re.compile(r"(?:\[\s*)?\{\s*'\w+'\s*:[^\0]{1,20000}\}(?:\s*\])?")
_TABLE_RULE = re.compile(r"\|?[ \t]*+:?-++:?[ \t]*+\|[-:| \t]*+")
_CELL_EDGE = re.compile(r"(?<!\\)\|")
_QUOTE_LINE = labels.label_line(labels.QUOTE)
_ISSUE_LINE = labels.label_line(labels.ISSUE)
_INLINE_LABEL = re.compile(
    rf"(?<=[^\s*+•-])[ \t]+(?=\*\*(?:{labels.ISSUE}|{labels.FIX}|{SEVERITY_LABELS})[*_]{{0,3}}[ ]?[:：])",
    re.IGNORECASE,
)
_BLOCK_QUOTE = re.compile(
    r"(?:^[ \t]*+(?:(?:[-*+•]|\d{1,3}[.)])[ \t]++)?>[^\n]*+(?:\n|\Z))+", re.MULTILINE
)
_BLOCK_QUOTE_MARK = re.compile(r"^[ \t]*+(?:(?:[-*+•]|\d{1,3}[.)])[ \t]++)?>[ \t]?", re.MULTILINE)
_TAG = re.compile(r"<(?P<name>[a-z_]{3,20})>(?P<value>[^<>]*)</(?P=name)>", re.IGNORECASE)
_FENCE = "`" * 12
_DASH = re.compile(r"[–—→][ \t]+")


def read_layouts(text: str, unparsed: str, is_located: IsLocated) -> list[Comment]:
    """Return the comments of the first layout that has any.

    Args:
        text: The critique.
        unparsed: Its part outside of fenced quotes and their comments, where items are searched.
        is_located: Whether a quote is in the answer.
    """
    for read in (_read_json, _read_table, _read_tags, _read_labels, _read_block_quotes):
        comments = read(text, is_located)
        if comments:
            return comments
    return read_items(unparsed, is_located)


def _read_json(text: str, is_located: IsLocated) -> list[Comment]:
    comments: list[Comment] = []
    values = list(_json_values(text)) or _python_values(text)
    for value in values:
        for record in _records(value):
            comment = _comment_from_fields(list(record.items()), is_located)
            if comment is not None:
                comments.append(comment)
    return comments


def _json_values(text: str) -> Iterator[Any]:
    """Yield the JSON arrays and objects of a text."""
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(_MAX_JSON_ATTEMPTS):
        start = _JSON_START.search(text, position)
        if start is None:
            return
        try:
            value, position = decoder.raw_decode(text, start.start())
            yield value
        except (ValueError, RecursionError):
            position = start.end()


def _python_values(text: str) -> list[Any]:
    """Return a Python list or dictionary with single quotes, which some models write for JSON."""
    literal = _PYTHON_LITERAL.search(text)
    if literal is None:
        return []
    try:
        return [ast.literal_eval(literal[0])]
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []


def _records(value: Any) -> Iterator[dict[str, str]]:
    """Yield the objects in a JSON value, with their texts."""
    pending = [value]
    while pending:
        entry = pending.pop()
        if isinstance(entry, list):
            pending.extend(reversed(entry))
        elif isinstance(entry, dict):
            pending.extend(reversed(entry.values()))
            yield {name: text for name, text in entry.items() if isinstance(text, str)}


def _comment_from_fields(
    fields: Sequence[tuple[str, str]], is_located: IsLocated
) -> Comment | None:
    """Build a comment from named fields: the keys of an object, or the columns of a table."""
    quotes = [text for name, text in fields if labels.matches(labels.QUOTE, name)]
    issues = [text for name, text in fields if labels.matches(labels.ISSUE, name)]
    fixes = [text for name, text in fields if labels.matches(labels.FIX, name)]
    severities = [text for name, text in fields if labels.matches(SEVERITY_LABELS, name)]
    quote = _first_located(quotes or [text for _, text in fields], is_located)
    others = [
        text for _, text in fields if text not in (quote, *severities) and not text.isdecimal()
    ]
    if not issues and not fixes:
        issues = sorted(others, key=len, reverse=True)[:1]
    text = "\n".join(filter(str.strip, issues[:1] + fixes[:1])).strip()
    if quote is None or not text:
        return None
    severity, text = split_severity(text)
    for word in severities:
        severity = severity_of(word) or severity
    return Comment(quote=quote, text=text.strip(), severity=severity)


def _first_located(quotes: Sequence[str], is_located: IsLocated) -> str | None:
    for quote in sorted(quotes, key=len, reverse=True):
        if is_located(quote):
            return quote
    return None


def _read_table(text: str, is_located: IsLocated) -> list[Comment]:
    comments: list[Comment] = []
    for header, row in _table_rows(text):
        cells = _cells(row)
        names = _cells(header) + [""] * len(cells)
        comment = _comment_from_fields(list(zip(names, cells, strict=False)), is_located)
        if comment is not None:
            comments.append(comment)
    return comments


def _table_rows(text: str) -> Iterator[tuple[str, str]]:
    """Yield the rows of tables, each with the table's header."""
    header = ""
    previous = ""
    for line in text.split("\n"):
        if _TABLE_RULE.fullmatch(line.strip()):
            header = previous
        elif header and "|" in line:
            yield header, line
        else:
            header = ""
        previous = line


def _cells(row: str) -> list[str]:
    inner = row.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith(r"\|"):
        inner = inner[:-1]
    return [cell.replace(r"\|", "|").strip() for cell in _CELL_EDGE.split(inner)]


def _read_tags(text: str, is_located: IsLocated) -> list[Comment]:
    """Read tags such as <quote> and <comment>."""
    lines: list[str] = []
    has_quote = False
    for tag in _TAG.finditer(text):
        name = tag["name"]
        if labels.matches(labels.QUOTE, name):
            has_quote = True
            lines.append(_fenced(tag["value"]))
        elif labels.matches(SEVERITY_LABELS, name):
            lines.append(f"\nSeverity: {tag['value'].strip()}\n")
        else:
            lines.append(tag["value"].strip())
    if not has_quote:
        return []
    return _read_fenced("\n".join(lines), is_located)


def _read_labels(text: str, is_located: IsLocated) -> list[Comment]:
    """Read labeled lines; the quote's line becomes a fence, and the issue's line the comment."""
    if _QUOTE_LINE.search(text) is None:
        return []
    lines = _INLINE_LABEL.sub("\n", text)
    fenced = _QUOTE_LINE.sub(lambda line: _fenced(line["value"]), lines)
    return _read_fenced(_ISSUE_LINE.sub(lambda line: line["value"], fenced), is_located)


def _read_block_quotes(text: str, is_located: IsLocated) -> list[Comment]:
    def fence_block(block: re.Match[str]) -> str:
        return _fenced(_BLOCK_QUOTE_MARK.sub("", block[0]))

    fenced = _BLOCK_QUOTE.sub(fence_block, text)
    if fenced == text:
        return []
    return _read_fenced(_ISSUE_LINE.sub(lambda line: line["value"], fenced), is_located)


def _fenced(quote: str) -> str:
    return f"\n{_FENCE}\n{quote.strip()}\n{_FENCE}\n"


def _read_fenced(text: str, is_located: IsLocated) -> list[Comment]:
    comments: list[Comment] = []
    for comment in parse(text, is_located).comments:
        if not is_located(comment.quote):
            continue
        severity, body = comment.severity, comment.text
        if severity is None:
            severity, body = split_severity_line(body)
        body = body.strip()
        dash = _DASH.match(body)
        if dash is not None:
            body = body[dash.end() :]
        if body:
            update = {"text": body, "severity": severity}
            comments.append(comment.model_copy(update=update))
    return comments
