"""Find false equations in a text."""

from selfcritic.agent.checkers.arithmetic.checker import arithmetic

__all__ = ["arithmetic"]
