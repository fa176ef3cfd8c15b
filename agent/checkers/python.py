"""Check a draft's Python code with the compiler, ruff and pyright.

Each checker reads the code that `find_python` returns. A draft without code has no findings. The code is never run. It
is compiled in the sandbox, because some inputs crash the compiler, and passed to the tools as a file. Comments that
silence a tool (`# noqa`, `# type: ignore`) have no effect. A tool reports at most `MAX_FINDINGS` findings. It reports
nothing if it crashes or times out.
"""

import asyncio
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import ruff

from selfcritic.agent.checkers.findings import MAX_FINDINGS, finding
from selfcritic.agent.checkers.python_source import Code, find_python
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox.run import run_python, run_tool
from selfcritic.agent.schemas import Comment, Severity

_TIMEOUT_SECONDS = 60.0
_COMPILER_MEMORY_MB = 2048
_MAX_TYPECHECK_CHARS = 1_000_000  # pyright takes some seconds per 100,000 characters

_Position = tuple[int, int]
"""Row from 1 and column from 0, in characters."""

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

# Bugs and likely bugs: no style rules, nothing that needs a newer Python (B905).
_RUFF_RULES = "F,E9,B,PLE"
_IGNORED_RULES = "B009,B010,B011,B904,B905,B911,B028,E902,F403,F405"
_RUFF_SEVERITIES: Mapping[str, Severity] = {
    "F4": "low",
    "F822": "low",  # a package may list its modules in `__all__`
    "F54": "low",
    "F811": "low",
    "F84": "low",
    "B007": "low",
    "B018": "low",
    "B024": "low",
    "B027": "low",
    "F5": "high",
    "F63": "high",
    "F7": "high",
    "F82": "high",
    "PLE": "high",
    "E9": "high",
    "invalid-syntax": "high",
}
_UNDEFINED_NAME_RULES = ("F821", "F822", "reportUndefinedVariable")

# Code that defines names at run time, so tools cannot know which names exist.
_DYNAMIC_NAMES = re.compile(r"\b(?:globals|locals|exec|vars)\(|\bimport\s*\*")

# Type stubs omit private names.
_PRIVATE_NAME = re.compile(r'"_\w+" is (?:unknown import symbol|not a known attribute of module)')
_PYRIGHT_SEVERITIES: Mapping[str, Severity] = {
    "reportUndefinedVariable": "high",
    "reportOptional": "low",
    "reportPossiblyUnbound": "low",
}
_PYRIGHT_CONFIG = json.dumps(
    {
        "include": ["draft.py"],
        "typeCheckingMode": "basic",
        "pythonVersion": f"3.{sys.version_info.minor}",
        "enableTypeIgnoreComments": False,
        "analyzeUnannotatedFunctions": False,
        "reportMissingImports": False,
        "reportMissingModuleSource": False,
    }
)


async def syntax(_question: str, draft: str, /) -> list[Comment]:
    """Report the first syntax error (high), else the compiler's warnings (low).

    The code is compiled by the running version of Python.
    """
    return await asyncio.to_thread(_check_syntax, draft)


async def lint(_question: str, draft: str, /) -> list[Comment]:
    """Report bugs and likely bugs that ruff finds.

    Uses the rules F, E9, B and PLE, without style rules. Only the first of several syntax errors is reported.

    Raises:
        CheckerError: ruff cannot be run.
    """
    return await asyncio.to_thread(_check_lint, draft)


async def typecheck(_question: str, draft: str, /) -> list[Comment]:
    """Report type errors that pyright or basedpyright finds.

    There are no findings if neither tool is installed, if the code has a syntax error, or if it has over a million
    characters. Functions without annotations are skipped. Packages outside the standard library have unknown types.
    """
    return await asyncio.to_thread(_check_types, draft)


def _check_syntax(draft: str) -> list[Comment]:
    code = find_python(draft)
    if code is None:
        return []
    if "\0" in code.text:
        text_before = code.text[: code.text.index("\0")]
        row = len(re.findall("\r\n|\r|\n", text_before)) + 1
        message = "This line contains a NUL character, which Python does not accept."
        return [_line_finding(draft, code, row, message, "high")]

    result = run_python(
        _COMPILE_SCRIPT,
        stdin=_replace_surrogates(code.text),
        seconds=_TIMEOUT_SECONDS,
        memory_mb=_COMPILER_MEMORY_MB,
        is_trusted=True,
    )
    if result.returncode != 0:
        return []
    report = json.loads(result.stdout)
    if report["error"]:
        return [_syntax_finding(draft, code, report["error"])]
    warnings = report["warnings"][:MAX_FINDINGS]
    return [_line_finding(draft, code, row, message, "low") for row, message in warnings]


def _syntax_finding(draft: str, code: Code, error: Mapping[str, Any]) -> Comment:
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
        return _line_finding(draft, code, row, text, "high")
    return _finding_at(draft, code, (row, column), (end_row, end_column), text, "high", "syntax")


def _line_finding(draft: str, code: Code, row: int, text: str, severity: Severity) -> Comment:
    return _finding_at(draft, code, (row, 0), (row, 0), text, severity, "syntax")


def _check_lint(draft: str) -> list[Comment]:
    code = find_python(draft)
    if code is None:
        return []
    result = run_tool(
        _ruff_command(), stdin=_replace_surrogates(code.text), seconds=_TIMEOUT_SECONDS
    )
    # Exit code 2 with some output means that the output exceeded its limit.
    if result.returncode == 2 and not result.stdout:
        raise CheckerError(
            f"ruff cannot be run: {result.stderr.strip()[:500]}. Reinstall ruff, or remove `lint`."
        )

    # Drops the last line, which may be truncated. Not `splitlines`: messages quote the code.
    lines = result.stdout.split("\n")[:-1]
    violations = [json.loads(line) for line in lines]
    if _DYNAMIC_NAMES.search(code.text):
        violations = [
            violation for violation in violations if violation["code"] not in _UNDEFINED_NAME_RULES
        ]
    syntax_errors = [
        violation for violation in violations if violation["code"] in (None, "invalid-syntax")
    ]
    if syntax_errors:
        violations = syntax_errors[:1]
    return [_ruff_finding(draft, code, violation) for violation in violations[:MAX_FINDINGS]]


def _ruff_command() -> list[str]:
    command = [
        ruff.find_ruff_bin(),
        "check",
        "--isolated",
        "--no-cache",
        "--quiet",
        "--exit-zero",
        "--ignore-noqa",
    ]
    command += ["--output-format", "json-lines", "--target-version", f"py3{sys.version_info.minor}"]
    command += ["--select", _RUFF_RULES, "--ignore", _IGNORED_RULES]
    command += ["--stdin-filename", "draft.py", "-"]
    return command


def _ruff_finding(draft: str, code: Code, violation: Mapping[str, Any]) -> Comment:
    rule = violation["code"] or "invalid-syntax"
    start = violation["location"]
    end = violation["end_location"]
    return _finding_at(
        draft,
        code,
        (start["row"], start["column"] - 1),
        (end["row"], end["column"] - 1),
        f"{violation['message']} ({rule}).",
        _severity_of(rule, _RUFF_SEVERITIES),
        "lint",
    )


def _check_types(draft: str) -> list[Comment]:
    code = find_python(draft)
    command = _pyright_command()
    if code is None or command is None or len(code.text) > _MAX_TYPECHECK_CHARS:
        return []
    without_directives = re.sub(r"#(\s*)pyright:", r"#\1pyright;", code.text)
    files = {
        "draft.py": _replace_surrogates(without_directives),
        "pyrightconfig.json": _PYRIGHT_CONFIG,
    }
    result = run_tool([*command, "--outputjson", "draft.py"], files=files, seconds=_TIMEOUT_SECONDS)
    if result.returncode not in (0, 1):
        return []

    diagnostics = json.loads(result.stdout)["generalDiagnostics"]
    errors = [diagnostic for diagnostic in diagnostics if diagnostic["severity"] == "error"]
    # An error without a rule is a syntax error, which may cause all the others.
    if not all("rule" in error for error in errors):
        return []
    errors = [error for error in errors if not _PRIVATE_NAME.match(error["message"])]
    if _DYNAMIC_NAMES.search(code.text):
        errors = [error for error in errors if error["rule"] not in _UNDEFINED_NAME_RULES]
    return [_pyright_finding(draft, code, error) for error in errors[:MAX_FINDINGS]]


def _pyright_command() -> list[str] | None:
    if importlib.util.find_spec("basedpyright"):
        return [sys.executable, "-I", "-m", "basedpyright"]
    path = shutil.which("basedpyright") or shutil.which("pyright")
    return [path] if path else None


def _pyright_finding(draft: str, code: Code, error: Mapping[str, Any]) -> Comment:
    rule = error["rule"]
    message = re.sub(r"\s+", " ", error["message"])
    return _finding_at(
        draft,
        code,
        _pyright_position(code, error["range"]["start"]),
        _pyright_position(code, error["range"]["end"]),
        f"{message} ({rule}).",
        _severity_of(rule, _PYRIGHT_SEVERITIES),
        "typecheck",
    )


def _pyright_position(code: Code, position: Mapping[str, int]) -> _Position:
    row = position["line"] + 1
    return row, code.column_from_utf16(row, position["character"])


def _severity_of(rule: str, severities: Mapping[str, Severity]) -> Severity:
    """Return the severity of the longest listed prefix of the rule, else "medium"."""
    prefixes = [prefix for prefix in severities if rule.startswith(prefix)]
    if not prefixes:
        return "medium"
    return severities[max(prefixes, key=len)]


def _finding_at(
    draft: str,
    code: Code,
    start: _Position,
    end: _Position,
    text: str,
    severity: Severity,
    source: str,
) -> Comment:
    if not text.endswith((".", "?", "!")):
        text += "."
    start_offset, end_offset = sorted((code.offset(*start), code.offset(*end)))
    return finding(draft, start_offset, end_offset, text, source=source, severity=severity)


def _replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which cannot be written to a file."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
