"""Critique text ⇄ comments, and each comment's quote located in the answer.

One format serves every model, CriticGPT's: a quote of the answer in a fence, then a comment, repeated:

    ```
    words of the answer, possibly several lines
    ```
    [high] What is wrong here; the mark "[low]", "[medium]" or "[high]" is optional.

Fences are CommonMark's, and a quote between two fences on one line. A comment runs to the next fence; below the last
fence it ends at its first blank line, since CriticGPT's critiques end with a closing paragraph. What is no comment (a
preface, that paragraph, a fence with no quote in it or no comment below it) is kept as written in `unparsed`.
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
        [ \t]* (?P<line>\S[^\n]*?) (?<!(?P=mark))(?P=fence)(?!(?P=mark))  # fence and quote on one line
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
    """A critique text taken apart; nothing but fences, info strings, severity marks and white space is left out."""

    comments: list[Comment]
    unparsed: str


def parse(text: str) -> Parsed:
    """Take a critique text apart, whatever it holds, in time linear in it; the comments are not located yet."""
    fences = list(_FENCE.finditer(text))
    starts = [*(fence.start() for fence in fences), len(text)]
    comments: list[Comment] = []
    unparsed = [text[: starts[0]]]
    for fence, end in zip(fences, starts[1:], strict=True):
        comment, rest = _comment(fence, text[fence.end() : end], last=fence is fences[-1])
        comments += [comment] if comment else []
        unparsed.append(rest)
    return Parsed(comments, "\n\n".join(part.strip() for part in unparsed if part.strip()))


def strip_closing_paragraph(text: str) -> str:
    """A critique to be continued: without a last paragraph that holds no quote, nor a quote with no comment below.

    Paper 2, 7.1. The first paragraph below a quote is its comment, not a closing one; blank ends are cut off.
    """
    fences = list(_FENCE.finditer(text))
    if not fences:
        return ""
    below = text[fences[-1].end() :]
    if not below.strip():
        return text[: fences[-1].start()].rstrip()
    paragraphs = list(_BLANK_LINE.finditer(below.rstrip(), len(below) - len(below.lstrip())))
    return text[: fences[-1].end() + (paragraphs[-1].start() if paragraphs else len(below))].rstrip()


def _comment(fence: re.Match[str], below: str, *, last: bool) -> tuple[Comment | None, str]:
    """The comment of one fence and what is left over: without a comment, the fence and all below it."""
    quote = _quote(fence)
    _, severity, text = _SEVERITY.split(below, maxsplit=1)
    text, *closing = _BLANK_LINE.split(text.strip(), maxsplit=1) if last else [text.strip()]
    if quote.strip() and text:
        mark = cast(Severity | None, severity and severity.lower())
        return Comment(quote=quote, text=text.rstrip(), severity=mark), "".join(closing)
    return None, fence[0] + below if quote.strip() or below.strip() else ""


def _quote(fence: re.Match[str]) -> str:
    """The text inside a fence, without the fence's own indentation and without its last line end."""
    if fence["line"] is not None:
        return fence["line"].rstrip()
    lines = re.sub(r"\r*\n\Z", "", fence["block"])
    return re.sub(rf"^ {{1,{len(fence['indent'])}}}", "", lines, flags=re.MULTILINE) if fence["indent"] else lines


def render(comments: Sequence[Comment]) -> str:
    r"""Write comments as a critique text: `parse(render(comments)).comments == comments`, but for start and end.

    This holds for all that `parse` returns, in any order, and so for every quote that is not blank and does not end in
    "\r", and every text that is stripped, not empty, opens no fence below its first line, and, where there is no
    severity, begins with no mark of one.
    """
    text = "\n".join(map(_render_one, comments))
    if comments and _BLANK_LINE.search(comments[-1].text):
        # An empty fence behind it: the last comment's paragraphs are not taken for closing paragraphs.
        text += "\n```\n```\n"
    return text


def _render_one(comment: Comment) -> str:
    runs = re.findall(r"^ {0,3}(`{3,})", comment.quote, re.MULTILINE)
    fence = "`" * max([3, *(len(run) + 1 for run in runs)])
    # A comment that begins with what looks like a fence is indented too far to be one.
    lead = f"[{comment.severity}] " if comment.severity else "    " if _FENCE.match(comment.text) else ""
    return f"{fence}\n{comment.quote}\n{fence}\n{lead}{comment.text}\n"


def critique_text(critique: Critique) -> str:
    """What a critique says to those who judge it or mend by it: its located comments, else its text without fences."""
    return render(critique.comments) if critique.comments else critique.unparsed
