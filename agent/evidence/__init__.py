"""What tools know of an answer: checkers, and the sandbox that runs text as code."""

from selfcritic.agent.evidence.adapters import from_evaluator, from_function, from_tool
from selfcritic.agent.evidence.checker import Checker
from selfcritic.agent.evidence.python import lint, syntax, types
from selfcritic.agent.evidence.sandbox import SandboxResult, run_python
from selfcritic.agent.evidence.tests import given_tests, task

__all__ = [
    "Checker",
    "SandboxResult",
    "from_evaluator",
    "from_function",
    "from_tool",
    "given_tests",
    "lint",
    "run_python",
    "syntax",
    "task",
    "types",
]
