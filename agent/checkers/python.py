"""What Python's own tools know of a draft's code: its compiler, ruff, and pyright where that is installed.

Each takes the code that `python_in` finds in the draft; a draft without any has no findings. The code is read, never
run: compiled in the sandbox, since some texts bring the compiler down, and given to the tools as a file. Comments that
silence a tool (`# noqa`, `# type: ignore`) are not heeded: a draft does not excuse itself. At most `MOST` findings come
from one tool; one that breaks down over a draft, or runs out of time, has none.
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

_SECONDS = 60.0
_LONGEST = 1_000_000  # characters that pyright is given; it takes some seconds for each 100,000

# A place from the parser is counted in characters, one from the compiler's later stages in bytes.
_COMPILE = """
import ast, json, sys, warnings
code = sys.stdin.buffer.read().decode()
error = None
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for stage in ("parser", "compiler"):
        try:
            compile(code, "<draft>", "exec", ast.PyCF_ONLY_AST if stage == "parser" else 0, dont_inherit=True)
        except SyntaxError as e:
            error = [stage, type(e).__name__, e.msg, e.lineno or 1, e.offset or 1, e.end_lineno, e.end_offset]
            break
kinds = SyntaxWarning, DeprecationWarning
said = {(w.lineno, str(w.message)) for w in caught if issubclass(w.category, kinds) and w.filename == "<draft>"}
print(json.dumps({"error": error, "warnings": sorted(said)[:1000]}))
"""

# Bugs, and what is most often one; not style, and not what only a newer Python offers (B905).
_RULES = "F,E9,B,PLE"
_NO_BUGS = "B009,B010,B011,B904,B905,B911,B028,E902,F403,F405"
_RUFF: Mapping[str, Severity] = {
    "F4": "low",
    "F822": "low",  # a package may name its modules
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
_MAKES_NAMES = re.compile(
    r"\b(?:globals|locals|exec|vars)\(|\bimport\s*\*"
)  # and so no tool knows which names there are
_PRIVATE = re.compile(r'"_\w+" is (?:unknown import symbol|not a known attribute of module)')  # stubs leave them out
_PYRIGHT: Mapping[str, Severity] = {
    "reportUndefinedVariable": "high",
    "reportOptional": "low",
    "reportPossiblyUnbound": "low",
}


async def syntax(_question: str, draft: str, /) -> list[Comment]:
    """Where this Python's compiler stops (high), else what it warns of (low)."""
    return await asyncio.to_thread(_syntax, draft)


async def lint(_question: str, draft: str, /) -> list[Comment]:
    """What ruff knows to be a bug, or likely one: its rules F, E9, B and PLE, but for those on style.

    Of several syntax errors only the first is told. Raises CheckerError where ruff cannot be run.
    """
    return await asyncio.to_thread(_lint, draft)


async def typecheck(_question: str, draft: str, /) -> list[Comment]:
    """The type errors that pyright, or basedpyright, finds; nothing where neither is installed.

    Functions without any annotation are not looked at: a type that nobody stated is a guess. What comes from other
    packages than the standard library is of unknown type. Code of more than a million characters is not looked at, nor
    is code with a syntax error.
    """
    return await asyncio.to_thread(_types, draft)


def _syntax(draft: str) -> list[Comment]:
    code = find_python(draft)
    if code is None:
        return []
    if "\0" in code.text:
        before = code.text[: code.text.index("\0")]
        row = len(re.findall("\r\n|\r|\n", before)) + 1
        return [_at(draft, code, (row, 0), (row, 0), "A NUL character stands in this line: Python takes none.", "high")]
    result = run_python(_COMPILE, stdin=_encodable(code.text), seconds=_SECONDS, memory_mb=2048)
    if result.returncode != 0:
        return []
    said = json.loads(result.stdout)
    if said["error"]:
        return [_stop(draft, code, *said["error"])]
    return [_at(draft, code, (row, 0), (row, 0), text, "low") for row, text in said["warnings"][:MAX_FINDINGS]]


def _stop(
    draft: str, code: Code, stage: str, kind: str, text: str, row: int, column: int, end_row: int, end_column: int
) -> Comment:
    """The finding of a SyntaxError, whose columns count from 1."""
    start, end = (row, column - 1), (end_row or row, (end_column or column) - 1)
    if stage == "compiler":
        start, end = (row, code.in_characters_of_bytes(*start)), (end[0], code.in_characters_of_bytes(*end))
    if text.startswith("f-string:") and sys.version_info < (3, 12):  # counted from the braces
        start = end = (row, 0)
    return _at(draft, code, start, end, f"{kind}: {text}", "high")


def _lint(draft: str) -> list[Comment]:
    code = find_python(draft)
    if code is None:
        return []
    command = [ruff.find_ruff_bin(), "check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--ignore-noqa"]
    command += ["--output-format", "json-lines", "--target-version", f"py3{sys.version_info.minor}"]
    command += ["--select", _RULES, "--ignore", _NO_BUGS, "--stdin-filename", "draft.py", "-"]
    result = run_tool(command, stdin=_encodable(code.text), seconds=_SECONDS)
    if result.returncode == 2 and not result.stdout:  # with some output it is only the rest that found no room
        raise CheckerError(f"ruff cannot be run: {result.stderr.strip()[:500]}. Install the ruff of this project.")
    # Whole lines: the last may have been cut off; and not `splitlines`, since messages quote the code.
    said = [json.loads(line) for line in result.stdout.split("\n")[:-1]]
    if _MAKES_NAMES.search(code.text):
        said = [one for one in said if one["code"] not in ("F821", "F822")]
    broken = [one for one in said if one["code"] in (None, "invalid-syntax")]
    return [_of_ruff(draft, code, one) for one in (broken[:1] or said)[:MAX_FINDINGS]]


def _of_ruff(draft: str, code: Code, said: Mapping[str, Any]) -> Comment:
    rule = said["code"] or "invalid-syntax"
    start, end = ((said[key]["row"], said[key]["column"] - 1) for key in ("location", "end_location"))
    return _at(draft, code, start, end, f"{said['message']} ({rule}).", _severity(rule, _RUFF), "lint")


def _types(draft: str) -> list[Comment]:
    code, command = find_python(draft), _pyright()
    if code is None or command is None or len(code.text) > _LONGEST:
        return []
    files = {"draft.py": _encodable(re.sub(r"#(\s*)pyright:", r"#\1pyright;", code.text)), "pyrightconfig.json": _SET}
    result = run_tool([*command, "--outputjson", "draft.py"], files=files, seconds=_SECONDS)
    if result.returncode not in (0, 1):
        return []
    errors = [one for one in json.loads(result.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    if not all("rule" in error for error in errors):  # a syntax error, and all others may follow from it
        return []
    unknowable = {"reportUndefinedVariable"} if _MAKES_NAMES.search(code.text) else set()
    errors = [one for one in errors if one["rule"] not in unknowable and not _PRIVATE.match(one["message"])]
    return [_of_pyright(draft, code, error) for error in errors[:MAX_FINDINGS]]


def _of_pyright(draft: str, code: Code, said: Mapping[str, Any]) -> Comment:
    text = re.sub(r"\s+", " ", said["message"])
    places = ((said["range"][key]["line"] + 1, said["range"][key]["character"]) for key in ("start", "end"))
    start, end = ((row, code.column_from_utf16(row, units)) for row, units in places)
    return _at(draft, code, start, end, f"{text} ({said['rule']}).", _severity(said["rule"], _PYRIGHT), "typecheck")


_SET = json.dumps(
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


def _pyright() -> list[str] | None:
    """The command of the type checker that is installed beside this package, or in the path."""
    if importlib.util.find_spec("basedpyright"):
        return [sys.executable, "-I", "-m", "basedpyright"]
    path = shutil.which("basedpyright") or shutil.which("pyright")
    return [path] if path else None


def _severity(rule: str, severities: Mapping[str, Severity]) -> Severity:
    """The severity of the longest prefix of the rule that is listed."""
    known = [prefix for prefix in severities if rule.startswith(prefix)]
    return severities[max(known, key=len)] if known else "medium"


def _at(
    draft: str,
    code: Code,
    start: tuple[int, int],
    end: tuple[int, int],
    text: str,
    severity: Severity,
    source: str = "syntax",
) -> Comment:
    text = text if text.endswith((".", "?", "!")) else text + "."
    places = code.offset(*start), code.offset(*end)
    return finding(draft, min(places), max(places), text, source=source, severity=severity)


def _encodable(text: str) -> str:
    """The text with a character in place of each lone surrogate, which no file can hold."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
