"""Write short Python functions to a specification."""

from selfcritic.agent.tasks.functions.task import Functions

__all__ = ["Functions"]
