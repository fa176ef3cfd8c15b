"""Building blocks of the critic: records, options, models, nodes and tasks."""

from selfcritic.agent.context import Context
from selfcritic.agent.models import load
from selfcritic.agent.schemas import Budget, Candidate, Comment, Critique, Round, Usage
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

__all__ = [
    "Budget",
    "Candidate",
    "Comment",
    "Context",
    "Critique",
    "Round",
    "State",
    "Step",
    "Usage",
    "load",
]
