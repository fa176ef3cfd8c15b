"""Evaluate exported runs on held-out tasks, in processes beside the training."""

import json
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.training.tiny.examples import GradedDraft, is_helpful, render_prompt
from selfcritic.agent.training.tiny.held_out import draw_held_out_tasks
from selfcritic.agent.training.tiny.processes import create_context
from selfcritic.prompts import PromptName

_FILE = "evaluation.json"
_SEED = 0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Evaluation:
    """What a run did on held-out tasks."""

    is_flawed: Sequence[bool]
    """Whether each first draft is flawed."""
    p_flawed: Sequence[float]
    """The run's own P(critiqueable) of each first draft."""
    is_valid: Sequence[bool]
    """Whether one critique of each flawed draft is grounded and valid."""

    @classmethod
    def load(cls, run_folder: Path) -> Self | None:
        """Read the evaluation of a run; None if it was not evaluated."""
        path = run_folder / _FILE
        if not path.is_file():
            return None
        return cls(**json.loads(path.read_text("utf-8")))

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


def evaluate(model_folder: Path, held_out: HeldOut) -> Evaluation:
    """Sample a first draft of each task, a verdict on it, and a critique if it is flawed."""
    engine = Engine(model_folder)
    tasks = draw_held_out_tasks(held_out.task_name, held_out.sizes, held_out.count)
    questions = [render_prompt("generate", task.question) for task in tasks]
    replies = engine.complete(questions, seed=_SEED)
    drafts = []
    for task, [reply] in zip(tasks, replies, strict=True):
        drafts.append(GradedDraft.grade(task, reply.text))
    verdicts = engine.complete(_render("classify", drafts), seed=_SEED)
    flawed = [draft for draft in drafts if draft.flaws]
    critiques = engine.complete(_render("critique", flawed), seed=_SEED)
    is_valid = []
    for draft, [critique] in zip(flawed, critiques, strict=True):
        is_valid.append(is_helpful(draft, critique.text))
    return Evaluation(
        is_flawed=[bool(draft.flaws) for draft in drafts],
        p_flawed=[verdict.p_yes for [verdict] in verdicts],
        is_valid=is_valid,
    )


def _render(prompt_name: PromptName, drafts: Sequence[GradedDraft]) -> list[str]:
    prompts = []
    for draft in drafts:
        prompts.append(render_prompt(prompt_name, draft.task.question, answer=draft.answer))
    return prompts


class Evaluator:
    """Evaluates runs in a few processes; each saves the results in the runs' folders."""

    def __init__(self, max_processes: int) -> None:
        self._context = create_context()
        self._max_processes = max_processes
        self._processes: list[BaseProcess] = []

    def submit(self, run_folders: Sequence[Path], held_out: HeldOut) -> None:
        """Start to evaluate runs of one task, except those that were evaluated before."""
        missing = [folder for folder in run_folders if Evaluation.load(folder) is None]
        for index in range(min(self._max_processes, len(missing))):
            share = missing[index :: self._max_processes]
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
    for folder in run_folders:
        evaluate(folder / "int8", held_out).save(folder)
