"""What a checker found, as a comment on the words of the draft that it is about."""

from selfcritic.agent.schemas import Comment, Severity

MAX_FINDINGS = 100
"""Findings that a checker tells of one draft: more of them help nobody, and all of them enter a prompt."""

_OPENING = 80
_MOST_LINES = 3
_SHORTEST = 4
_LONGEST_LINE = 200


def finding(draft: str, start: int, end: int, text: str, *, source: str, severity: Severity = "medium") -> Comment:
    """A confirmed comment on `draft[start:end]`.

    A span of fewer than four characters is widened to its line, if that is not too long; one with none at all to the
    nearest line above or below that has some; one of more than three lines is narrowed to the first.
    """
    start, end = _worded(draft, max(start, 0), min(end, len(draft))) if draft.strip() else (0, 0)
    return Comment(
        quote=draft[start:end],
        text=text,
        severity=severity,
        start=start,
        end=end,
        source=source,
        evidence="confirmed",
    )


def first_line_span(draft: str) -> tuple[int, int]:
    """The span that stands for a draft as a whole: the beginning of its first line; (0, 0) of a blank draft."""
    start, end = _line(draft, len(draft) - len(draft.lstrip())) if draft.strip() else (0, 0)
    return start, min(end, start + _OPENING)


def _worded(draft: str, start: int, end: int) -> tuple[int, int]:
    words = draft[start:end]
    if not words.strip():
        before, behind = draft[:start].rstrip(), draft[start:].lstrip()
        start, end = _line(draft, start)
        if start == end and before:
            start, end = _line(draft, len(before) - 1)
        elif start == end and behind:
            start, end = _line(draft, len(draft) - len(behind))
        return start, end
    start += len(words) - len(words.lstrip())
    end -= len(words) - len(words.rstrip())
    if draft.count("\n", start, end) >= _MOST_LINES:
        return start, _line(draft, start)[1]
    first, last = _line(draft, start) if end - start < _SHORTEST else (start, end)
    return (first, last) if first <= start and end <= last <= first + _LONGEST_LINE else (start, end)


def _line(draft: str, at: int) -> tuple[int, int]:
    """The line around an offset, without the white space before and behind it."""
    start = max(draft.rfind("\n", 0, at), draft.rfind("\r", 0, at)) + 1
    ends = (draft.find(mark, at) for mark in "\r\n")
    end = min((end for end in ends if end >= 0), default=len(draft))
    line = draft[start:end]
    if not line.strip():
        return start, start
    return start + len(line) - len(line.lstrip()), start + len(line.rstrip())
