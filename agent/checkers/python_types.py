"""Check the types of Python code with pyright or basedpyright."""

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from selfcritic.agent.checkers.python_findings import Position, code_finding, severity_of
from selfcritic.agent.checkers.python_idioms import is_idiom
from selfcritic.agent.checkers.python_names import defines_names_at_run_time, find_host_names
from selfcritic.agent.checkers.python_ruff import UNDEFINED_NAME_RULES
from selfcritic.agent.checkers.python_ruff_rules import is_in_literal
from selfcritic.agent.checkers.python_settings import Settings
from selfcritic.agent.checkers.python_source import Code, mask_surrogates
from selfcritic.agent.checkers.python_stdlib import defines_name
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox.run import run_tool
from selfcritic.agent.schemas import Comment, Severity

_TIMEOUT_SECONDS = 60.0
_MAX_CHARS = 1_000_000  # pyright takes some seconds per 100,000 characters

# Type stubs omit private names.
_PRIVATE_NAME = re.compile(
    r'"_\w+" is (?:unknown import symbol|not a known attribute of module)'
    r'|"\w+" is not a known attribute of module "builtins"'
)
_IMPORTED_MODULE = re.compile(r"\s*from\s+([\w.]+)\s+import\b")
# The other modules of a package are not there.
_RELATIVE_IMPORT = re.compile(r"\s*from\s+\.+\s*(?:[\w.]+\s+)?import\b")
_UNDEFINED_NAME = re.compile(r'"(\w+)" is not defined')
_UNKNOWN_IMPORT = re.compile(r'"(\w+)" is unknown import symbol')
_UNKNOWN_ATTRIBUTE = re.compile(r'"(\w+)" is not a known attribute of module "([\w.]+)"')
_TYPE_COMMENT = re.compile(r"#\s*type:")
# Imports for annotations only, which pyright ignores as code that never runs.
_IMPORTS_FOR_TYPES = re.compile(r"^if False:(?=[^\n]*\n\s+(?:from|import)\b)", re.MULTILINE)
_SYNTAX_ERROR = "syntax-error"
_SEVERITIES: Mapping[str, Severity] = {
    _SYNTAX_ERROR: "high",
    "reportUndefinedVariable": "high",
    "reportOptional": "low",
    "reportPossiblyUnbound": "low",
}
_NEWER_SYNTAX = re.compile(r"requires? Python 3\.\d+ or newer|prior to Python 3\.\d+")
# Comments that configure pyright, except those that turn rules off.
_DIRECTIVE = re.compile(r"#(\s*)pyright:")
_SELECTING_DIRECTIVE = re.compile(
    r"#(\s*)pyright:(?!\s*(?:ignore\b|(?:\w+\s*=\s*(?:false|none|warning|information)\s*,?\s*)+$))",
    re.MULTILINE,
)


def check_types(draft: str, code: Code, settings: Settings) -> list[Comment]:
    """Return the type errors.

    Raises:
        CheckerError: neither tool is installed, the tool fails, or the code is too long.
    """
    if len(code.text) > _MAX_CHARS:
        raise CheckerError(
            f"The code has {len(code.text):,} characters; `typecheck` reads at most {_MAX_CHARS:,}. Split it."
        )
    file_name = "draft.pyi" if settings.file_name.endswith(".pyi") else "draft.py"
    diagnostics = _run(code.text, file_name, settings)
    names = find_host_names(code.text, settings.file_name)
    names += settings.builtins
    has_dynamic_names = defines_names_at_run_time(code.text)
    findings: list[Comment] = []
    for error in diagnostics:
        rule = error["rule"]
        if rule in settings.pyright_ignored or _is_false_alarm(error, code, names):
            continue
        if has_dynamic_names and rule in UNDEFINED_NAME_RULES:
            continue
        findings.append(_to_finding(draft, code, error))
    return findings


def _run(text: str, file_name: str, settings: Settings) -> list[Mapping[str, Any]]:
    """Return pyright's errors."""
    directive = _SELECTING_DIRECTIVE if settings.honors_comments else _DIRECTIVE
    text = _IMPORTS_FOR_TYPES.sub("if True :", text)
    files = {
        file_name: mask_surrogates(directive.sub(r"#\1pyright;", text)),
        "pyrightconfig.json": _configuration(file_name, settings),
    }
    command = [*find_pyright(), "--outputjson", file_name]
    result = run_tool(command, files=files, seconds=_TIMEOUT_SECONDS)
    if result.timed_out:
        raise CheckerError(
            f"pyright did not finish within {_TIMEOUT_SECONDS:g} s. Check a smaller file, or remove `typecheck`."
        )
    try:
        diagnostics = json.loads(result.stdout)["generalDiagnostics"]
    except (ValueError, KeyError) as error:
        reason = " ".join((result.stderr or result.stdout).split())[:300]
        raise CheckerError(
            f"pyright failed (exit code {result.returncode}): {reason or 'no output'}. "
            "Reinstall it, or remove `typecheck`."
        ) from error
    return _select_errors(diagnostics)


def _select_errors(diagnostics: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first syntax error, which may cause all others, else all errors."""
    errors: list[Mapping[str, Any]] = []
    for diagnostic in diagnostics:
        if diagnostic["severity"] != "error" or _NEWER_SYNTAX.search(diagnostic["message"]):
            continue
        if "rule" not in diagnostic:
            return [{**diagnostic, "rule": _SYNTAX_ERROR}]
        errors.append(diagnostic)
    return errors


def find_pyright() -> list[str]:
    """Return the command of basedpyright or pyright.

    Raises:
        CheckerError: neither is installed.
    """
    if importlib.util.find_spec("basedpyright"):
        return [sys.executable, "-I", "-m", "basedpyright"]
    path = shutil.which("basedpyright") or shutil.which("pyright")
    if path is None:
        raise CheckerError(
            "`typecheck` requires pyright: pip install basedpyright, or remove `typecheck`."
        )
    return [path]


def _configuration(file_name: str, settings: Settings) -> str:
    version = settings.python_version or sys.version_info.minor
    options: dict[str, Any] = {
        "include": [file_name],
        "typeCheckingMode": "basic",
        "pythonVersion": f"3.{version}",
        "enableTypeIgnoreComments": settings.honors_comments,
        "analyzeUnannotatedFunctions": False,
        "reportMissingImports": False,
        "reportMissingModuleSource": False,
    }
    if settings.platform is not None:
        options["pythonPlatform"] = settings.platform
    return json.dumps(options)


def _is_false_alarm(error: Mapping[str, Any], code: Code, names: list[str]) -> bool:
    message = error["message"]
    if _PRIVATE_NAME.match(message):
        return True
    start = _position(code, error["range"]["start"])
    row = error["range"]["start"]["line"]
    undefined = _UNDEFINED_NAME.match(message)
    if undefined is not None:
        line = code.lines[row]
        is_in_comment = _TYPE_COMMENT.search(line[: start[1]]) is not None
        return undefined[1] in names or is_in_comment or is_in_literal(line, start[1])
    attribute = _UNKNOWN_ATTRIBUTE.match(message)
    if attribute is not None:
        return defines_name(attribute[2], attribute[1])
    symbol = _UNKNOWN_IMPORT.match(message)
    return symbol is not None and _is_missing_stub(symbol[1], code, row)


def _is_missing_stub(name: str, code: Code, row: int) -> bool:
    """Whether an import at or above a row, counted from 0, is relative or has a name without a stub."""
    for line in reversed(code.lines[: row + 1]):
        if re.match(r"\s*(?:from|import)\b", line):
            module = _IMPORTED_MODULE.match(line)
            is_relative = _RELATIVE_IMPORT.match(line) is not None
            return is_relative or (module is not None and defines_name(module[1], name))
    return False


def _to_finding(draft: str, code: Code, error: Mapping[str, Any]) -> Comment:
    rule = error["rule"]
    message = re.sub(r"\s+", " ", error["message"])
    return code_finding(
        draft,
        code,
        _position(code, error["range"]["start"]),
        _position(code, error["range"]["end"]),
        f"{message} ({rule}).",
        source="typecheck",
        severity=_severity(code, error),
        rule=f"pyright/{rule}",
    )


def _severity(code: Code, error: Mapping[str, Any]) -> Severity:
    message = error["message"]
    line = code.lines[error["range"]["start"]["line"]]
    is_fallback = "is unknown import symbol" in message and line.startswith((" ", "\t"))
    if is_fallback or is_idiom(message, error["range"]["start"]["line"], code):
        return "low"
    return severity_of(error["rule"], _SEVERITIES)


def _position(code: Code, position: Mapping[str, int]) -> Position:
    row = position["line"] + 1
    return row, code.column_from_utf16(row, position["character"])
