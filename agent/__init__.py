"""What a critic is and can do: records, options, models, nodes, task families."""

from selfcritic.agent.context import Context
from selfcritic.agent.models import load
from selfcritic.agent.schemas import Budget, Candidate, Comment, Critique, Draft, Usage
from selfcritic.agent.state import State
from selfcritic.agent.step import Run

__all__ = ["Budget", "Candidate", "Comment", "Context", "Critique", "Draft", "Run", "State", "Usage", "load"]
