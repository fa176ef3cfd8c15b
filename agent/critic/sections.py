"""Split a critique into its fences, and find the comment of each.

A section is a fence with the text up to the next fence. The functions below move text between sections where a critic
deviates from the format: a comment inside or above the fence, or a fence that corrects the answer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfcritic.agent.critic.paragraphs import (
    is_fix_intro,
    split_closing,
    split_lead,
    split_next_title,
)
from selfcritic.agent.critic.severity import severity_in_title, starts_with_severity
from selfcritic.agent.schemas import Severity

FENCE = re.compile(
    r"""
    ^(?P<indent>[ ]{0,3}) (?P<fence>(?P<mark>[`~])(?P=mark){2,}+)
    (?:
        [ \t]* (?P<line>\S[^\n]*?) (?<!(?P=mark))(?P=fence)(?!(?P=mark))  # fences and quote on one line
      | (?:(?<=`)[^`\n]*|(?<=~)[^\n]*) (?:\n|\Z)                          # CommonMark: no backtick in a ``` info string
        (?P<block>(?s:.*?)) (?:^[ ]{0,3}(?P=fence)(?P=mark)*+[ \t\r]*$|\Z)
    )
    """,
    re.MULTILINE | re.VERBOSE,
)

_EXPLAINS_FIX = re.compile(
    r"\s*(?:this|that|which|it|now)[ ](?:now[ ])?"
    r"(?:fix|avoid|ensure|handle|guarantee|make|return|raise|version|change|way|correct|prevent)",
    re.IGNORECASE,
)
"""Text below a fence that corrects the answer."""


@dataclass
class Section:
    """A fence and the text below it, up to the next fence."""

    fence: str
    quote: str
    below: str
    is_closed: bool
    above: str = ""
    """Comment above the fence, if it is not below."""
    severity: Severity | None = None
    """Severity in the title above the fence."""

    @property
    def is_empty(self) -> bool:
        """Whether the fence has a quote and no comment yet."""
        return bool(self.quote.strip()) and not self.below.strip() and not self.above


def split_sections(text: str) -> tuple[str, list[Section]]:
    """Return the text above the first fence, and the sections."""
    fences = list(FENCE.finditer(text))
    if not fences:
        return text, []
    ends = [fence.start() for fence in fences[1:]] + [len(text)]
    sections: list[Section] = []
    for fence, end in zip(fences, ends, strict=True):
        below = text[fence.end() : end]
        is_closed = fence["line"] is not None or fence.end("block") < fence.end()
        sections.append(Section(fence[0], _quoted_text(fence), below, is_closed))
    return text[: fences[0].start()], sections


def _quoted_text(fence: re.Match[str]) -> str:
    """Return the text inside a fence, without its indentation."""
    if fence["line"] is not None:
        return fence["line"].rstrip()
    quote = re.sub(r"\r*\n\Z", "", fence["block"])
    indent = len(fence["indent"])
    if indent:
        quote = re.sub(rf"^ {{1,{indent}}}", "", quote, flags=re.MULTILINE)
    return quote


def split_quotes_at_marks(
    sections: Sequence[Section], is_located: Callable[[str], bool] | None
) -> list[Section]:
    """Split fences that have a quote and, from a severity mark on, its comment."""
    result: list[Section] = []
    for section in sections:
        parts: list[Section] = []
        is_wrong = is_located is not None and not is_located(section.quote)
        if not section.below.strip() or is_wrong:
            parts = _split_at_marks(section)
        result.extend(parts or [section])
    return result


def _split_at_marks(section: Section) -> list[Section]:
    """Return the quotes and comments inside a fence; none without a mark below a quote."""
    if not section.quote.strip():
        return []
    parts: list[Section] = []
    quote: list[str] = []
    comment: list[str] = []
    for line in section.quote.split("\n"):
        is_mark = line.lstrip("*_` \t")[:1] in ("[", "【") and starts_with_severity(line)
        if is_mark and "".join(quote).strip():
            comment = [line]
            parts.append(Section("", "\n".join(quote).strip("\n"), line, is_closed=True))
            quote = []
        elif comment and line.strip():
            comment.append(line)
            parts[-1].below = "\n".join(comment)
        else:
            comment = []
            quote.append(line)
    if parts:
        rest = "\n".join(["", "", *quote]).rstrip()
        parts[-1].below += rest + section.below
    return parts


def join_corrections(
    sections: Sequence[Section], is_located: Callable[[str], bool]
) -> list[Section]:
    """Join fences that correct or rewrite the answer with the comment above them."""
    result: list[Section] = []
    for section in sections:
        previous = result[-1] if result else None
        if previous is None or not _is_correction(section, previous.below, is_located):
            result.append(section)
        else:
            code = "\n".join(f"    {line}" for line in section.quote.split("\n"))
            parts = [previous.below.rstrip(), code, section.below.strip("\n")]
            previous.below = "\n\n".join(filter(None, parts))
    return result


def _is_correction(section: Section, above: str, is_located: Callable[[str], bool]) -> bool:
    if not section.quote.strip() or not above.strip() or not section.is_closed:
        return False
    has_intro = is_fix_intro(above) or bool(split_closing(above)[1])
    has_intro = has_intro or _EXPLAINS_FIX.match(section.below) is not None
    is_continued = has_intro and not starts_with_severity(section.below)
    if section.below.strip() and not is_continued:
        return False
    return not is_located(section.quote)


def assign_comments_above(preface: str, sections: Sequence[Section], *, may_correct: bool) -> str:
    """Find the comments above fences that have nothing below.

    Such a comment ends the text above its fence. If that text belongs to the fence before, this one must have its
    comment above, too; else the comments would be assigned to the wrong quotes. Returns the rest of the preface.
    """
    index = len(sections) - 1
    while index >= 0:
        leads: list[tuple[str, str]] = []
        first = index
        is_complete = False
        while first >= 0 and not is_complete and (sections[first].is_empty or leads):
            above = sections[first - 1].below if first else preface
            rest, lead = split_lead(above, may_correct=may_correct)
            if not lead:
                break
            rest, _ = split_next_title(rest, keep_first=False)
            leads.append((rest, lead))
            is_complete = first == 0 or bool(rest.strip()) or not sections[first - 1].quote.strip()
            first -= 1
        if is_complete:
            for offset, (rest, lead) in enumerate(leads):
                section = sections[index - offset]
                section.above = lead
                if index - offset == 0:
                    preface = rest
                else:
                    sections[index - offset - 1].below = rest
        index = min(first, index - 1)
    return preface


def read_titles(preface: str, sections: Sequence[Section]) -> None:
    """Read severities from the titles above fences."""
    _, title = split_next_title(preface, keep_first=False)
    for section in sections:
        section.severity = severity_in_title(title)
        _, title = split_next_title(section.below)
