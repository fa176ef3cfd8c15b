"""Check the equations written in a text, each side evaluated exactly."""

from selfcritic.agent.checkers.arithmetic.checker import arithmetic

__all__ = ["arithmetic"]
