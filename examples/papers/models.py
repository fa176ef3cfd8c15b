"""The tiny models of the experiments, and their tasks.

All models of a task type get the same tasks. Seeds of the test tasks are used for nothing else; what is chosen is
chosen on development tasks.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.model import SHIPPED
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import SIZES, TRAINABLE_TASKS

Split = Literal["dev", "test"]
SEEDS: Mapping[Split, str] = {"dev": "papers dev 1", "test": "papers test 1"}
_FOLDER = Path(__file__).parents[1] / "benchmarks" / "models"


@dataclass(frozen=True)
class TinyLanguageModel:
    """A trained model; `name` is a column of the tables."""

    name: str
    folder: Path
    task_type: str
    parameters: float
    """In millions."""

    @cached_property
    def engine(self) -> Engine:
        """Return the model, loaded on first use."""
        return Engine(self.folder)

    def seed(self, purpose: str) -> int:
        """Return a sampling seed that differs between models and purposes."""
        return random.Random(f"papers {self.name} {purpose}").randrange(2**31)


MODELS: Mapping[str, TinyLanguageModel] = {
    model.name: model
    for model in (
        TinyLanguageModel("small", _FOLDER / "small", "alphabetize", 0.11),
        TinyLanguageModel("medium-0", SHIPPED, "alphabetize", 1.06),
        TinyLanguageModel("medium-1", _FOLDER / "seed-1", "alphabetize", 1.06),
        TinyLanguageModel("medium-2", _FOLDER / "seed-2", "alphabetize", 1.06),
        TinyLanguageModel("large", _FOLDER / "large", "alphabetize", 3.32),
        TinyLanguageModel("addition", _FOLDER / "addition", "addition", 1.03),
    )
}
"""Three sizes and three seeds that sort words, and one model that adds; "medium-0" ships with the package."""

WORD_MODELS = tuple(model for model in MODELS.values() if model.task_type == "alphabetize")


def draw_tasks(task_type: str, split: Split, count: int) -> list[Task]:
    """Generate the tasks of a split, with the sizes that the models were trained on.

    Sums have four digits, the largest size: smaller ones are nearly always right.
    """
    sizes = SIZES[task_type]
    if task_type == "addition":
        sizes = sizes[-1:]
    rng = random.Random(f"{SEEDS[split]} {task_type}")
    tasks: list[Task] = []
    seen: set[str] = set()
    while len(tasks) < count:
        task = TRAINABLE_TASKS[task_type].generate(rng, rng.choice(sizes))
        if task.id not in seen:  # small sums repeat
            seen.add(task.id)
            tasks.append(task)
    return tasks


def parse_tasks(questions: Sequence[str], task_type: str) -> list[Task]:
    """Return the tasks of recorded questions."""
    tasks: list[Task] = []
    for question in questions:
        task = TRAINABLE_TASKS[task_type].parse(question)
        if task is None:
            raise ValueError(f"{question!r} is not a task of type {task_type!r}.")
        tasks.append(task)
    return tasks
