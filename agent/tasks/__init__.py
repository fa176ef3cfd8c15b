"""Tasks with oracles: typed questions whose answers can be graded exactly."""

from selfcritic.agent.tasks.addition import Addition
from selfcritic.agent.tasks.alphabetize.task import Alphabetize
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.functions.task import Functions
from selfcritic.agent.tasks.three_sat.task import ThreeSat

TASKS: tuple[type[Task], ...] = (Addition, Alphabetize, ThreeSat, Functions)


def parse_task(question: str) -> Task | None:
    """Parse a question with the first task type that accepts it.

    Returns None if no task type accepts it.

    Raises:
        InputError: a task type recognizes the question but cannot handle it, such as one with too many words.
    """
    for task_type in TASKS:
        task = task_type.parse(question)
        if task is not None:
            return task
    return None


__all__ = [
    "TASKS",
    "Addition",
    "Alphabetize",
    "Flaw",
    "Functions",
    "Injected",
    "Task",
    "ThreeSat",
    "parse_task",
]
