"""Rewrite critiques whose fences are nested, indented or out of step, for `parse`.

Each function returns a rewritten text, or None if the text has no such fences. The caller uses a rewritten text only if
one of its quotes is in the answer.
"""

import re
from collections.abc import Callable, Iterator

from selfcritic.agent.critic.severity import starts_with_severity

_FENCE_LINE = re.compile(
    r"(?P<indent>[ \t]*)(?P<marker>(?:[-*+•]|\d{1,3}[.)])[ \t]+)?(?P<fence>`{3,}+|~{3,}+)(?P<info>[^\n]*)"
)
_MAX_LINES = 50_000


def rewrapped_texts(text: str) -> Iterator[str]:
    """Yield rewritten texts, the most probable one first."""
    if "```" not in text and "~~~" not in text:
        return
    if text.count("\n") > _MAX_LINES:
        return
    rewrites: tuple[Callable[[str], str | None], ...] = (
        outdent,
        open_first_fence,
        pair_nested_fences,
        pair_by_severity,
        unwrap,
        removed_lines,
    )
    for rewrite in rewrites:
        rewritten = rewrite(text)
        if rewritten is not None and rewritten != text:
            yield rewritten
            outdented = outdent(rewritten)
            if rewrite is unwrap and outdented is not None:
                yield outdented


def outdent(text: str) -> str | None:
    """Move fences in list items to the left margin, and the item's number to a line above."""
    lines: list[str] = []
    opening: re.Match[str] | None = None
    width = 0
    is_changed = False
    for line in text.split("\n"):
        fence = _FENCE_LINE.match(line)
        if opening is None:
            if fence is None:
                lines.append(line)
                continue
            width = len(fence["indent"]) + len(fence["marker"] or "")
            is_changed = is_changed or width > 0
            if fence["marker"]:
                lines.extend(("", fence["marker"].strip()))
            lines.append(line[width:])
            if fence["fence"] not in fence["info"]:
                opening = fence
        else:
            indent = len(line) - len(line.lstrip(" \t"))
            lines.append(line[min(indent, width) :])
            if fence is not None and _closes(fence, opening):
                opening = None
    if not is_changed:
        return None
    return "\n".join(lines)


def open_first_fence(text: str) -> str | None:
    """Open a fence at the start, for a reply that goes on inside the fence of the prompt."""
    return f"```\n{text}"


def pair_nested_fences(text: str) -> str | None:
    """Lengthen fences around a quote that has fences itself.

    A fence inside a fence opens another one if it has a language, or if it is the first line.
    """
    lines = text.split("\n")
    openings: list[int] = []
    is_changed = False
    for index, line in enumerate(lines):
        fence = _FENCE_LINE.match(line)
        if fence is None:
            continue
        is_inner = bool(openings) and (bool(fence["info"].strip()) or openings[-1] == index - 1)
        if not openings or is_inner:
            openings.append(index)
            continue
        opening = openings.pop()
        if not openings and _has_fence(lines[opening + 1 : index]):
            lines[opening] = "`" * 9
            lines[index] = "`" * 9
            is_changed = True
    if not is_changed:
        return None
    return "\n".join(lines)


def pair_by_severity(text: str) -> str | None:
    """Pair the first fence line after a comment with the last one before the next severity mark."""
    lines = text.split("\n")
    is_changed = False
    opening: int | None = None
    last: int | None = None
    for index, line in enumerate(lines):
        if _FENCE_LINE.match(line):
            if opening is None:
                opening = index
            last = index
        elif starts_with_severity(line[:80]) and opening is not None and last is not None:
            if opening < last and not "".join(lines[last + 1 : index]).strip():
                is_changed = is_changed or _has_fence(lines[opening + 1 : last])
                lines[opening] = "`" * 9
                lines[last] = "`" * 9
            opening = last = None
    if not is_changed:
        return None
    return "\n".join(lines)


def unwrap(text: str) -> str | None:
    """Remove a fence, or block quote marks, around the whole critique."""
    lines = text.strip().split("\n")
    fences = [index for index, line in enumerate(lines) if _FENCE_LINE.match(line)]
    if len(fences) < 2:
        return None
    first, last = fences[0], fences[-1]
    return "\n".join([*lines[:first], "", *lines[first + 1 : last], "", *lines[last + 1 :]])


def removed_lines(text: str) -> str | None:
    """Keep only the removed and unchanged lines of diffs in fences."""
    lines: list[str] = []
    in_fence = False
    is_changed = False
    for line in text.split("\n"):
        if _FENCE_LINE.match(line):
            in_fence = not in_fence
        elif in_fence and line.startswith(("+", "-")):
            is_changed = True
            if line.startswith("+"):
                continue
            line = line[1:]
        lines.append(line)
    if not is_changed:
        return None
    return "\n".join(lines)


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    mark = opening["fence"]
    return fence["fence"].startswith(mark) and not fence["info"].strip() and not fence["marker"]


def _has_fence(lines: list[str]) -> bool:
    return any(_FENCE_LINE.match(line) for line in lines)
