"""Check a draft's Python code with the compiler, ruff and pyright.

Each checker reads the code that `find_python` returns. A draft without code has no findings. The code is never run. It
is compiled in the sandbox, because some inputs crash the compiler, and passed to the tools as a file. Comments that
silence a tool (`# noqa`, `# type: ignore`) have no effect in a draft; `python_files` honors them in files of the user.
A tool reports at most `MAX_FINDINGS` findings, the most severe ones. A tool that cannot check the code raises
CheckerError.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from selfcritic.agent.checkers.findings import MAX_FINDINGS, limit_findings
from selfcritic.agent.checkers.python_findings import code_finding, ruff_positions
from selfcritic.agent.checkers.python_ruff import run_ruff
from selfcritic.agent.checkers.python_ruff_rules import SYNTAX_ERROR, severity_of_violation
from selfcritic.agent.checkers.python_settings import DRAFT, Settings
from selfcritic.agent.checkers.python_source import Code, as_code, find_python
from selfcritic.agent.checkers.python_syntax import check_syntax
from selfcritic.agent.checkers.python_types import check_types
from selfcritic.agent.schemas import Comment

_Check = Callable[[str, Code, Settings], list[Comment]]


async def syntax(_question: str, draft: str, /) -> list[Comment]:
    """Report the first syntax error (high), else the compiler's warnings (low).

    The code is compiled by the running version of Python. Syntax of a newer version has low severity.

    Raises:
        CheckerError: the compiler crashes.
    """
    return await run_check("syntax", draft, DRAFT)


async def lint(_question: str, draft: str, /) -> list[Comment]:
    """Report bugs and likely bugs that ruff finds.

    Uses the rules F, E9, B and PLE, without style rules. Only the first of several syntax errors is reported.

    Raises:
        CheckerError: ruff cannot be run.
    """
    return await run_check("lint", draft, DRAFT)


async def typecheck(_question: str, draft: str, /) -> list[Comment]:
    """Report type errors that pyright or basedpyright finds.

    Only the first of several syntax errors is reported. Functions without annotations are skipped. Packages outside
    the standard library have unknown types.

    Raises:
        CheckerError: neither tool is installed, it fails, or the code has over a million characters.
    """
    return await run_check("typecheck", draft, DRAFT)


async def run_check(
    name: str,
    draft: str,
    settings: Settings,
    is_preferred: Callable[[Comment], bool] | None = None,
    max_findings: int | None = MAX_FINDINGS,
) -> list[Comment]:
    """Run `syntax`, `lint` or `typecheck` in a thread; preferred findings are kept first."""
    code = as_code(draft) if settings.is_whole_file else find_python(draft)
    if code is None:
        return []
    findings = await asyncio.to_thread(_CHECKS[name], draft, code, settings)
    return limit_findings(findings, is_preferred, max_findings)


def _check_lint(draft: str, code: Code, settings: Settings) -> list[Comment]:
    violations = run_ruff(code.text, settings)
    return [_ruff_finding(draft, code, violation) for violation in violations]


def _ruff_finding(draft: str, code: Code, violation: Mapping[str, Any]) -> Comment:
    rule = violation["code"] or SYNTAX_ERROR
    start, end = ruff_positions(violation)
    return code_finding(
        draft,
        code,
        start,
        end,
        f"{violation['message']} ({rule}).",
        source="lint",
        severity=severity_of_violation(violation, code.lines),
        rule=f"ruff/{rule}",
    )


_CHECKS: Mapping[str, _Check] = {
    "syntax": check_syntax,
    "lint": _check_lint,
    "typecheck": check_types,
}
