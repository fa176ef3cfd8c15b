"""Check the syntax of Python code with the compiler, and with ruff's parser for other versions of Python."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from selfcritic.agent.checkers.python_findings import code_finding, ruff_positions
from selfcritic.agent.checkers.python_ruff import (
    NEWEST_VERSION,
    added_in,
    reject_unknown_version,
    run_parser,
)
from selfcritic.agent.checkers.python_settings import Settings
from selfcritic.agent.checkers.python_source import Code, mask_surrogates
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox.run import run_python
from selfcritic.agent.schemas import Comment, Severity

_TIMEOUT_SECONDS = 60.0
ERROR = "syntax/SyntaxError"
WARNING = "syntax/SyntaxWarning"
NEWER_PYTHON = "syntax/newer-python"

_COMPILER_MEMORY_MB = 2048
_RUNNING_VERSION = sys.version_info.minor

# The parser counts columns in characters, the compiler's later stages count bytes.
_COMPILE_SCRIPT = """
import ast, json, sys, warnings
code = sys.stdin.buffer.read().decode()
error = None
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for stage in ("parser", "compiler"):
        try:
            compile(code, "<draft>", "exec", ast.PyCF_ONLY_AST if stage == "parser" else 0, dont_inherit=True)
        except SyntaxError as e:
            error = {
                "stage": stage,
                "type": type(e).__name__,
                "message": e.msg,
                "row": e.lineno or 1,
                "column": e.offset or 1,
                "end_row": e.end_lineno,
                "end_column": e.end_offset,
            }
            break
kinds = SyntaxWarning, DeprecationWarning
messages = {(w.lineno, str(w.message)) for w in caught if issubclass(w.category, kinds) and w.filename == "<draft>"}
print(json.dumps({"error": error, "warnings": sorted(messages)[:1000]}))
"""
_NOQA = re.compile(
    r"#\s*noqa(?:\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*))?", re.IGNORECASE
)
_WARNING_RULES = ("W605", "F632", "F631")
"""Ruff's rules for what the compiler warns of."""


def check_syntax(draft: str, code: Code, settings: Settings) -> list[Comment]:
    """Return the first syntax error, else the compiler's warnings.

    Raises:
        CheckerError: the compiler crashes, ruff cannot be run, or the code may use syntax that no parser here knows.
    """
    if "\0" in code.text:
        text_before = code.text[: code.text.index("\0")]
        row = len(re.findall("\r\n|\r|\n", text_before)) + 1
        message = "This line contains a NUL character, which Python does not accept."
        return [_line_finding(draft, code, row, message, "high", ERROR)]

    report = _compile(code)
    if report["error"]:
        return _check_error(draft, code, settings, report["error"])
    target = settings.python_version or _RUNNING_VERSION
    if target < _RUNNING_VERSION:
        violations = run_parser(code.text, settings, target)
        newer = _find_newer_syntax(violations, target)
        if newer is not None:
            return [_newer_finding(draft, code, settings, newer)]
    findings: list[Comment] = []
    for row, message in report["warnings"]:
        if not (settings.honors_comments and _is_silenced(code, row)):
            findings.append(_line_finding(draft, code, row, message, "low", WARNING))
    return findings


def _compile(code: Code) -> Mapping[str, Any]:
    result = run_python(
        _COMPILE_SCRIPT,
        stdin=mask_surrogates(code.text),
        seconds=_TIMEOUT_SECONDS,
        memory_mb=_COMPILER_MEMORY_MB,
        is_trusted=True,
    )
    if result.returncode == 0:
        report: Mapping[str, Any] = json.loads(result.stdout)
        return report
    reason = f"exit code {result.returncode}"
    if result.timed_out:
        reason = f"no result within {_TIMEOUT_SECONDS:g} s"
    elif result.stderr.strip():
        reason = result.stderr.strip().splitlines()[-1][:200]
    raise CheckerError(
        f"Python's compiler cannot read the code ({reason}). Simplify deeply nested expressions, or split the file."
    )


def _check_error(
    draft: str, code: Code, settings: Settings, error: Mapping[str, Any]
) -> list[Comment]:
    """Report an error of the running Python, unless another version accepts the code."""
    target = settings.python_version or _RUNNING_VERSION
    if max(target, NEWEST_VERSION) <= _RUNNING_VERSION:
        return [_syntax_finding(draft, code, error, "high")]

    violations = run_parser(code.text, settings, target)
    if any(added_in(violation) is None for violation in violations):
        reject_unknown_version(settings)
        return [_syntax_finding(draft, code, error, "high")]
    newer = _find_newer_syntax(violations, target)
    if newer is not None:
        return [_newer_finding(draft, code, settings, newer)]
    is_version_dependent = error["stage"] == "parser" or "future feature" in error["message"]
    if not is_version_dependent:
        return [_syntax_finding(draft, code, error, "high")]
    if target > _RUNNING_VERSION:
        return []  # ruff's parser accepts the code for the project's version
    return [_syntax_finding(draft, code, error, "medium")]


def _find_newer_syntax(
    violations: Sequence[Mapping[str, Any]], target: int
) -> Mapping[str, Any] | None:
    """Return the first violation by syntax that is newer than the target."""
    for violation in violations:
        version = added_in(violation)
        if version is not None and version > target:
            return violation
    return None


def _newer_finding(
    draft: str, code: Code, settings: Settings, violation: Mapping[str, Any]
) -> Comment:
    text = f"{violation['message']}."
    severity: Severity = "medium"
    if settings.python_version is None:
        severity = "low"
        if settings.is_whole_file:
            version = added_in(violation)
            text += (
                f' If that is intended, set requires-python = ">=3.{version}" in pyproject.toml.'
            )
    start, end = ruff_positions(violation)
    return code_finding(
        draft, code, start, end, text, source="syntax", severity=severity, rule=NEWER_PYTHON
    )


def _syntax_finding(
    draft: str, code: Code, error: Mapping[str, Any], severity: Severity
) -> Comment:
    row = error["row"]
    column = error["column"] - 1
    end_row = error["end_row"] or row
    end_column = (error["end_column"] or error["column"]) - 1
    if error["stage"] == "compiler":
        column = code.column_from_utf8(row, column)
        end_column = code.column_from_utf8(end_row, end_column)
    text = f"{error['type']}: {error['message']}"

    # Before Python 3.12, positions in an f-string count from its braces.
    if error["message"].startswith("f-string:") and sys.version_info < (3, 12):
        return _line_finding(draft, code, row, text, severity, ERROR)
    return code_finding(
        draft,
        code,
        (row, column),
        (end_row, end_column),
        text,
        source="syntax",
        severity=severity,
        rule=ERROR,
    )


def _line_finding(
    draft: str, code: Code, row: int, text: str, severity: Severity, rule: str
) -> Comment:
    return code_finding(
        draft, code, (row, 0), (row, 0), text, source="syntax", severity=severity, rule=rule
    )


def _is_silenced(code: Code, row: int) -> bool:
    """Detect a `# noqa` comment for the compiler's warnings."""
    if not 0 < row <= len(code.lines):
        return False
    comment = _NOQA.search(code.lines[row - 1])
    if comment is None:
        return False
    codes = comment["codes"]
    return codes is None or any(rule in codes.upper() for rule in _WARNING_RULES)
