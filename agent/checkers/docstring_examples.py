"""Turn the examples of a docstring into tests.

Two kinds of examples are read: those of doctest (`>>> f(2)`, with the result below), and calls with their result on the
same line, such as `f(2) == 4`, `f(2) ➞ 4`, `f(2) # returns 4` or "f(2) should return 4". Arguments and results must be
literals. Other examples are ignored.
"""

import ast
import re
import warnings
from dataclasses import dataclass, replace
from typing import Any

from selfcritic.agent.checkers.unit_tests import Tests, tests_in_question

_MAX_CALL_CHARS = 1_000
_MAX_RESULT_CHARS = 400
_MAX_CLOSING_BRACKETS = 60
_SEPARATOR = re.compile(
    r"""
    [ \t]* \#? [ \t]*
    (?P<sign> ={1,3}> | -{1,2}> | [➞→⇒⟹] | ={1,2}(?!=)
      | (?:should[ \t\n]+)? (?:returns? | be | equals? | gives?) \b
      | is[ \t]+ (?:equal[ \t]+ to)? | evaluates[ \t]+ to \b | :
    ) [ \t\n]*
    """,
    re.VERBOSE,
)
_END_OF_RESULT = re.compile(
    r"[ \t]*(?:[.,;]?[ \t]*(?:$|\n)|[.,;]?[ \t]+(?:and|or|because)\b|#|//|\()"
)
_OTHER_CONSTANTS = {"true": "True", "false": "False", "null": "None", "none": "None"}
_COMMENT = re.compile(r"[ \t]*#")
_FIRST_WORD = re.compile(r"[a-z]+\b")


@dataclass(frozen=True)
class Example:
    """A call and its result, as Python source."""

    call: str
    result: str
    sign: str
    """What separates them in the text."""


def docstring_tests(prompt: str, function: str, *, seconds: float = 10.0) -> Tests | None:
    """Return the examples of a function's docstring as tests, or None without any.

    Args:
        prompt: Python source that ends with the function's signature and docstring.
        function: The function's name.
        seconds: Time limit of all examples together.
    """
    text = _find_docstring(prompt, function)
    # A call ends the result of a doctest example above it.
    separated = re.sub(rf"^(?=[ \t]*{re.escape(function)}\()", "\n", text, flags=re.MULTILINE)
    tests = tests_in_question(separated) or Tests()
    comparisons = [
        f"{example.call} == {example.result}" for example in parse_examples(text, function)
    ]
    asserts = [*tests.asserts, *(f"assert {comparison}" for comparison in comparisons)]
    examples = [example for example in tests.examples if example[0] not in comparisons]
    if not asserts and not examples:
        return None
    unique_asserts = tuple(dict.fromkeys(asserts))
    return replace(tests, asserts=unique_asserts, examples=tuple(examples), seconds=seconds)


def parse_examples(text: str, function: str) -> list[Example]:
    """Return the calls of a function that have their result on the same line.

    Examples written with "=" are dropped if their results have several types, as in a recurrence. So are calls with two
    different results.
    """
    examples: list[Example] = []
    for match in re.finditer(rf"(?<![\w.]){re.escape(function)}\(", text):
        call = _read_call(text[match.start() : match.start() + _MAX_CALL_CHARS])
        if call is None:
            continue
        example = _read_result(call, text[match.start() + len(call) :])
        if example is not None:
            examples.append(example)
    return _drop_ambiguous(examples)


def _find_docstring(prompt: str, function: str) -> str:
    """Return the function's docstring, or the whole prompt if it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes such as "\d"
            tree = ast.parse(f"{prompt.rstrip()}\n    pass\n")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return prompt
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            return ast.get_docstring(node) or prompt
    return prompt


def _read_call(text: str) -> str | None:
    """Return the call that a text begins with, if all of its arguments are literals."""
    closing = [match.end() for match in re.finditer(r"\)", text)]
    for end in closing[:_MAX_CLOSING_BRACKETS]:
        call = text[:end]
        if call.count("(") > call.count(")") + call.count("'") + call.count('"'):
            continue  # an open bracket outside of a string: cheaper than parsing
        tree = _parse(call)
        if tree is None:
            continue
        is_call = isinstance(tree.body, ast.Call) and isinstance(tree.body.func, ast.Name)
        return call if is_call and _has_literal_arguments(tree.body) else None
    return None


def _has_literal_arguments(call: Any) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return bool(values) and all(_is_literal(value) for value in values)


def _read_result(call: str, rest: str) -> Example | None:
    separator = _SEPARATOR.match(rest)
    if separator is None:
        return None
    text = rest[separator.end() :][:_MAX_RESULT_CHARS]
    is_bracket = text[:1] in ("(", "[", "{")
    if not is_bracket:
        text = text.partition("\n")[0]
    word = _FIRST_WORD.match(text)
    if word and word[0] in _OTHER_CONSTANTS:
        result, length = _OTHER_CONSTANTS[word[0]], word.end()
    else:
        result = _longest_literal(text)
        length = len(result)
    if not result or not _END_OF_RESULT.match(text, length):
        return None
    return Example(" ".join(call.split("\n")), " ".join(result.split("\n")), separator["sign"])


def _longest_literal(text: str) -> str:
    """Return the longest beginning of a text that is a literal; it does not end in a period."""
    for end in range(len(text), 0, -1):
        candidate = text[:end]
        if candidate[-1].isspace() or candidate[-1] in ".,;:#":
            continue
        if _is_literal_text(candidate):
            return _cut_comment(candidate)
    return ""


def _cut_comment(literal: str) -> str:
    """Drop a comment after a literal; "#" may also be in a string."""
    for match in _COMMENT.finditer(literal):
        before = literal[: match.start()]
        if _is_literal_text(before):
            return before
    return literal


def _is_literal_text(text: str) -> bool:
    tree = _parse(text)
    return tree is not None and _is_literal(tree.body)


def _parse(text: str) -> ast.Expression | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return False
    return True


def _drop_ambiguous(examples: list[Example]) -> list[Example]:
    results: dict[str, set[str]] = {}
    types: set[type] = set()
    for example in examples:
        value = ast.literal_eval(example.result)
        results.setdefault(example.call, set()).add(repr(value))
        if example.sign == "=":
            types.add(type(value))
    kept = []
    for example in examples:
        is_unclear = example.sign == "=" and len(types) > 1
        if not is_unclear and len(results[example.call]) == 1:
            kept.append(example)
    return kept
