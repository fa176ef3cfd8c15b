"""Task type: sort words alphabetically."""

from selfcritic.agent.tasks.alphabetize.task import Alphabetize

__all__ = ["Alphabetize"]
