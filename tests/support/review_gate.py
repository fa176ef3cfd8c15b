"""Run `selfcritic review --fail-on` on changes of files."""

import difflib

from typer.testing import CliRunner, Result

from selfcritic.graphs.cli.app import app


def gate(*arguments: str, stdin: str | bytes = "", model: str = "none") -> Result:
    """Run `selfcritic review --fail-on high`."""
    command = ["review", *arguments, "--fail-on", "high", "--model", model]
    return CliRunner().invoke(app, command, input=stdin, env={"COLUMNS": "80"})


def create_diff(name: str, before: str, after: str) -> str:
    """Return the diff between two versions of a file."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(lines)
