"""Compare an answer with the reference code, line by line."""

import difflib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from selfcritic.agent.tasks.functions.answer import CodeLine, code_lines
from selfcritic.agent.tasks.functions.edits import Edit
from selfcritic.agent.tasks.functions.forms import HEADER
from selfcritic.agent.tasks.functions.specification import ReferenceLine, Specification


class Difference(NamedTuple):
    """An edit toward the reference code, and the line it changes."""

    edit: Edit
    line: CodeLine
    phrase: str
    """The sentence of the specification that requires it; empty for an extra line."""


def find_differences(answer: str, specification: Specification) -> list[Difference]:
    """Return the edits that turn the answer into the reference.

    They are in line order. An answer without a function f gets one edit that rewrites it.
    """
    lines = code_lines(answer)
    reference = specification.lines
    differences = []
    if any(line.text.startswith("def f(") for line in lines):
        differences = list(_compare(lines, reference))
    # Equal lines can still fail: Python rejects some characters even in a comment.
    if not differences:
        rewrite = Edit("rewrite", specification.code)
        return [Difference(rewrite, CodeLine(answer, 0), HEADER)]
    return differences


def _compare(lines: Sequence[CodeLine], reference: Sequence[ReferenceLine]) -> Iterator[Difference]:
    texts = [line.text for line in lines]
    reference_texts = [line.text for line in reference]
    matcher = difflib.SequenceMatcher(None, texts, reference_texts, autojunk=False)
    for tag, start, end, reference_start, reference_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        expected = reference[reference_start:reference_end]
        yield from _compare_block(lines[start:end], expected)
        missing = expected[end - start :]
        if missing:
            yield _missing_lines(lines, end, missing)


def _compare_block(
    lines: Sequence[CodeLine], expected: Sequence[ReferenceLine]
) -> Iterator[Difference]:
    """Compare lines pairwise; lines beyond the expected ones are extra."""
    for line, expected_line in zip(lines, expected, strict=False):
        code = _relative_code(expected_line.text, line)
        yield Difference(Edit("replace", code), line, expected_line.phrase)
    for line in lines[len(expected) :]:
        yield Difference(Edit("remove"), line, "")


def _missing_lines(
    lines: Sequence[CodeLine], index: int, missing: Sequence[ReferenceLine]
) -> Difference:
    """Insert lines before an index, or after the last line."""
    code = "\n".join(line.text for line in missing)
    phrase = missing[0].phrase
    if index < len(lines):
        next_line = lines[index]
        return Difference(Edit("before", _relative_code(code, next_line)), next_line, phrase)
    last_line = lines[-1]
    return Difference(Edit("after", _relative_code(code, last_line)), last_line, phrase)


def _relative_code(code: str, line: CodeLine) -> str:
    """Remove the indentation from one line if `line` has the same."""
    unindented = code.lstrip()
    is_single_line = "\n" not in code
    if is_single_line and code == line.indent + unindented:
        return unindented
    return code
