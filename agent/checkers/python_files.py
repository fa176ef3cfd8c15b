"""Build the Python checkers for files of the user.

Unlike in a draft, the comments and the configuration of the project have an effect; see `python_settings`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from selfcritic.agent.checkers import python_ruff
from selfcritic.agent.checkers.findings import MAX_FINDINGS
from selfcritic.agent.checkers.python import run_check
from selfcritic.agent.checkers.python_ruff_rules import severity_of_rule
from selfcritic.agent.checkers.python_settings import read_settings
from selfcritic.agent.protocols import Checker
from selfcritic.agent.schemas import Comment

__all__ = ["check_file", "run_ruff", "severity_of_rule"]


def check_file(
    name: str,
    path: Path,
    *,
    strict: bool = False,
    python_version: str | None = None,
    is_preferred: Callable[[Comment], bool] | None = None,
    max_findings: int | None = MAX_FINDINGS,
) -> Checker:
    """Build the checker `syntax`, `lint` or `typecheck` for the text of one file.

    The whole text is Python code, or a stub if the path ends in `.pyi`.

    Args:
        name: Name of the checker.
        path: Absolute path of the file, which need not exist.
        strict: Ignore comments that silence a tool, and the project's configuration.
        python_version: Oldest supported version, such as "3.14" (default: what the project declares).
        is_preferred: Selects the findings to keep first if there are too many.
        max_findings: Number of findings to keep; None keeps all.
    """

    async def check(_question: str, text: str, /) -> list[Comment]:
        settings = read_settings(path, strict=strict, python_version=python_version)
        return await run_check(name, text, settings, is_preferred, max_findings)

    check.__name__ = name
    return check


def run_ruff(text: str, path: Path, *, strict: bool = False) -> list[Mapping[str, Any]]:
    """Return ruff's violations for the content of a Python file or notebook at `path`.

    Raises:
        CheckerError: ruff cannot be run, or the project's configuration cannot be read.
    """
    return python_ruff.run_ruff(text, read_settings(path, strict=strict))
