"""Short Python functions, written to a specification in a controlled English.

A task looks like "Write a Python function f(xs). Skip the first 2 numbers. Square each. Return the sum plus 2." An
answer is right when its code, run in a sandbox, returns what the reference code returns, in value and in type, for
inputs drawn around the numbers of the specification. Its code is its largest fenced block, without any all of it. The
flaws of a wrong answer are the lines in which it differs from the reference, blank lines and comments apart:

- wrong line: "Should be `if x <= 3:`: "Keep only numbers greater than 3"."
- missing line: "`continue` is missing before this line: …", or after it, where it is the last.
- extra line: "This line should go: …"
- form: no function f to be read, or far too long a one. "This is not the function asked for: write `def f(xs): …`."

A comment on several lines is meant for the last of them. Flaws are told from the last to the first, so that mending
one leaves the places of the others as they are.
"""

import difflib
import functools
import marshal
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.sandbox.run import run_python
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import comment_on, is_quoted, overlaps, remark_opening
from selfcritic.agent.tasks.functions.specification import HEADER, Specification, draw, read

_LONGEST = 20_000  # characters of code that are run, and compared line by line
_MOST_LINES = 200
_INPUTS = 30

_BLOCK = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)(?:^ {0,3}(?P=fence)|\Z)", re.M | re.S)
_BLANK = re.compile(r"[ \t\r]*(?:#[^\r]*)?\r?")
_NAMED = re.compile(r"\bf\b")

# What the answer itself prints stands above the last line. In marshal's format same bytes are same types and values.
_RUN = """
import marshal
names = {{"__name__": "answer"}}
exec(compile({code!r}, "answer", "exec"), names)
print("\\n" + marshal.dumps([names["f"](list(xs)) for xs in {inputs!r}], 2).hex())
"""

_Change = Literal["rewrite", "before", "after", "replace", "remove"]
_CHANGES: Mapping[_Change, tuple[str, str]] = {  # the kind of the flaw, and the comment's words
    "rewrite": ("form", "This is not the function asked for: write `{code}`"),
    "before": ("missing line", "`{code}` is missing before this line"),
    "after": ("missing line", "`{code}` is missing after this line"),
    "replace": ("wrong line", "Should be `{code}`"),
    "remove": ("extra line", "This line should go"),
}
_READERS: Mapping[_Change, re.Pattern[str]] = {
    change: re.compile(re.escape(words).replace(r"\{code\}", "([^`]+)"), re.IGNORECASE)
    for change, (_, words) in _CHANGES.items()
}

# How one line of code goes wrong: what to look for, what stands there instead, and what a reviewer would say to it.
_MISTAKES: tuple[tuple[str, str | Mapping[str, str], str], ...] = (
    (r"<=|>=|<|>", {"<=": "<", ">=": ">", "<": "<=", ">": ">="}, "The comparison is off at its boundary"),
    (
        r"<=|>=|==|!=|<|>",
        {"<=": ">", ">=": "<", "<": ">=", ">": "<=", "==": "!=", "!=": "=="},
        "The condition is inverted",
    ),
    (r"\bnot in\b", "in", "The condition is inverted"),
    (r"(?<![\w.])(?<!% )(?<!out = )(?<!::)(?<!::-)-?\d+", "+1", "A number is off by one"),
    (r"(?<![\w.])(?<!% )(?<!out = )(?<!::)(?<!::-)-?\d+", "-1", "A number is off by one"),
    (r"(?<=% )[1-9]\d*(?! ==| !=)", "+1", "A number is off by one"),
    (r"(?<=\bout = )(?:0|1|None)$", {"0": "1", "1": "0", "None": "0"}, "The start value is wrong"),
    (r"\+=|\*=", "=", "The value is overwritten at each number"),
    (r"\*=", "+=", "The operator is wrong"),
    (r" [-+*%] ", {" + ": " - ", " - ": " + ", " * ": " + ", " % ": " // "}, "The operator is wrong"),
    (r"\bcontinue\b", "break", "The loop ends where it should skip a number"),
    (r"\[(-?\d+):\]", r"[:\1]", "The slice takes the other end"),
    (r"\[:(-?\d+)\]", r"[\1:]", "The slice takes the other end"),
    (r"\[::2\]", "[1::2]", "The slice starts one number too late"),
    (r"\[::-1\]", "", "The order is not reversed"),
    (r"\bsorted\((\w+)\b.*?\)", r"\1", "The list is not sorted"),
    (r", reverse=True", "", "The list is sorted the wrong way round"),
    (r"\b(?:min|max)\b", {"min": "max", "max": "min"}, "The wrong one of min and max limits the result"),
    (r"\babs\((\w+)\)", r"\1", "The sign is left as it is"),
    (r"(?<= )-(?=[a-z])", "", "The sign is left as it is"),
    (r"(?<=return out) .+", "", "The last step is missing"),
    (r"(?<=return )out\b", "x", "The wrong variable is returned"),
    (r"\bx = (?=.*\bx\b)", "y = ", "The new value goes into a variable that is not used"),
)


class _Line(NamedTuple):
    """A line of the answer, and where it stands there; its text is without the white space behind it."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip())]


class _Edit(NamedTuple):
    """What a comment asks for."""

    change: _Change
    code: str = ""

    def told(self, phrase: str) -> str:
        """The comment's text, with the sentence of the specification that it is about."""
        why = f'"{phrase}"' if phrase else "the specification does not ask for it"
        return f"{_CHANGES[self.change][1].format(code=self.code)}: {why}."


class _Mistake(NamedTuple):
    """Another text for some lines of an answer."""

    start: int
    end: int
    old: str
    new: str
    told: str


@dataclass(frozen=True)
class Functions(Task):
    """A Python function that does what a specification says."""

    name = "functions"
    example = (
        "Write a Python function f(xs). Skip the first 2 numbers. Keep only numbers greater than 3. Square each. "
        "Return the sum plus 2. If nothing is left return 0."
    )
    sizes = range(1, 7)

    question: str
    specification: Specification = field(compare=False, repr=False)

    @classmethod
    def parse(cls, question: str) -> Self | None:
        """Read a specification; InputError where a sentence of it is unknown or does not go with the others."""
        found = read(question)
        return None if found is None else cls(question, found)

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw a specification that says so many things beyond "Return …", each of which matters."""
        if size not in cls.sizes:
            raise InputError(f"The size of a {cls.name} task is from {cls.sizes[0]} to {cls.sizes[-1]}, not {size}.")
        while True:
            task = cls.parse(draw(rng, size))
            if task and task._is_sensible():
                return task

    def solution(self) -> str:
        """The reference code."""
        return self.specification.code

    def is_correct(self, answer: str) -> bool:
        """Whether the code in the answer returns what the reference code returns."""
        _, code = _code(answer)
        if code.strip("\n") == self.solution():
            return True
        return len(code) <= _LONGEST and bool(_NAMED.search(code)) and _passes(self, code)

    def flaws(self, answer: str) -> list[Flaw]:
        """The lines in which a wrong answer differs from the reference, from the last to the first."""
        if self.is_correct(answer):
            return []
        found = reversed(self._differences(answer))
        return [Flaw(_CHANGES[edit.change][0], self._comment(answer, edit, line, why)) for edit, line, why in found]

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Whether the comment asks at a flaw for what mends it, or for something else that leaves fewer flaws."""
        if not is_quoted(comment, answer) or self.is_correct(answer):
            return False
        asked = _read(comment.text)
        for edit, line, _ in self._differences(answer):
            there = edit.change == "rewrite" or overlaps(comment, answer, line.start + len(line.indent), line.end)
            if there and asked and (asked.change, asked.code.split()) == (edit.change, edit.code.split()):
                return True
        mended = self.apply_comment(answer, comment)
        return mended != answer and len(self.flaws(mended)) < len(self.flaws(answer))

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Make a mistake in the answer; where there is nothing to be mistaken in, in the reference code."""
        for mistake in _shuffled(_mistakes(answer), rng):
            slipped = answer[: mistake.start] + mistake.new + answer[mistake.end :]
            if not self.is_correct(slipped):
                phrase = self._phrase(mistake.old)
                return Injected(slipped, mistake.told + (f' The specification says "{phrase}".' if phrase else ""))
        return self.inject_flaw(self.solution(), rng)

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Change the last of the quoted lines as the comment says."""
        edit = _read(comment.text)
        if edit is None or not is_quoted(comment, answer):
            return answer
        return edit.code if edit.change == "rewrite" else _edited(answer, _target(answer, comment), edit)

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Object to a line that is right: it should have a mistake in it."""
        single = (mistake for mistake in _mistakes(answer) if mistake.new and "\n" not in mistake.old)
        for mistake in _shuffled(single, rng):
            line = _Line(mistake.old, mistake.start)
            why = self._phrase(mistake.old) or HEADER
            comment = self._comment(answer, _Edit("replace", mistake.new.strip()), line, why)
            if not self.is_valid(answer, comment):
                return comment
        return remark_opening(answer, "This line is hard to follow.")

    def inputs(self) -> list[list[int]]:
        """What the code is tried with: lists of all lengths that matter, of numbers near those that are named."""
        rng = random.Random(self.id)
        near = [number + by for number in self.specification.numbers for by in (-1, 0, 1)]
        numbers = [*range(-9, 13), *near * (1 + 22 // (len(near) + 1))]
        shortest = [0, 0, *(abs(number) for number in self.specification.counts)]
        lists = [rng.choices(numbers, k=rng.choice(shortest) + rng.randrange(1, 10)) for _ in range(_INPUTS)]
        return [[], [0], *lists, *(xs[::-1] + xs for xs in lists[:5])]

    def expected(self) -> str:
        """What the reference code returns for the inputs, in marshal's format."""
        return marshal.dumps(self.specification.run(self.inputs()), 2).hex()

    def _is_sensible(self) -> bool:
        """Whether the results vary, and no sentence could be left out."""
        inputs, results = self.inputs(), self.specification.run(self.inputs())
        return len(set(map(str, results))) > 4 and all(s.run(inputs) != results for s in self.specification.simpler())

    def _phrase(self, code: str) -> str | None:
        """The sentence that a line of the reference code, or the first of several, follows from."""
        first = code.split("\n")[0].strip()
        return next((line.phrase for line in self.specification.lines if line.text.strip() == first), None)

    def _differences(self, answer: str) -> list[tuple[_Edit, _Line, str]]:
        """What to change in the answer's lines to make them the reference, from the first to the last, and why."""
        lines = [line for line in _lines(answer) if not _BLANK.fullmatch(line.text)]
        wanted = [line.text for line in self.specification.lines]
        matcher = difflib.SequenceMatcher(None, [line.text for line in lines], wanted, autojunk=False)
        found = [d for code in matcher.get_opcodes() if lines for d in self._changes(lines, *code)]
        # Lines can be the same and still not run: Python stops at some characters that may stand in a comment.
        if found and any(line.text.startswith("def f(") for line in lines):
            return found
        return [(_Edit("rewrite", self.solution()), _Line(answer, 0), HEADER)]

    def _changes(
        self, lines: list[_Line], tag: str, start: int, end: int, first: int, last: int
    ) -> Iterator[tuple[_Edit, _Line, str]]:
        """One of difflib's operations, line by line."""
        if tag == "equal":
            return
        here, wanted = lines[start:end], self.specification.lines[first:last]
        for line, right in zip(here, wanted, strict=False):
            yield _Edit("replace", _relative(right.text, line)), line, right.phrase
        for line in here[len(wanted) :]:
            yield _Edit("remove"), line, ""
        if missing := wanted[len(here) :]:
            change: _Change = "before" if end < len(lines) else "after"
            anchor = lines[min(end, len(lines) - 1)]
            code = "\n".join(line.text for line in missing)
            yield _Edit(change, _relative(code, anchor)), anchor, missing[0].phrase

    def _comment(self, answer: str, edit: _Edit, line: _Line, why: str) -> Comment:
        if edit.change == "rewrite":
            return remark_opening(answer, edit.told(why))
        return comment_on(answer, line.start + len(line.indent), line.end, edit.told(why))


@functools.lru_cache(maxsize=4096)
def _passes(task: Functions, code: str) -> bool:
    """Whether code returns what it should; whatever else becomes of it in the sandbox, it does not."""
    result = run_python(_RUN.format(code=code, inputs=task.inputs()))
    return result.returncode == 0 and result.stdout.rstrip("\n").rpartition("\n")[2] == task.expected()


def _code(answer: str) -> tuple[int, str]:
    """The largest fenced block, or the whole answer where there is none, and its offset."""
    blocks = [(match.start("code"), match["code"]) for match in _BLOCK.finditer(answer)]
    return max(blocks, key=lambda block: len(block[1]), default=(0, answer))


def _lines(answer: str) -> list[_Line]:
    """The lines of the answer's code; none where that is longer than any short function."""
    at, code = _code(answer)
    if len(code) > _LONGEST or code.count("\n") > _MOST_LINES:
        return []
    starts = [at, *(at + match.end() for match in re.finditer("\n", code))]
    return [_Line(text.rstrip(" \t\r"), start) for text, start in zip(code.split("\n"), starts, strict=True)]


def _mistakes(answer: str) -> Iterator[_Mistake]:
    """All mistakes that can be made in the answer's code: in one line, or by leaving out one, or a condition."""
    lines = [line for line in _lines(answer) if not _BLANK.fullmatch(line.text)]
    for line in lines:
        for pattern, new, what in _MISTAKES:
            for match in re.finditer(pattern, line.text):
                text = line.text[: match.start()] + _instead(match, new) + line.text[match.end() :]
                told = f"{what}: `{text.strip()}` instead of `{line.text.strip()}`."
                yield _Mistake(line.start, line.end, line.text, text, told)
    yield from _gaps(answer, lines)


def _instead(match: re.Match[str], new: str | Mapping[str, str]) -> str:
    if isinstance(new, Mapping):
        return new[match[0]]
    return str(int(match[0]) + int(new)) if new in ("+1", "-1") else match.expand(new)


def _gaps(answer: str, lines: list[_Line]) -> Iterator[_Mistake]:
    """The code without a line, and, where that is all that stands under a condition, without both."""
    for above, line, below in zip(lines, lines[1:], lines[2:], strict=False):
        alone = above.text.endswith(":") and len(below.indent) < len(line.indent)
        first = above if alone and above.text.lstrip().startswith("if ") else line
        if not line.text.endswith(":") and (first is above or not alone):
            old = answer[first.start : line.end]
            told = f"`{first.text.strip()}` is missing{', with what is_quoted under it' if first is above else ''}."
            yield _Mistake(first.start, below.start, old, "", told)


def _shuffled(mistakes: Iterator[_Mistake], rng: random.Random) -> list[_Mistake]:
    found = list(mistakes)
    rng.shuffle(found)
    return found


def _relative(code: str, line: _Line) -> str:
    """Code as a comment writes it: with its indentation only where it is not that of the line."""
    plain = code.lstrip()
    return plain if "\n" not in code and code == line.indent + plain else code


def _read(text: str) -> _Edit | None:
    """What a comment asks for."""
    matches = ((change, pattern.search(text)) for change, pattern in _READERS.items())
    return next((_Edit(change, "".join(match.groups())) for change, match in matches if match), None)


def _target(answer: str, comment: Comment) -> _Line:
    """The last of the lines that a comment quotes, its line end left out."""
    quote = comment.quote.rstrip("\n")
    said = comment.start if comment.start is not None and comment.start >= 0 else 0
    at = said if answer.startswith(quote, said) else answer.find(quote)
    start = answer.rfind("\n", 0, at + len(quote)) + 1
    return _Line(answer[start:].split("\n", 1)[0], start)


def _edited(answer: str, line: _Line, edit: _Edit) -> str:
    """The answer with a line changed; code without indentation gets that of the line."""
    before, after = answer[: line.start], answer[line.end :]
    code = edit.code if edit.code.startswith((" ", "\t", "def ")) else line.indent + edit.code
    if edit.change == "remove":
        return before + after[1:] if after else before.removesuffix("\n")
    texts = {"replace": (code,), "before": (code, line.text), "after": (line.text, code)}
    return before + "\n".join(texts[edit.change]) + after
