"""Parse and render critiques in CriticGPT's text format.

A critique is a sequence of fenced quotes, each followed by its comment:

    ```
    words of the answer, possibly several lines
    ```
    [high] What is wrong here; the mark "[low]", "[medium]" or "[high]" is optional.

Fences follow CommonMark; a quote may also be on one line with both of its fences. A comment ends at the next fence.
The last comment ends at its first blank line, because CriticGPT's critiques end with a closing paragraph. Text that
belongs to no comment is kept in `unparsed`: a preface, the closing paragraph, a fence without a quote or a comment.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from selfcritic.agent.schemas import Comment, Critique, Severity

_FENCE = re.compile(
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
_SEVERITY = re.compile(r"\A\s*(?:\[(low|medium|high)\]\s*)?", re.IGNORECASE)
_BLANK_LINE = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Parsed:
    """A parsed critique.

    Only fences, info strings, severity marks and white space are dropped.
    """

    comments: list[Comment]
    unparsed: str


def parse(text: str) -> Parsed:
    """Split a critique into its comments and the other text.

    Accepts any text and takes linear time. The quotes are not located yet.
    """
    fences = list(_FENCE.finditer(text))
    if not fences:
        return Parsed([], text.strip())
    comments: list[Comment] = []
    leftovers = [text[: fences[0].start()]]
    for index, fence in enumerate(fences):
        is_last = index == len(fences) - 1
        end = len(text)
        if not is_last:
            end = fences[index + 1].start()
        comment, leftover = _parse_section(fence, text[fence.end() : end], is_last=is_last)
        if comment is not None:
            comments.append(comment)
        leftovers.append(leftover)
    paragraphs = [leftover.strip() for leftover in leftovers]
    return Parsed(comments, "\n\n".join(filter(None, paragraphs)))


def strip_closing_paragraph(text: str) -> str:
    """Cut a critique after its last comment, for continuation.

    Removes a closing paragraph, a last quote that has no comment yet, and trailing blanks. The first paragraph below a
    quote is its comment and stays. Returns "" for a text without quotes. Source: paper 2, section 7.1.
    """
    fences = list(_FENCE.finditer(text))
    if not fences:
        return ""
    last_fence = fences[-1]
    below = text[last_fence.end() :]
    if not below.strip():
        return text[: last_fence.start()].rstrip()
    comment_start = len(below) - len(below.lstrip())
    breaks = list(_BLANK_LINE.finditer(below.rstrip(), comment_start))
    if not breaks:
        return text.rstrip()
    return text[: last_fence.end() + breaks[-1].start()].rstrip()


def _parse_section(
    fence: re.Match[str], below: str, *, is_last: bool
) -> tuple[Comment | None, str]:
    """Return the comment below a fence, and the remaining text."""
    quote = _quoted_text(fence)
    _, severity, text = _SEVERITY.split(below, maxsplit=1)
    text = text.strip()
    closing = ""
    blank_line = _BLANK_LINE.search(text)
    if is_last and blank_line:
        closing = text[blank_line.end() :]
        text = text[: blank_line.start()].rstrip()

    if quote.strip() and text:
        if severity:
            severity = severity.lower()
        return Comment(quote=quote, text=text, severity=cast(Severity | None, severity)), closing
    if quote.strip() or below.strip():
        return None, fence[0] + below
    return None, ""


def _quoted_text(fence: re.Match[str]) -> str:
    """Return the text inside a fence, without its indentation."""
    if fence["line"] is not None:
        return fence["line"].rstrip()
    quote = re.sub(r"\r*\n\Z", "", fence["block"])
    indent = len(fence["indent"])
    if indent:
        quote = re.sub(rf"^ {{1,{indent}}}", "", quote, flags=re.MULTILINE)
    return quote


def render(comments: Sequence[Comment]) -> str:
    r"""Write comments as a critique that `parse` reads back.

    `parse(render(comments)).comments == comments`, except for `start` and `end`, holds for all comments that `parse`
    returns, in any order. In general it needs:

    - a quote that is not blank and does not end in "\r";
    - a text that is stripped, not empty, and opens no fence below its first line;
    - if there is no severity, a text that does not begin with a severity mark.
    """
    text = "\n".join(map(_render_comment, comments))
    if comments and _BLANK_LINE.search(comments[-1].text):
        # An empty fence at the end keeps the last comment's paragraphs from being read as closing paragraphs.
        text += "\n```\n```\n"
    return text


def _render_comment(comment: Comment) -> str:
    quoted_fences = re.findall(r"^ {0,3}(`{3,})", comment.quote, re.MULTILINE)
    fence = "`" * (1 + max(map(len, quoted_fences), default=2))
    lead = ""
    if comment.severity:
        lead = f"[{comment.severity}] "
    elif _FENCE.match(comment.text):
        lead = "    "  # indented four spaces, it is not a fence
    return f"{fence}\n{comment.quote}\n{fence}\n{lead}{comment.text}\n"


def critique_text(critique: Critique) -> str:
    """Return the critique text for the judge and the refiner.

    It has the located comments. Without any, it is the text outside the fences.
    """
    if critique.comments:
        return render(critique.comments)
    return critique.unparsed
