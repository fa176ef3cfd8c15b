"""Checkers find errors in an answer without calling a model."""

from selfcritic.agent.checkers.adapters import from_evaluator, from_function, from_tool
from selfcritic.agent.checkers.python import lint, syntax, typecheck
from selfcritic.agent.checkers.unit_tests import unit_tests
from selfcritic.agent.protocols import Checker

__all__ = [
    "Checker",
    "from_evaluator",
    "from_function",
    "from_tool",
    "lint",
    "syntax",
    "typecheck",
    "unit_tests",
]
