"""Build findings: confirmed comments that quote a draft."""

from collections.abc import Callable, Sequence

from selfcritic.agent.critic.grounding import place_comment
from selfcritic.agent.critic.location import locate
from selfcritic.agent.schemas import SEVERITIES, Comment, Severity

MAX_FINDINGS = 100
"""Maximum findings of a checker per draft; all of them go into a prompt."""

_MAX_OPENING_CHARS = 80
_MAX_LINE_CHARS = 200
_MAX_LINES = 3
_MIN_SPAN_CHARS = 4


def finding(
    draft: str,
    start: int,
    end: int,
    text: str,
    *,
    source: str,
    severity: Severity = "medium",
    rule: str | None = None,
) -> Comment:
    """Return a confirmed comment on `draft[start:end]`.

    The span is clipped to the draft and adjusted so that the quote is readable:

    - A span of under four characters grows to its line, unless that line is over 200 characters.
    - A span without words moves to its line, else to the nearest line with words, preferring the line above.
    - A span of more than three lines shrinks to its first line.
    """
    if draft.strip():
        start, end = _expand_span(draft, max(start, 0), min(end, len(draft)))
    else:
        start, end = 0, 0
    return Comment(
        quote=draft[start:end],
        text=text,
        severity=severity,
        start=start,
        end=end,
        source=source,
        rule=rule,
        evidence="confirmed",
    )


def limit_findings(
    findings: Sequence[Comment],
    is_preferred: Callable[[Comment], bool] | None = None,
    max_findings: int | None = MAX_FINDINGS,
) -> list[Comment]:
    """Return at most `max_findings` findings, in their order; all of them if it is None.

    Preferred findings are kept before others, and severe ones before less severe ones.
    """

    def rank(comment: Comment) -> tuple[bool, int]:
        is_first = is_preferred is not None and is_preferred(comment)
        return is_first, SEVERITIES.index(comment.severity or "medium")

    if max_findings is None or len(findings) <= max_findings:
        return list(findings)
    ranked = sorted(findings, key=rank, reverse=True)
    kept = {id(comment) for comment in ranked[:max_findings]}
    return [comment for comment in findings if id(comment) in kept]


def first_line_span(draft: str) -> tuple[int, int]:
    """Return the span that represents the whole draft.

    It covers up to 80 characters of the first line that is not blank. It is (0, 0) for a blank draft.
    """
    if not draft.strip():
        return 0, 0
    first_character = len(draft) - len(draft.lstrip())
    start, end = _line_span(draft, first_character)
    return start, min(end, start + _MAX_OPENING_CHARS)


def place_on_draft(comment: Comment, draft: str) -> Comment:
    """Return a comment on the whole draft, such as on something missing, with the span that represents it."""
    start, end = first_line_span(draft)
    return comment.model_copy(update={"quote": draft[start:end], "start": start, "end": end})


def locate_comment(comment: Comment, draft: str) -> Comment | None:
    """Copy the comment with its offsets and the draft's exact words.

    Returns None if the quote is not in the draft.
    """
    span = locate(comment.quote, draft)
    if span is None:
        return None
    return place_comment(comment, span, draft)


def _expand_span(draft: str, start: int, end: int) -> tuple[int, int]:
    words = draft[start:end]
    if not words.strip():
        return _nearest_line_span(draft, start)
    start += len(words) - len(words.lstrip())
    end -= len(words) - len(words.rstrip())
    if draft.count("\n", start, end) >= _MAX_LINES:
        _, line_end = _line_span(draft, start)
        return start, line_end
    if end - start >= _MIN_SPAN_CHARS:
        return start, end

    line_start, line_end = _line_span(draft, start)
    is_within_line = line_start <= start and end <= line_end
    is_short_line = line_end - line_start <= _MAX_LINE_CHARS
    if is_within_line and is_short_line:
        return line_start, line_end
    return start, end


def _nearest_line_span(draft: str, offset: int) -> tuple[int, int]:
    start, end = _line_span(draft, offset)
    if start < end:
        return start, end
    text_above = draft[:offset].rstrip()
    if text_above:
        return _line_span(draft, len(text_above) - 1)
    text_below = draft[offset:].lstrip()
    return _line_span(draft, len(draft) - len(text_below))


def _line_span(draft: str, offset: int) -> tuple[int, int]:
    """Return the span of the line at an offset, without surrounding whitespace."""
    start = max(draft.rfind("\n", 0, offset), draft.rfind("\r", 0, offset)) + 1
    end = len(draft)
    for line_end in "\r\n":
        position = draft.find(line_end, offset)
        if position >= 0:
            end = min(end, position)
    line = draft[start:end]
    if not line.strip():
        return start, start
    indent = len(line) - len(line.lstrip())
    return start + indent, start + len(line.rstrip())
