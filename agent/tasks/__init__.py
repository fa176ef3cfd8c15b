"""The task families: tasks a person can type, with exact truth. One file a family."""

from selfcritic.agent.tasks.addition import Addition
from selfcritic.agent.tasks.alphabetize.task import Alphabetize
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.functions.task import Functions
from selfcritic.agent.tasks.three_sat.task import ThreeSat

TASKS: tuple[type[Task], ...] = (Addition, Alphabetize, ThreeSat, Functions)


def parse_task(question: str) -> Task | None:
    """Read the task out of a question of any family; None where it is of none."""
    return next((task for family in TASKS if (task := family.parse(question)) is not None), None)


__all__ = ["TASKS", "Addition", "Alphabetize", "Flaw", "Functions", "Injected", "Task", "ThreeSat", "parse_task"]
