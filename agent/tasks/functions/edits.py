"""Write, parse and apply the edits that comments ask for."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.functions.answer import CodeLine

EditType = Literal["rewrite", "before", "after", "replace", "remove"]


class _Wording(NamedTuple):
    flaw_kind: str
    comment: str


_WORDINGS: Mapping[EditType, _Wording] = {
    "rewrite": _Wording("form", "This is not the function asked for: write `{code}`"),
    "before": _Wording("missing line", "`{code}` is missing before this line"),
    "after": _Wording("missing line", "`{code}` is missing after this line"),
    "replace": _Wording("wrong line", "Should be `{code}`"),
    "remove": _Wording("extra line", "This line should go"),
}


def _comment_pattern(wording: _Wording) -> re.Pattern[str]:
    source = re.escape(wording.comment).replace(r"\{code\}", "([^`]+)")
    return re.compile(source, re.IGNORECASE)


_PATTERNS = {edit_type: _comment_pattern(wording) for edit_type, wording in _WORDINGS.items()}


class Edit(NamedTuple):
    """The change that a comment asks for."""

    type: EditType
    code: str = ""

    @property
    def flaw_kind(self) -> str:
        """The kind of flaw it fixes, such as "wrong line"."""
        return _WORDINGS[self.type].flaw_kind

    def comment_text(self, phrase: str) -> str:
        """Write the comment that asks for the edit.

        `phrase` is the sentence of the specification that requires it.
        """
        request = _WORDINGS[self.type].comment.format(code=self.code)
        reason = "the specification does not ask for it"
        if phrase:
            reason = f'"{phrase}"'
        return f"{request}: {reason}."

    def is_same_as(self, other: "Edit") -> bool:
        """Return whether two edits are equal apart from whitespace."""
        return self.type == other.type and self.code.split() == other.code.split()


def parse_edit(text: str) -> Edit | None:
    """Parse the text of a comment."""
    for edit_type, pattern in _PATTERNS.items():
        match = pattern.search(text)
        if match:
            return Edit(edit_type, "".join(match.groups()))
    return None


def apply_edit(answer: str, comment: Comment, edit: Edit) -> str:
    """Apply an edit to the last quoted line.

    Code without indentation gets the indentation of that line.
    """
    if edit.type == "rewrite":
        return edit.code
    line = _target_line(answer, comment)
    before = answer[: line.start]
    after = answer[line.end :]
    if edit.type == "remove":
        return before + after[1:] if after else before.removesuffix("\n")

    code = edit.code
    if not code.startswith((" ", "\t", "def ")):
        code = line.indent + code
    if edit.type == "before":
        code = f"{code}\n{line.text}"
    elif edit.type == "after":
        code = f"{line.text}\n{code}"
    return before + code + after


def _target_line(answer: str, comment: Comment) -> CodeLine:
    quote = comment.quote.rstrip("\n")
    quote_start = max(comment.start or 0, 0)
    if not answer.startswith(quote, quote_start):
        quote_start = answer.find(quote)
    line_start = answer.rfind("\n", 0, quote_start + len(quote)) + 1
    text, _, _ = answer[line_start:].partition("\n")
    return CodeLine(text, line_start)
