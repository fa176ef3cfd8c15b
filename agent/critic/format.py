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
    split_closing,
    split_next_title,
)
from selfcritic.agent.critic.sections import (
    FENCE,
    Section,
    assign_comments_above,
    join_corrections,
    read_titles,
    split_quotes_at_marks,
    split_sections,
)
from selfcritic.agent.critic.severity import split_severity, split_severity_line
from selfcritic.agent.schemas import Comment, Critique

_QUOTED_FENCE = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)


@dataclass(frozen=True)
class Parsed:
    """A parsed critique.

    Only fences, info strings, severity marks and white space are dropped.
    """

    comments: list[Comment]
    unparsed: str


def parse(text: str, is_located: Callable[[str], bool] | None = None) -> Parsed:
    """Split a critique into its comments and the other text.

    Accepts any text and takes linear time. The quotes are not located yet. `is_located`, if given, distinguishes quotes
    of the answer from corrections.
    """
    preface, sections = split_sections(text)
    sections = split_quotes_at_marks(sections, is_located)
    if is_located is not None:
        sections = join_corrections(sections, is_located)
    preface = assign_comments_above(preface, sections, may_correct=is_located is None)
    read_titles(preface, sections)
    comments: list[Comment] = []
    leftovers: list[str] = []
    shared: Comment | None = None
    is_protected = False
    for section in reversed(sections):
        comment, leftover = _parse_section(section, is_protected=is_protected)
        may_share = section.is_empty and (is_located is None or is_located(section.quote))
        if comment is None and shared is not None and may_share:
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
    preface, sections = split_sections(text)
    sections = split_quotes_at_marks(sections, None)
    assign_comments_above(preface, sections, may_correct=True)
    return not sections[-1].is_empty


def _parse_section(section: Section, *, is_protected: bool) -> tuple[Comment | None, str]:
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
    quoted_fences = _QUOTED_FENCE.findall(comment.quote)
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
