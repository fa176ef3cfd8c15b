"""Write a short Python function to a specification.

A task looks like "Write a Python function f(xs). Skip the first 2 numbers. Square each. Return the sum plus 2." The
code of an answer is its largest fenced block, or the whole answer. It is correct if it returns the values and types of
the reference code, on inputs near the numbers of the specification. An interpreter of a subset of Python computes its
results; code outside that subset runs in a sandbox. The flaws of a wrong answer are the lines that differ from the
reference, blank lines and comments excluded:

- wrong line: "Should be `if x <= 3:`: "Keep only numbers greater than 3"."
- missing line: "`continue` is missing before this line: …", or after it, if it is the last line.
- extra line: "This line should go: …"
- form: the function f is missing or too long. "This is not the function asked for: write `def f(xs): …`."

A comment on several lines refers to the last one. Flaws are listed from the last line to the first, so that fixing one
does not move the others.
"""

import functools
import marshal
import random
import re
from dataclasses import dataclass, field
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.sandbox.run import run_python
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import comment_on, is_quoted, overlaps, remark_opening
from selfcritic.agent.tasks.functions.answer import MAX_CODE_CHARS, CodeLine, find_code
from selfcritic.agent.tasks.functions.differences import Difference, find_differences
from selfcritic.agent.tasks.functions.edits import Edit, apply_edit, parse_edit
from selfcritic.agent.tasks.functions.forms import HEADER
from selfcritic.agent.tasks.functions.generator import draw_specification
from selfcritic.agent.tasks.functions.interpreter import MARSHAL_VERSION, UnsupportedCode, returns
from selfcritic.agent.tasks.functions.mistakes import find_mistakes
from selfcritic.agent.tasks.functions.specification import Specification, parse_specification

_NUM_INPUTS = 30
_MIN_DISTINCT_RESULTS = 5
_NAME = re.compile(r"\bf\b")

# The result is the last line, after any output of the answer.
_PROGRAM = """
import marshal
names = {{"__name__": "answer"}}
exec(compile({code!r}, "answer", "exec"), names)
print("\\n" + marshal.dumps([names["f"](list(xs)) for xs in {inputs!r}], {version}).hex())
"""


@dataclass(frozen=True)
class Functions(Task):
    """A Python function that follows a specification."""

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
        """Parse a specification; return None for any other text.

        Raises:
            InputError: A sentence is unknown, or the sentences are inconsistent.
        """
        specification = parse_specification(question)
        if specification is None:
            return None
        return cls(question, specification)

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw a specification in which every part matters.

        `size` counts its parts beyond "Return …", from 1 to 6.

        Raises:
            InputError: The size is out of range.
        """
        if size not in cls.sizes:
            raise InputError(f"`size` of a functions task must be from 1 to 6, not {size}.")
        while True:
            task = cls.parse(draw_specification(rng, size))
            if task and task._is_informative():
                return task

    def solution(self) -> str:
        """Return the reference code."""
        return self.specification.code

    def is_correct(self, answer: str) -> bool:
        """Compare the results of the code with the reference."""
        code = find_code(answer).text
        if code.strip("\n") == self.solution():
            return True
        if len(code) > MAX_CODE_CHARS or not _NAME.search(code):
            return False
        return _passes(self, code)

    def flaws(self, answer: str) -> list[Flaw]:
        """List the lines that differ, the last one first."""
        if self.is_correct(answer):
            return []
        flaws = []
        for difference in reversed(self._differences(answer)):
            comment = _comment_on_difference(answer, difference)
            flaws.append(Flaw(difference.edit.flaw_kind, comment))
        return flaws

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Check whether the comment fixes a flaw that it quotes.

        Another edit is also valid if it leaves fewer flaws.
        """
        if not is_quoted(comment, answer) or self.is_correct(answer):
            return False
        edit = parse_edit(comment.text)
        for difference in self._differences(answer):
            if edit and edit.is_same_as(difference.edit) and _is_about(comment, answer, difference):
                return True
        edited = self.apply_comment(answer, comment)
        if edited == answer:
            return False
        return len(self.flaws(edited)) < len(self.flaws(answer))

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Make a mistake in the answer, else in the reference code."""
        mistakes = find_mistakes(answer)
        rng.shuffle(mistakes)
        for mistake in mistakes:
            flawed = mistake.apply(answer)
            if self.is_correct(flawed):
                continue
            description = mistake.description
            phrase = self._phrase_for(mistake.old)
            if phrase:
                description += f' The specification says "{phrase}".'
            return Injected(flawed, description)
        return self.inject_flaw(self.solution(), rng)

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Edit the last quoted line as the comment asks."""
        edit = parse_edit(comment.text)
        if edit is None or not is_quoted(comment, answer):
            return answer
        return apply_edit(answer, comment, edit)

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Propose a change that breaks a correct line."""
        mistakes = [mistake for mistake in find_mistakes(answer) if mistake.is_line_change]
        rng.shuffle(mistakes)
        for mistake in mistakes:
            line = CodeLine(mistake.old, mistake.start)
            edit = Edit("replace", mistake.new.strip())
            phrase = self._phrase_for(mistake.old) or HEADER
            comment = _comment_on_difference(answer, Difference(edit, line, phrase))
            if not self.is_valid(answer, comment):
                return comment
        return remark_opening(answer, "This line is hard to follow.")

    def inputs(self) -> list[list[int]]:
        """Draw lists to test the code with.

        Their lengths exceed the counts of the specification. Many of their elements are close to its numbers.
        """
        rng = random.Random(self.id)
        nearby = []
        for number in self.specification.numbers:
            nearby += [number - 1, number, number + 1]
        repetitions = 1 + 22 // (len(nearby) + 1)
        elements = [*range(-9, 13), *nearby * repetitions]

        min_lengths = [0, 0, *(abs(count) for count in self.specification.counts)]
        lists = []
        for _ in range(_NUM_INPUTS):
            length = rng.choice(min_lengths) + rng.randrange(1, 10)
            lists.append(rng.choices(elements, k=length))
        palindromes = [xs[::-1] + xs for xs in lists[:5]]
        return [[], [0], *lists, *palindromes]

    def expected(self) -> str:
        """Return the reference results in marshal format, as hexadecimal digits."""
        results = self.specification.run(self.inputs())
        return marshal.dumps(results, MARSHAL_VERSION).hex()

    def _is_informative(self) -> bool:
        """Return whether the results vary and depend on every part."""
        inputs = self.inputs()
        results = self.specification.run(inputs)
        distinct_results = {str(result) for result in results}
        if len(distinct_results) < _MIN_DISTINCT_RESULTS:
            return False
        simplifications = self.specification.simplifications()
        return all(simpler.run(inputs) != results for simpler in simplifications)

    def _phrase_for(self, code: str) -> str | None:
        """Return the sentence that requires the first line."""
        first_line, _, _ = code.partition("\n")
        text = first_line.strip()
        for line in self.specification.lines:
            if line.text.strip() == text:
                return line.phrase
        return None

    def _differences(self, answer: str) -> list[Difference]:
        return find_differences(answer, self.specification)


@functools.lru_cache(maxsize=4096)
def _passes(task: Functions, code: str) -> bool:
    """Return whether code returns the expected results."""
    try:
        return returns(code, *_test_cases(task))
    except UnsupportedCode:
        return _passes_in_sandbox(task, code)


@functools.lru_cache(maxsize=64)
def _test_cases(task: Functions) -> tuple[list[list[int]], list[bytes]]:
    """Return the inputs and, in marshal format, the expected results."""
    inputs = task.inputs()
    results = task.specification.run(inputs)
    return inputs, [marshal.dumps(result, MARSHAL_VERSION) for result in results]


def _passes_in_sandbox(task: Functions, code: str) -> bool:
    program = _PROGRAM.format(code=code, inputs=task.inputs(), version=MARSHAL_VERSION)
    result = run_python(program)
    if result.returncode != 0:
        return False
    _, _, last_line = result.stdout.rstrip("\n").rpartition("\n")
    return last_line == task.expected()


def _comment_on_difference(answer: str, difference: Difference) -> Comment:
    text = difference.edit.comment_text(difference.phrase)
    if difference.edit.type == "rewrite":
        return remark_opening(answer, text)
    return comment_on(answer, difference.line.content_start, difference.line.end, text)


def _is_about(comment: Comment, answer: str, difference: Difference) -> bool:
    if difference.edit.type == "rewrite":
        return True
    return overlaps(comment, answer, difference.line.content_start, difference.line.end)
