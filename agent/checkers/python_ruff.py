"""Run ruff on Python code and read its violations."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ruff

from selfcritic.agent.checkers.python_names import defines_names_at_run_time, find_host_names
from selfcritic.agent.checkers.python_ruff_rules import (
    IGNORED_RULES,
    RULES,
    STUB_RULES,
    SYNTAX_ERROR,
    annotates_shapes,
    is_false_alarm,
)
from selfcritic.agent.checkers.python_settings import Settings
from selfcritic.agent.checkers.python_source import mask_surrogates, split_lines
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox.run import run_tool

_TIMEOUT_SECONDS = 60.0
UNDEFINED_NAME_RULES = ("F821", "F822", "reportUndefinedVariable")
_SIGNAL = 128
"""A larger exit code means that a signal ended ruff."""
_OLDEST_VERSION = 7
NEWEST_VERSION = 14
"""Versions of Python 3 that every supported ruff knows."""
_ADDED_IN = re.compile(r"\(syntax was added in Python 3\.(\d+)\)")


def run_ruff(text: str, settings: Settings) -> list[Mapping[str, Any]]:
    """Return ruff's violations for the content of a Python file or notebook.

    Only the first of several syntax errors is returned. Syntax of newer versions of Python is accepted.

    Raises:
        CheckerError: ruff cannot be run, or the code may use syntax that ruff does not know.
    """
    violations = _lint(text, settings, settings.python_version or sys.version_info.minor)
    newest_syntax = max((added_in(violation) or 0 for violation in violations), default=0)
    if newest_syntax and settings.python_version is None:
        violations = _lint(text, settings, newest_syntax)
    violations = [violation for violation in violations if added_in(violation) is None]
    syntax_errors = [violation for violation in violations if is_syntax_error(violation)]
    if syntax_errors:
        reject_unknown_version(settings)
        return syntax_errors[:1]

    lines = [] if settings.file_name.endswith(".ipynb") else split_lines(text)
    may_define_any_name = defines_names_at_run_time(text)
    has_shapes = annotates_shapes(text)
    selected: list[Mapping[str, Any]] = []
    for violation in violations:
        if may_define_any_name and violation["code"] in UNDEFINED_NAME_RULES:
            continue
        if is_false_alarm(violation, lines, has_shapes=has_shapes):
            continue
        selected.append(violation)
    return selected


def _lint(text: str, settings: Settings, python_version: int) -> list[Mapping[str, Any]]:
    names = find_host_names(text, settings.file_name)
    command = [*_command(settings, python_version, names), "--select", RULES]
    command += ["--ignore", ",".join(_ignored_rules(settings))]
    return list(_run(command, text, settings))


def run_parser(text: str, settings: Settings, python_version: int) -> list[Mapping[str, Any]]:
    """Return the syntax errors that ruff's parser reports for a version of Python.

    Raises:
        CheckerError: ruff cannot be run.
    """
    command = [*_command(settings, python_version, ()), "--select", "E9", "--ignore", "E902"]
    return [violation for violation in _run(command, text, settings) if is_syntax_error(violation)]


def reject_unknown_version(settings: Settings) -> None:
    """Raise CheckerError if the project requires a version of Python that no parser here knows."""
    newest = max(NEWEST_VERSION, sys.version_info.minor)
    if settings.python_version is not None and settings.python_version > newest:
        raise CheckerError(
            f"The code does not parse, but it may use syntax of Python 3.{settings.python_version}, which the project "
            f"requires. Run selfcritic with Python 3.{settings.python_version}."
        )


def added_in(violation: Mapping[str, Any]) -> int | None:
    """Return the minor version of Python that added the syntax, if it is only too new."""
    match = _ADDED_IN.search(violation["message"])
    return int(match[1]) if match else None


def is_syntax_error(violation: Mapping[str, Any]) -> bool:
    """Detect syntax errors; ruff 0.14 gives them no code."""
    return violation["code"] in (None, SYNTAX_ERROR)


def _ignored_rules(settings: Settings) -> list[str]:
    rules = [IGNORED_RULES, *settings.ruff_ignored]
    if settings.file_name.endswith(".pyi"):
        rules.append(STUB_RULES)
    return rules


def _command(settings: Settings, python_version: int, names: Sequence[str]) -> list[str]:
    version = min(max(python_version, _OLDEST_VERSION), NEWEST_VERSION)
    command = [_find_ruff(), "check", "--no-cache", "--quiet", "--exit-zero", "--no-fix"]
    command += ["--no-preview", "--output-format", "json-lines"]
    command.append(f"--stdin-filename={settings.file_name}")
    command += ["--config", "ruff.toml"] if settings.ruff_options else ["--isolated"]
    command += ["--target-version", f"py3{version}"]
    if not settings.honors_comments:
        command.append("--ignore-noqa")
    if names:
        builtins = [*names, *settings.builtins]
        command += ["--config", f"builtins = {_to_toml(builtins)}"]
    return [*command, "-"]


def _find_ruff() -> str:
    try:
        return str(ruff.find_ruff_bin())
    except FileNotFoundError as error:
        raise CheckerError(
            f"ruff is not installed ({error}). Reinstall it: pip install ruff"
        ) from error


def _run(command: Sequence[str], text: str, settings: Settings) -> Iterator[Mapping[str, Any]]:
    result = run_tool(
        command,
        stdin=mask_surrogates(text),
        files={"ruff.toml": _to_toml_document(settings.ruff_options)},
        seconds=_TIMEOUT_SECONDS,
    )
    if result.timed_out:
        raise CheckerError(
            f"ruff did not finish within {_TIMEOUT_SECONDS:g} s. Review a smaller file."
        )
    # Exit code 2 with some output means that the output exceeded its limit.
    if result.returncode != 0 and not (result.returncode == 2 and result.stdout):
        reason = " ".join(result.stderr.split())[:500]
        advice = "Reinstall ruff, or remove `lint`"
        if result.returncode is not None and result.returncode > _SIGNAL:
            advice = "Simplify deeply nested expressions, or split the file"
        elif settings.ruff_options:
            advice = "Correct the project's ruff configuration, or pass --strict"
        raise CheckerError(
            f"ruff cannot be run (exit code {result.returncode}): {reason}. {advice}."
        )
    # Drops the last line, which may be truncated. Not `splitlines`: messages quote the code.
    for line in result.stdout.split("\n")[:-1]:
        yield json.loads(line)


def _to_toml_document(options: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {_to_toml(value)}\n" for key, value in options.items())


def _to_toml(value: Any) -> str:
    """Write a value that was read from TOML; JSON's strings and numbers are valid TOML."""
    if isinstance(value, Mapping):
        items = [f"{json.dumps(key)} = {_to_toml(item)}" for key, item in value.items()]
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_to_toml, value))}]"
    return json.dumps(value, default=str)
