"""Turn a Python file and its tests into an answer to tamper with."""

import ast
from pathlib import Path

from selfcritic.agent.data.files import read_text
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError


def read_module(path: Path, tests_path: Path) -> AnswerRecord:
    """Return a Python file as a correct answer, with its tests.

    The tests are a separate file, and may import the module; see `agent.checkers.unit_tests`.

    Raises:
        InputError: A file cannot be read, is empty or is not Python.
    """
    code = read_text(path)
    if not code.strip():
        raise InputError(f"{path} is empty. Pass a Python file with functions.")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path} is not Python: {error}. Pass a Python file.") from None
    tests = read_text(tests_path)
    if not tests.strip():
        raise InputError(f"{tests_path} (--tests) is empty. Pass a file with tests.")
    question = f"Write the Python module `{path.name}`."
    docstring = ast.get_docstring(tree)
    if docstring:
        question += f"\n\n{docstring}"
    return AnswerRecord(
        id=path.stem,
        task=path.stem,
        question=question,
        answer=code,
        language="python",
        origin="clean",
        is_correct=True,
        bugs=[],
        metadata={"tests": tests},
    )
