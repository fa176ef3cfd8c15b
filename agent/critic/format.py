"""Parse and render critiques in CriticGPT's text format.

A critique is a sequence of fenced quotes, each followed by its comment:

    ```
    words of the answer, possibly several lines
    ```
    [high] What is wrong here; the mark "[low]", "[medium]" or "[high]" is optional.

Fences follow CommonMark; a quote may also be on one line with both of its fences. A comment ends at the next fence, or
at the title of the next comment. The last comment ends at a closing paragraph, such as "Overall, …". Text that belongs
to no comment is kept in `unparsed`: a preface, titles, closing paragraphs, a fence without a quote or a comment.

Common deviations are read as well:

- one comment below several fences belongs to each of them;
- a comment may be above its fence, if it ends in a colon and nothing is below;
- a fence may have the quote and, from a severity mark on, the comment;
- a fence that corrects the answer ("It should be:") is part of the comment above it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfcritic.agent.critic.paragraphs import (
    BLANK_LINE,
    LIST_MARKER,
    is_fix_intro,
    split_closing,
    split_lead,
    split_next_title,
)
from selfcritic.agent.critic.severity import (
    severity_in_title,
    split_severity,
    split_severity_line,
    starts_with_severity,
)
from selfcritic.agent.schemas import Comment, Critique, Severity

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


@dataclass(frozen=True)
class Parsed:
    """A parsed critique.

    Only fences, info strings, severity marks and white space are dropped.
    """

    comments: list[Comment]
    unparsed: str


@dataclass
class _Section:
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


def parse(text: str, is_located: Callable[[str], bool] | None = None) -> Parsed:
    """Split a critique into its comments and the other text.

    Accepts any text and takes linear time. The quotes are not located yet. `is_located`, if given, distinguishes quotes
    of the answer from corrections.
    """
    preface, sections = _split_sections(text)
    sections = _split_quotes_at_marks(sections, is_located)
    if is_located is not None:
        sections = _join_corrections(sections, is_located)
    preface = _assign_comments_above(preface, sections, may_correct=is_located is None)
    _read_titles(preface, sections)
    comments: list[Comment] = []
    leftovers: list[str] = []
    shared: Comment | None = None
    is_protected = False
    for section in reversed(sections):
        comment, leftover = _parse_section(section, is_protected=is_protected)
        if comment is None and section.is_empty and shared is not None:
            if is_located is None or is_located(section.quote):
                comment = shared.model_copy(update={"quote": section.quote})
                leftover = ""
        shared = None if section.above else comment
        is_protected = not section.quote.strip() and not section.below.strip()
        if comment is not None:
            comments.append(comment)
        leftovers.append(leftover)
    leftovers.append(preface)
    paragraphs = [leftover.strip() for leftover in reversed(leftovers)]
    return Parsed(comments[::-1], "\n\n".join(filter(None, paragraphs)))


def strip_closing_paragraph(text: str) -> str:
    """Cut a critique after its last comment, for continuation.

    Removes a closing paragraph, a last quote that has no comment yet, and trailing blanks. The first paragraph below a
    quote is its comment and stays. Returns "" for a text without quotes. Source: paper 2, section 7.1.
    """
    fences = list(FENCE.finditer(text))
    if not fences:
        return ""
    last_fence = fences[-1]
    below = text[last_fence.end() :]
    if not below.strip():
        if _has_own_comment(text):
            return text.rstrip()
        return text[: last_fence.start()].rstrip()
    comment_start = len(below) - len(below.lstrip())
    breaks = list(BLANK_LINE.finditer(below.rstrip(), comment_start))
    if not breaks:
        return text.rstrip()
    return text[: last_fence.end() + breaks[-1].start()].rstrip()


def _has_own_comment(text: str) -> bool:
    """Whether the last fence has its comment above or inside."""
    preface, sections = _split_sections(text)
    sections = _split_quotes_at_marks(sections, None)
    _assign_comments_above(preface, sections, may_correct=True)
    return not sections[-1].is_empty


def _split_sections(text: str) -> tuple[str, list[_Section]]:
    fences = list(FENCE.finditer(text))
    if not fences:
        return text, []
    ends = [fence.start() for fence in fences[1:]] + [len(text)]
    sections: list[_Section] = []
    for fence, end in zip(fences, ends, strict=True):
        below = text[fence.end() : end]
        is_closed = fence["line"] is not None or fence.end("block") < fence.end()
        sections.append(_Section(fence[0], _quoted_text(fence), below, is_closed))
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


def _split_quotes_at_marks(
    sections: Sequence[_Section], is_located: Callable[[str], bool] | None
) -> list[_Section]:
    """Split fences that have a quote and, from a severity mark on, its comment."""
    result: list[_Section] = []
    for section in sections:
        parts: list[_Section] = []
        is_wrong = is_located is not None and not is_located(section.quote)
        if not section.below.strip() or is_wrong:
            parts = _split_at_marks(section)
        result.extend(parts or [section])
    return result


def _split_at_marks(section: _Section) -> list[_Section]:
    """Return the quotes and comments inside a fence; none without a mark below a quote."""
    if not section.quote.strip():
        return []
    parts: list[_Section] = []
    quote: list[str] = []
    comment: list[str] = []
    for line in section.quote.split("\n"):
        is_mark = line.lstrip("*_` \t")[:1] in ("[", "【") and starts_with_severity(line)
        if is_mark and "".join(quote).strip():
            comment = [line]
            parts.append(_Section("", "\n".join(quote).strip("\n"), line, is_closed=True))
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


def _join_corrections(
    sections: Sequence[_Section], is_located: Callable[[str], bool]
) -> list[_Section]:
    """Join fences that correct or rewrite the answer with the comment above them."""
    result: list[_Section] = []
    for section in sections:
        previous = result[-1] if result else None
        if previous is None or not _is_correction(section, previous.below, is_located):
            result.append(section)
        else:
            code = "\n".join(f"    {line}" for line in section.quote.split("\n"))
            parts = [previous.below.rstrip(), code, section.below.strip("\n")]
            previous.below = "\n\n".join(filter(None, parts))
    return result


def _is_correction(section: _Section, above: str, is_located: Callable[[str], bool]) -> bool:
    if not section.quote.strip() or not above.strip() or not section.is_closed:
        return False
    has_intro = is_fix_intro(above) or bool(split_closing(above)[1])
    is_continued = has_intro and not starts_with_severity(section.below)
    if section.below.strip() and not is_continued:
        return False
    return not is_located(section.quote)


def _assign_comments_above(
    preface: str, sections: Sequence[_Section], *, may_correct: bool
) -> str:
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


def _read_titles(preface: str, sections: Sequence[_Section]) -> None:
    """Read severities from the titles above fences."""
    _, title = split_next_title(preface, keep_first=False)
    for section in sections:
        section.severity = severity_in_title(title)
        _, title = split_next_title(section.below)


def _parse_section(section: _Section, *, is_protected: bool) -> tuple[Comment | None, str]:
    """Return the comment of a fence, and the remaining text."""
    body = section.below
    if section.above:
        body = LIST_MARKER.sub("", section.above, count=1)
    severity, text = split_severity(body)
    if severity is None:
        severity, text = split_severity_line(text)
    severity = severity or section.severity
    text = text.strip()
    closing = ""
    if not is_protected:
        text, closing = split_closing(text)
    text, title = split_next_title(text)
    if section.quote.strip() and text:
        leftover = [title, closing]
        if section.above:
            leftover.append(section.below)
        return Comment(quote=section.quote, text=text, severity=severity), "\n\n".join(leftover)
    if section.quote.strip() or section.below.strip():
        return None, section.fence + section.below
    return None, ""


def render(comments: Sequence[Comment]) -> str:
    r"""Write comments as a critique that `parse` reads back.

    `parse(render(comments)).comments == comments`, except for `start` and `end`, holds for all comments that `parse`
    returns, in any order. In general it needs:

    - a quote that is not blank and does not end in "\r";
    - a text that is stripped, not empty, and opens no fence below its first line;
    - a text without a severity line, a closing paragraph or a title at its end;
    - if there is no severity, a text that does not begin with a severity mark, else with no colon or dash.
    """
    text = "\n".join(map(_render_comment, comments))
    if comments and BLANK_LINE.search(comments[-1].text):
        # An empty fence at the end keeps the last comment's paragraphs from being read as closing paragraphs.
        text += "\n```\n```\n"
    return text


def _render_comment(comment: Comment) -> str:
    quoted_fences = re.findall(r"^ {0,3}(`{3,})", comment.quote, re.MULTILINE)
    fence = "`" * (1 + max(map(len, quoted_fences), default=2))
    lead = ""
    if comment.severity:
        lead = f"[{comment.severity}] "
    elif FENCE.match(comment.text):
        lead = "    "  # indented four spaces, it is not a fence
    return f"{fence}\n{comment.quote}\n{fence}\n{lead}{comment.text}\n"


def critique_text(critique: Critique) -> str:
    """Return the critique text for the judge and the refiner.

    It has the located comments. Without any, it is the text outside the fences.
    """
    if critique.comments:
        return render(critique.comments)
    return critique.unparsed
