"""Draw candidate flaws for an answer: by operators, or by the answer's task type."""

import functools
import random
from collections.abc import Sequence

from selfcritic.agent.checkers.python_source import as_code, find_python
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.edits import Edit, find_edit
from selfcritic.agent.data.tampering.operators import apply_mutation, find_mutations
from selfcritic.agent.errors import InputError
from selfcritic.agent.tasks import Task

_TASK_DRAWS = 40


def draw_edits(
    record: AnswerRecord,
    task: Task | None,
    *,
    seed: int,
    variant: int,
    num_variants: int,
    count: int,
) -> Sequence[Edit]:
    """Return at most `count` different edits; the variants of an answer share no edit.

    Raises:
        InputError: The answer is not Python code and has no task type, or an extra is missing.
    """
    key = f"{seed}:{record.id}"
    if task is not None:
        edits = _edit_task(record.answer, task, key)
    else:
        start, code = find_code_span(record)
        edits = _edit_code(start, code, key, count * num_variants)
    return edits[variant::num_variants][:count]


def _edit_task(answer: str, task: Task, key: str) -> Sequence[Edit]:
    rng = random.Random(key)
    edits: dict[str, Edit] = {}
    for _ in range(_TASK_DRAWS):
        injected = task.inject_flaw(answer, rng)
        edit = find_edit(answer, injected.answer, f"task:{task.name}", injected.description)
        if edit is not None:
            edits.setdefault(injected.answer, edit)
    return list(edits.values())


@functools.lru_cache(maxsize=64)
def _edit_code(start: int, code: str, key: str, count: int) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    texts: set[tuple[int, str]] = set()
    for mutation in find_mutations(code, random.Random(key)):
        if len(edits) == count:
            break
        edit = apply_mutation(code, mutation)
        if edit is None or (edit.start, edit.replacement) in texts:
            continue
        texts.add((edit.start, edit.replacement))
        edits.append(Edit(start + edit.start, start + edit.end, edit.replacement, edit.source))
    return tuple(edits)


def find_code_span(record: AnswerRecord) -> tuple[int, str]:
    """Return the Python code of an answer and its offset.

    Raises:
        InputError: The answer has no Python code, or it is indented below its fence.
    """
    if record.language not in (None, "python"):
        raise InputError(f"The answer is {record.language}, and operators change Python only.")
    code = find_python(record.answer)
    if code is None and record.language == "python":
        code = as_code(record.answer)
    if code is None:
        raise InputError("The answer has no Python code.")
    start = code.starts[0]
    if record.answer[start : start + len(code.text)] != code.text:
        raise InputError("The fence of the code is indented. Remove its indentation.")
    return start, code.text
