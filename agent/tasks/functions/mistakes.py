"""Typical mistakes in short Python functions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from selfcritic.agent.tasks.functions.answer import CodeLine, code_lines


class _MistakeType(NamedTuple):
    pattern: str
    replacement: str | Mapping[str, str]
    """A template, "+1" or "-1" for a number, or a replacement for each match."""
    description: str


_NUMBER = r"(?<![\w.])(?<!% )(?<!out = )(?<!::)(?<!::-)-?\d+"
_DIVISOR = r"(?<=% )[1-9]\d*(?! ==| !=)"

# The order is part of the seeds: it decides which mistake a random draw selects.
_MISTAKE_TYPES = (
    _MistakeType(
        r"<=|>=|<|>",
        {"<=": "<", ">=": ">", "<": "<=", ">": ">="},
        "The comparison is off at its boundary",
    ),
    _MistakeType(
        r"<=|>=|==|!=|<|>",
        {"<=": ">", ">=": "<", "<": ">=", ">": "<=", "==": "!=", "!=": "=="},
        "The condition is inverted",
    ),
    _MistakeType(r"\bnot in\b", "in", "The condition is inverted"),
    _MistakeType(_NUMBER, "+1", "A number is off by one"),
    _MistakeType(_NUMBER, "-1", "A number is off by one"),
    _MistakeType(_DIVISOR, "+1", "A number is off by one"),
    _MistakeType(
        r"(?<=\bout = )(?:0|1|None)$", {"0": "1", "1": "0", "None": "0"}, "The start value is wrong"
    ),
    _MistakeType(r"\+=|\*=", "=", "The value is overwritten at each number"),
    _MistakeType(r"\*=", "+=", "The operator is wrong"),
    _MistakeType(
        r" [-+*%] ",
        {" + ": " - ", " - ": " + ", " * ": " + ", " % ": " // "},
        "The operator is wrong",
    ),
    _MistakeType(r"\bcontinue\b", "break", "The loop ends where it should skip a number"),
    _MistakeType(r"\[(-?\d+):\]", r"[:\1]", "The slice takes the other end"),
    _MistakeType(r"\[:(-?\d+)\]", r"[\1:]", "The slice takes the other end"),
    _MistakeType(r"\[::2\]", "[1::2]", "The slice starts one number too late"),
    _MistakeType(r"\[::-1\]", "", "The order is not reversed"),
    _MistakeType(r"\bsorted\((\w+)\b.*?\)", r"\1", "The list is not sorted"),
    _MistakeType(r", reverse=True", "", "The list is sorted the wrong way round"),
    _MistakeType(
        r"\b(?:min|max)\b",
        {"min": "max", "max": "min"},
        "The wrong one of min and max limits the result",
    ),
    _MistakeType(r"\babs\((\w+)\)", r"\1", "The sign is left as it is"),
    _MistakeType(r"(?<= )-(?=[a-z])", "", "The sign is left as it is"),
    _MistakeType(r"(?<=return out) .+", "", "The last step is missing"),
    _MistakeType(r"(?<=return )out\b", "x", "The wrong variable is returned"),
    _MistakeType(
        r"\bx = (?=.*\bx\b)", "y = ", "The new value goes into a variable that is not used"
    ),
)


class Mistake(NamedTuple):
    """A replacement for one or more lines of an answer."""

    start: int
    end: int
    old: str
    new: str
    description: str

    def apply(self, answer: str) -> str:
        """Put the mistake into the answer."""
        return answer[: self.start] + self.new + answer[self.end :]

    @property
    def is_line_change(self) -> bool:
        """Whether it changes a single line without deleting it."""
        return bool(self.new) and "\n" not in self.old


def find_mistakes(answer: str) -> list[Mistake]:
    """Return all possible mistakes in the answer's code.

    A mistake changes one line, omits one line, or omits a condition with its only line.
    """
    lines = code_lines(answer)
    mistakes: list[Mistake] = []
    for line in lines:
        mistakes += _line_mistakes(line)
    mistakes += _missing_line_mistakes(answer, lines)
    return mistakes


def _line_mistakes(line: CodeLine) -> Iterator[Mistake]:
    for mistake_type in _MISTAKE_TYPES:
        for match in re.finditer(mistake_type.pattern, line.text):
            replacement = _replacement(match, mistake_type.replacement)
            before = line.text[: match.start()]
            after = line.text[match.end() :]
            new_text = before + replacement + after
            change = f"`{new_text.strip()}` instead of `{line.text.strip()}`"
            description = f"{mistake_type.description}: {change}."
            yield Mistake(line.start, line.end, line.text, new_text, description)


def _replacement(match: re.Match[str], replacement: str | Mapping[str, str]) -> str:
    if isinstance(replacement, Mapping):
        return replacement[match[0]]
    if replacement in ("+1", "-1"):
        number = int(match[0]) + int(replacement)
        return str(number)
    return match.expand(replacement)


def _missing_line_mistakes(answer: str, lines: Sequence[CodeLine]) -> Iterator[Mistake]:
    """Yield the omission of each line.

    If the line is the whole body of an `if`, the `if` is omitted too.
    """
    for above, line, below in zip(lines, lines[1:], lines[2:], strict=False):
        if line.text.endswith(":"):
            continue
        is_only_line = above.text.endswith(":") and len(below.indent) < len(line.indent)
        if not is_only_line:
            description = f"`{line.text.strip()}` is missing."
            old_text = answer[line.start : line.end]
            yield Mistake(line.start, below.start, old_text, "", description)
        elif above.text.lstrip().startswith("if "):
            description = f"`{above.text.strip()}` is missing, with the code under it."
            old_text = answer[above.start : line.end]
            yield Mistake(above.start, below.start, old_text, "", description)
