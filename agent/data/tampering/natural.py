"""Turn fixes of a package into records of natural bugs."""

import ast
import difflib
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from selfcritic.agent.data.records import AnswerRecord, Bug
from selfcritic.agent.data.tampering.checks import Outcome
from selfcritic.agent.data.tampering.edits import Edit, apply_edits, quote_lines, unified_diff
from selfcritic.agent.data.tampering.plan import PlanOptions, choose_split
from selfcritic.agent.data.tampering.trees import (
    Tree,
    is_source_file,
    is_test_file,
    limit_tree,
    run_tests_of_tree,
)

MAX_BUGS = 3
_MAX_CHARS = 100_000
_MAX_MESSAGE_CHARS = 500
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class FixRejected(ValueError):  # noqa: N818 - not a failure: most commits are no usable fix
    """A fix that does not give a record; the message has the reason."""


@dataclass(frozen=True)
class Fix:
    """Two versions of a package: with a bug, and without."""

    id: str
    package: str
    before: Tree
    after: Tree
    changed: Sequence[str]
    """Paths that differ."""
    description: str
    """The author's text about the fix; empty if unknown."""
    tests: Sequence[str] = ()
    """Files of tests in the later version; those that differ or are named like the module if empty."""


def build_natural(fix: Fix, plan: PlanOptions, seconds: float) -> list[AnswerRecord]:
    """Return the record of the bug, and sometimes that of the fixed file as a clean answer.

    The later version must pass the tests. The earlier one, with the same tests, must fail one of them.

    Raises:
        FixRejected: The fix changes several files, or its tests do not show the bug.
        CheckerError: The tests cannot run.
    """
    path = _find_source(fix)
    before, after = (_decode(tree[path]) for tree in (fix.before, fix.after))
    edits = _find_bug_edits(after, before)
    test, message, outcome = _verify(fix, path, seconds)
    bugs = _locate_bugs(after, before, edits, fix.description)
    task = f"{fix.package}/{path}"
    origin = {
        "fix": fix.id,
        "tests_run": list(_choose_tests(fix, path)),
        "source": "history",
    }
    flaw = {"outcome": outcome, "test": test, "message": message, "describer": "author"}
    question = _ask_for_module(path, after)
    record = AnswerRecord(
        id=f"{fix.id}:{path}",
        task=task,
        question=question,
        answer=before,
        origin="natural",
        split=choose_split(task, plan.split_shares, plan.seed),
        language="python",
        is_correct=False,
        bugs=bugs,
        metadata={
            **origin,
            "original": after,
            "diff": unified_diff(after, before),
            "flaws": [{"bug": bug.id, **flaw} for bug in bugs],
        },
    )
    if not _draws_clean(fix, plan):
        return [record]
    clean = record.model_copy(
        update={
            "id": f"{fix.id}:{path}:fixed",
            "answer": after,
            "origin": "clean",
            "is_correct": True,
            "bugs": [],
            "metadata": origin,
        }
    )
    return [record, clean]


def _find_source(fix: Fix) -> str:
    sources = [path for path in fix.changed if is_source_file(path)]
    if len(sources) != 1:
        raise FixRejected("it changes no Python file, or several")
    [path] = sources
    if path not in fix.before or path not in fix.after:
        raise FixRejected("it adds or deletes the file")
    if max(len(fix.before[path]), len(fix.after[path])) > _MAX_CHARS:
        raise FixRejected("the file is too large")
    return path


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        ast.parse(text)
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
        raise FixRejected("the file is not Python of this version") from None
    return text


def _find_bug_edits(after: str, before: str) -> list[tuple[Edit, int]]:
    """Return the edits that turn fixed code into buggy code, and where each is in the buggy code.

    Edits of comments and docstrings are left out.
    """
    old = after.splitlines(keepends=True)
    new = before.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    edits = []
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        offset = len("".join(old[:start]))
        length = len("".join(old[start:end]))
        edit = Edit(offset, offset + length, "".join(new[new_start:new_end]), "history")
        if _changes_code(after, edit):
            edits.append((edit, len("".join(new[:new_start]))))
    if not 1 <= len(edits) <= MAX_BUGS:
        raise FixRejected(f"it changes the code in no place, or in more than {MAX_BUGS}")
    return edits


def _changes_code(text: str, edit: Edit) -> bool:
    changed = apply_edits(text, [edit])
    try:
        return _dump_code(changed) != _dump_code(text)
    except (SyntaxError, ValueError):
        return True


def _dump_code(text: str) -> str:
    """Return the syntax tree without docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _choose_tests(fix: Fix, path: str) -> Sequence[str]:
    if fix.tests:
        return fix.tests
    changed = [name for name in fix.changed if is_test_file(name) and name in fix.after]
    if changed:
        return changed
    stem = PurePosixPath(path).stem
    names = (f"test_{stem}.py", f"{stem}_test.py")
    return [name for name in fix.after if PurePosixPath(name).name in names]


def _verify(fix: Fix, path: str, seconds: float) -> tuple[str, str, Outcome]:
    """Return the test that shows the bug, its message, and the outcome."""
    tests = _choose_tests(fix, path)
    if not tests:
        raise FixRejected("there are no tests of the file")
    after = limit_tree(fix.after)
    if after is None:
        raise FixRejected("the package is too large")
    if not run_tests_of_tree(after, tests, seconds).is_success:
        raise FixRejected("its tests fail after the fix")
    # Only the file differs: what else the fix changed cannot hide or show the bug.
    before = {**after, path: fix.before[path]}
    report = run_tests_of_tree(before, tests, seconds)
    if report.timed_out:
        return tests[0], f"does not end within {seconds:g} seconds", "timed_out"
    if not report.is_complete:
        raise FixRejected("its tests cannot be imported before the fix")
    if not report.failures:
        raise FixRejected("its tests pass before the fix")
    test, message = report.failures[0]
    is_assertion = message.startswith(("AssertionError", "assert ", "Failed: DID NOT RAISE"))
    outcome: Outcome = "silent" if is_assertion else "crashed"
    return test, message[:_MAX_MESSAGE_CHARS], outcome


def _locate_bugs(
    after: str, before: str, edits: Sequence[tuple[Edit, int]], description: str
) -> list[Bug]:
    bugs = []
    for index, (edit, start) in enumerate(edits, 1):
        span = quote_lines(before, start, start + len(edit.replacement))
        correct = after[edit.start : edit.end].strip("\n")
        text = description
        if correct.strip():
            text = f"{description}\nIt should be:\n{correct}".strip()
        bug_id = f"bug-{index}"
        bugs.append(
            Bug(id=bug_id, description=text, quote=span.quote, start=span.start, end=span.end)
        )
    return bugs


def _ask_for_module(path: str, code: str) -> str:
    question = f"Write the Python module `{path}`."
    docstring = ast.get_docstring(ast.parse(code))
    return f"{question}\n\n{docstring}" if docstring else question


def _draws_clean(fix: Fix, plan: PlanOptions) -> bool:
    """Draw whether the fixed file becomes a record, so that the share of clean records fits."""
    digest = hashlib.sha256(f"{plan.seed}:{fix.id}".encode()).digest()
    probability = plan.clean_share / (1 - plan.clean_share)
    return random.Random(digest).random() < probability
