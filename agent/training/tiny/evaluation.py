"""Evaluate exported runs on held-out tasks, in processes beside the training."""

import json
import math
import signal
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.training.tiny.examples import GradedDraft, is_helpful, render_prompt
from selfcritic.agent.training.tiny.held_out import (
    SizedTask,
    Split,
    count_per_size,
    draw_held_out_tasks,
)
from selfcritic.agent.training.tiny.processes import create_context
from selfcritic.agent.training.tiny.task_range import SizeChoice, choose_sizes
from selfcritic.prompts import PromptName

_FILE = "evaluation.json"
_SEED = 0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class FirstDrafts:
    """The first draft of each task."""

    tasks: Sequence[str]
    """Id of each task; a size with few questions repeats some."""
    sizes: Sequence[int]
    is_flawed: Sequence[bool]

    @classmethod
    def from_graded(cls, tasks: Sequence[SizedTask], drafts: Sequence[GradedDraft]) -> Self:
        """Record tasks and whether their drafts are flawed."""
        return cls(
            tasks=[task.task.id for task in tasks],
            sizes=[task.size for task in tasks],
            is_flawed=[bool(draft.flaws) for draft in drafts],
        )

    def of_sizes(self, sizes: Collection[int]) -> Self:
        """Return the drafts of tasks of these sizes."""
        rows = [index for index, size in enumerate(self.sizes) if size in sizes]
        return type(self)(
            tasks=[self.tasks[row] for row in rows],
            sizes=[self.sizes[row] for row in rows],
            is_flawed=[self.is_flawed[row] for row in rows],
        )


@dataclass(frozen=True)
class Evaluation:
    """What a run did on held-out tasks."""

    dev: FirstDrafts
    """Development tasks of all sizes, which only choose the sizes of the test tasks."""
    test: FirstDrafts
    p_flawed: Sequence[float]
    """The run's own P(critiqueable) of each first draft of a test task."""
    is_valid: Sequence[bool]
    """Whether one critique of each flawed draft of a test task is grounded and valid."""

    @property
    def choice(self) -> SizeChoice:
        """The sizes of the test tasks, and why no size qualified if so."""
        return choose_sizes(self.dev.sizes, self.dev.is_flawed)

    @classmethod
    def load(cls, run_folder: Path) -> Self | None:
        """Read the evaluation of a run; None without one, or if an older version wrote it."""
        path = run_folder / _FILE
        if not path.is_file():
            return None
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except ValidationError:
            return None

    def save(self, run_folder: Path) -> None:
        """Write the evaluation atomically."""
        new_file = run_folder / f"{_FILE}.new"
        new_file.write_text(json.dumps(asdict(self)), "utf-8")
        new_file.replace(run_folder / _FILE)


@dataclass(frozen=True)
class HeldOut:
    """Which held-out tasks to evaluate on."""

    task_name: str
    sizes: Sequence[int]
    count: int
    """Tasks of each split; rounded up to equally many of each size."""

    def draw(self, split: Split, sizes: Sequence[int]) -> list[SizedTask]:
        """Draw the tasks of a split."""
        return draw_held_out_tasks(self.task_name, split, sizes, self.count)

    def is_evaluated(self, run_folder: Path) -> bool:
        """Whether a run has an evaluation on at least as many tasks."""
        evaluation = Evaluation.load(run_folder)
        num_tasks = len(self.sizes) * count_per_size(self.sizes, self.count)
        return evaluation is not None and len(evaluation.dev.tasks) >= num_tasks


def evaluate(model_folder: Path, held_out: HeldOut) -> Evaluation:
    """Choose the task sizes on development tasks, and evaluate on test tasks of these sizes.

    Development tasks get a first draft only. Test tasks also get a verdict, and a critique if the draft is flawed.
    """
    engine = Engine(model_folder)
    dev_tasks = held_out.draw("dev", held_out.sizes)
    dev = FirstDrafts.from_graded(dev_tasks, _write_drafts(engine, dev_tasks))
    choice = choose_sizes(dev.sizes, dev.is_flawed)

    tasks = held_out.draw("test", choice.sizes)
    drafts = _write_drafts(engine, tasks)
    verdicts = engine.complete(_render("classify", drafts), seed=_SEED)
    flawed = [draft for draft in drafts if draft.flaws]
    critiques = engine.complete(_render("critique", flawed), seed=_SEED)
    is_valid = []
    for draft, [critique] in zip(flawed, critiques, strict=True):
        is_valid.append(is_helpful(draft, critique.text))
    return Evaluation(
        dev=dev,
        test=FirstDrafts.from_graded(tasks, drafts),
        p_flawed=[verdict.p_yes for [verdict] in verdicts],
        is_valid=is_valid,
    )


def _write_drafts(engine: Engine, tasks: Sequence[SizedTask]) -> list[GradedDraft]:
    questions = [render_prompt("generate", task.task.question) for task in tasks]
    replies = engine.complete(questions, seed=_SEED)
    drafts = []
    for task, [reply] in zip(tasks, replies, strict=True):
        drafts.append(GradedDraft.grade(task.task, reply.text))
    return drafts


def _render(prompt_name: PromptName, drafts: Sequence[GradedDraft]) -> list[str]:
    prompts = []
    for draft in drafts:
        prompts.append(render_prompt(prompt_name, draft.task.question, answer=draft.answer))
    return prompts


class Evaluator:
    """Evaluates runs in a few processes; each saves the results in the runs' folders."""

    def __init__(self) -> None:
        self._context = create_context()
        self._processes: list[BaseProcess] = []

    def submit(self, run_folders: Sequence[Path], held_out: HeldOut, max_processes: int) -> None:
        """Start to evaluate runs of one task."""
        for index in range(min(max_processes, len(run_folders))):
            share = run_folders[index::max_processes]
            process = self._context.Process(target=_evaluate, args=(share, held_out), daemon=True)
            process.start()
            self._processes.append(process)

    def finish(self, deadline: float | None) -> None:
        """Wait for all evaluations, at most until `deadline` (monotonic); drop the others."""
        while any(process.is_alive() for process in self._processes):
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        self.close()

    def close(self) -> None:
        """End all evaluations."""
        for process in self._processes:
            process.terminate()
            process.join()
        self._processes.clear()


def _evaluate(run_folders: Sequence[Path], held_out: HeldOut) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    evaluate_runs(run_folders, held_out)


def evaluate_runs(run_folders: Sequence[Path], held_out: HeldOut) -> None:
    """Evaluate and save all runs on a quarter of the tasks, then on all tasks.

    So runs have wide intervals instead of no evaluation if the time ends. Saved evaluations on enough tasks are kept.
    """
    for count in (math.ceil(held_out.count / 4), held_out.count):
        part = replace(held_out, count=count)
        for folder in run_folders:
            if not part.is_evaluated(folder):
                evaluate(folder / "int8", part).save(folder)
