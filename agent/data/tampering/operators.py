"""Change Python code with the mutation operators of cosmic-ray (extra `data`)."""

import ast
import functools
import io
import random
import re
import tokenize
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.data.tampering.edits import Edit, find_edit
from selfcritic.agent.errors import InputError

_PREFIX = "core/"
# Conspicuous: identity of numbers, bit operators, `+x`, `[]` instead of the loop's values, a foreign exception.
_CONSPICUOUS = re.compile(
    r".*_(?:Is|IsNot|Pow|RShift|LShift|BitOr|BitAnd|BitXor|UAdd|USub_Invert|USub_Not)"
    r"|ExceptionReplacer|NoOp|RemoveDecorator|Variable.*|ZeroIterationForLoop"
)
_UNSPACED = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True)
class Mutation:
    """A place where an operator can change the code."""

    operator: str
    """Name without a prefix, such as "NumberReplacer"."""
    occurrence: int
    """Number of the place among those of the operator."""
    position: tuple[int, int]
    """Line from 1, column from 0."""


def find_mutations(code: str, rng: random.Random) -> list[Mutation]:
    """Return the mutations of Python code in random order, but each position once before any twice.

    Raises:
        InputError: cosmic-ray is not installed.
    """
    by_position: dict[tuple[int, int], list[Mutation]] = {}
    for mutation in _all_mutations(code):
        by_position.setdefault(mutation.position, []).append(mutation)
    groups = list(by_position.values())
    rng.shuffle(groups)
    for group in groups:
        rng.shuffle(group)
    mutations = []
    for turn in range(max(map(len, groups), default=0)):
        mutations += [group[turn] for group in groups if turn < len(group)]
    return mutations


@functools.lru_cache(maxsize=64)
def _all_mutations(code: str) -> tuple[Mutation, ...]:
    from cosmic_ray.ast import ast_nodes, get_ast

    nodes = list(ast_nodes(get_ast(code)))
    mutations = []
    for name, operator in load_operators().items():
        occurrence = 0
        for node in nodes:
            for start, _ in operator.mutation_positions(node):
                mutations.append(Mutation(name, occurrence, start))
                occurrence += 1
    return tuple(mutations)


@functools.cache
def load_operators() -> dict[str, Any]:
    """Return the operators whose changes are not conspicuous, by name.

    Raises:
        InputError: cosmic-ray is not installed.
    """
    try:
        from cosmic_ray.plugins import get_operator, operator_names
    except ImportError as error:
        raise InputError(
            f"Tampering with operators needs {error.name}: pip install 'selfcritic[data]'."
        ) from None
    operators = {}
    for full_name in operator_names():
        name = full_name.removeprefix(_PREFIX)
        if full_name.startswith(_PREFIX) and not _CONSPICUOUS.fullmatch(name):
            operators[name] = get_operator(full_name)()
    return dict(sorted(operators.items()))


def apply_mutation(code: str, mutation: Mutation) -> Edit | None:
    """Return the edit of a mutation, with the spacing of the code.

    Returns None if the result is not valid Python, differs from the code in its layout only, or lacks a comment or
    line of it.

    Raises:
        ValueError: The operator did not change the code.
    """
    from cosmic_ray.mutating import mutate_code

    changed = mutate_code(code, load_operators()[mutation.operator], mutation.occurrence)
    if changed is None or changed == code:
        raise ValueError(f"{mutation.operator} did not change the code at {mutation.position}.")
    edit = find_edit(code, changed, mutation.operator)
    if edit is None:
        return None
    edit = _fit_spacing(code, edit)
    changed = code[: edit.start] + edit.replacement + code[edit.end :]
    if not is_new_code(code, changed) or _count_comments(changed) != _count_comments(code):
        return None
    return edit


def is_new_code(code: str, changed: str) -> bool:
    """Return whether changed code is valid Python and another program."""
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            tree = ast.dump(ast.parse(changed))
            compile(changed, "<tampered>", "exec", dont_inherit=True)
            return tree != ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _fit_spacing(code: str, edit: Edit) -> Edit:
    """Space the replacement like the original: operators leave traces such as `a[ 2]`, or join lines."""
    old = code[edit.start : edit.end]
    text = edit.replacement.strip()
    before = old[: len(old) - len(old.lstrip())]
    after = old[len(old.rstrip()) :] if old.strip() else ""
    if text[-1:].isalpha() and not after and edit.replacement.endswith(" "):
        after = " "
    end = edit.end
    if not text and code[edit.start - 1 : edit.start] == " ":
        end += len(code[end:]) - len(code[end:].lstrip(" "))
        before = after = ""
    fitted = Edit(edit.start, end, before + text + after, edit.source, edit.description)
    plain = code[: edit.start] + edit.replacement + code[edit.end :]
    spaced = code[: fitted.start] + fitted.replacement + code[fitted.end :]
    return fitted if _tokens(plain) == _tokens(spaced) else edit


def _count_comments(code: str) -> int:
    """Count the comments and lines of valid code."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return sum(token.type in (tokenize.COMMENT, tokenize.NEWLINE, tokenize.NL) for token in tokens)


def _tokens(code: str) -> Sequence[str]:
    """Return the tokens without layout; empty if there is no code."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return []
    return [token.string for token in tokens if token.type not in _UNSPACED]
