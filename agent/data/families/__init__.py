"""The task families: tasks a person can type, with exact truth. One file a family."""

from selfcritic.agent.data.families.addition import Addition
from selfcritic.agent.data.families.alphabetize import Alphabetize
from selfcritic.agent.data.families.functions import Functions
from selfcritic.agent.data.families.task import Flaw, Slip, Task
from selfcritic.agent.data.families.three_sat import ThreeSat

FAMILIES: tuple[type[Task], ...] = (Addition, Alphabetize, ThreeSat, Functions)


def recognise(question: str) -> Task | None:
    """Read the task out of a question of any family; None where it is of none."""
    return next((task for family in FAMILIES if (task := family.recognise(question)) is not None), None)


__all__ = ["FAMILIES", "Addition", "Alphabetize", "Flaw", "Functions", "Slip", "Task", "ThreeSat", "recognise"]
