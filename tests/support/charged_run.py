"""Run `selfcritic run` against a server in forked processes that a test can kill.

Takes the jobs of crashing_run.py, with `url` (the server) and `options` (further options) instead of `replies`. The
test's server writes the log, a line per request.
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import litellm
import openai

from selfcritic.graphs.cli.app import app
from tests.support import crashing_run

PRELOADED = (litellm, openai)
"""Imported once, in the parent process."""


def work(job: dict[str, Any]) -> None:
    """Start or resume the command, and write its output."""
    options = ["--model=openai/fake", f"--api-base={job['url']}", "--json", "--quiet", "--seed=3"]
    options += [f"--checkpoint={job['where']}", f"--thread={job['thread']}", *job["options"]]
    with Path(job["out"]).open("w") as file, redirect_stdout(file):
        app(["run", crashing_run.QUESTION, *options], standalone_mode=False)


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(crashing_run.run(json.loads(line), work) + "\n")
        sys.stdout.flush()
