"""Tests of grids: budget, checkpoints, a killed process, the report."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: make train-tools")

import torch

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.training.tiny import grid, task_runs
from selfcritic.agent.training.tiny.evaluation import Evaluation, Evaluator, FirstDrafts
from selfcritic.agent.training.tiny.grid import train_grid
from selfcritic.agent.training.tiny.grid_config import GridConfig
from selfcritic.agent.training.tiny.progress import Progress
from selfcritic.agent.training.tiny.task_runs import TaskRuns

GRID = """
tasks = ["addition"]
sizes = ["test", "small"]
seeds = [0, 1]
tokens = 20_000
fit = false
batch_tokens = 1024
self_play_tasks = 2
evaluation_tasks = 3
processes = 1
save_seconds = 0.2
peak_tflops = 0.01
[task_sizes]
addition = [1, 2]
"""
CONFIG = GridConfig(
    tasks=("addition",),
    sizes=("test", "small"),
    seeds=(0, 1),
    tokens=20_000,
    fit=False,
    batch_tokens=1024,
    self_play_tasks=2,
    evaluation_tasks=3,
    processes=1,
    peak_tflops=0.01,
    task_sizes={"addition": (1, 2)},
)
RUNS = [f"{size}-seed{seed}" for size in ("test", "small") for seed in (0, 1)]


@pytest.fixture(scope="module")
def grid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the toy grid in two parts: a killed process, and a second one that finishes."""
    folder = tmp_path_factory.mktemp("grid")
    grid = folder / "toy.toml"
    grid.write_text(GRID)
    program = "from selfcritic.graphs.cli.app import main; main()"
    command = [sys.executable, "-c", program, "train", "tiny", "--grid", str(grid)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    checkpoint = folder / "toy" / "addition" / task_runs.CHECKPOINT
    deadline = time.monotonic() + 300
    while not checkpoint.is_file():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    killed_at = Progress.load(folder / "toy" / "addition").tokens
    (folder / "killed_at").write_text(str(killed_at))
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == str(folder / "toy" / "report.md")
    return folder


@pytest.mark.slow
def test_a_killed_grid_resumes_and_finishes(grid_folder: Path):
    killed_at = int((grid_folder / "killed_at").read_text())
    progress = Progress.load(grid_folder / "toy" / "addition")
    assert killed_at < CONFIG.tokens <= progress.tokens < CONFIG.tokens + 2048
    assert progress.is_finished
    state = torch.load(grid_folder / "toy" / "addition" / task_runs.CHECKPOINT)
    assert state["progress"]["tokens"] == progress.tokens


@pytest.mark.slow
def test_exports_every_run(grid_folder: Path):
    for run in RUNS:
        for number_format in ("int8", "float32"):
            engine = Engine(grid_folder / "toy" / "addition" / run / number_format)
            [[reply]] = engine.complete(["1 + 1"], seed=1)
            assert isinstance(reply.text, str)


@pytest.mark.slow
def test_reports_speeds_losses_and_evaluations(grid_folder: Path):
    report = json.loads((grid_folder / "toy" / "report.json").read_text())
    [task] = report["tasks"]
    assert task["share_done"] == 1
    assert task["drawn_tokens_per_process_second"] > 0
    assert 0 < task["padding"] < 0.5
    num_weights = 2 * (2 * (4 * 16**2 + 3 * 16 * 32) + 3 * (4 * 48**2 + 3 * 48 * 128))
    operations = 6 * task["tokens"] * num_weights
    assert task["utilization"] == pytest.approx(operations / task["seconds"] / 1e10)
    assert [f"{run['size']}-seed{run['seed']}" for run in report["runs"]] == RUNS
    for run in report["runs"]:
        assert 0 < run["loss"] < 20
        assert run["tokens"] == task["tokens"]
        evaluation = run["evaluation"]
        assert evaluation["problem"] == "too hard at every size"
        assert evaluation["sizes"] == [1, 2]
        assert evaluation["first drafts correct"]["count"] == 4
        assert [row["count"] for row in evaluation["first drafts correct by size"]] == [2, 2]
    assert len(report["history"]["addition"]) > 2
    text = (grid_folder / "toy" / "report.md").read_text()
    assert "| addition | 100.0% |" in text
    assert "Not evaluated" not in text
    for run_name in RUNS:
        assert f"| {run_name} | 1 to 2 |" in text
        assert f"- {run_name}: too hard at every size." in text
    assert "| size | test-seed0 | test-seed1 | small-seed0 | small-seed1 |" in text


@pytest.mark.slow
def test_rejects_other_options(grid_folder: Path):
    other = CONFIG.model_copy(update={"learning_rate": 1e-3})
    with pytest.raises(InputError, match=r"restore `learning_rate` \(0.002\), or choose another"):
        train_grid(other, grid_folder / "toy")


@pytest.mark.slow
def test_a_finished_grid_trains_no_more(grid_folder: Path):
    before = (grid_folder / "toy" / "addition" / task_runs.CHECKPOINT).stat().st_mtime_ns
    lines: list[str] = []
    train_grid(CONFIG, grid_folder / "toy", log=lines.append)
    assert not lines
    assert (grid_folder / "toy" / "addition" / task_runs.CHECKPOINT).stat().st_mtime_ns == before


@pytest.mark.slow
def test_evaluates_again_without_sizes(grid_folder: Path):
    folder = grid_folder / "toy"
    run_folder = folder / "addition" / RUNS[0]
    before = Evaluation.load(run_folder)
    (run_folder / "evaluation.json").write_text(json.dumps({"is_flawed": [], "p_flawed": []}))
    report = train_grid(CONFIG, folder, minutes=0, log=lambda text: None)
    assert f"- Not evaluated: {RUNS[0]}." in report.read_text()
    train_grid(CONFIG, folder, log=lambda text: None)
    assert Evaluation.load(run_folder) == before
    assert "Not evaluated" not in report.read_text()


class TenSteps:
    """A clock of which each step uses up a tenth."""

    def __init__(self, progress: Progress, slot_seconds: float | None) -> None:
        self.progress = progress
        self.initial_share = progress.share
        self.initial_steps = progress.steps
        self.total_seconds = 3.0

    @property
    def share_used(self) -> float:
        return (self.progress.steps - self.initial_steps) / 10


@pytest.mark.parametrize("fit", [True, False])
def test_time_ends_the_training(fit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task_runs, "_Clock", TenSteps)
    config = CONFIG.model_copy(
        update={"fit": fit, "tokens": 10**9, "sizes": ("test",), "evaluation_tasks": 0}
    )
    lines: list[str] = []
    train_grid(config, tmp_path, minutes=60, log=lines.append)
    progress = Progress.load(tmp_path / "addition")
    assert progress.steps == 10
    assert progress.is_finished == fit
    assert 0 < progress.tokens < config.tokens
    state = "finished" if fit else "0% done"
    assert lines == [f"addition: {state}, 2 runs with {progress.tokens:,} tokens each, 3 s"]


def test_no_time_leaves_the_training_to_the_next_command(tmp_path: Path):
    config = CONFIG.model_copy(update={"fit": True, "sizes": ("test",)})
    report = train_grid(config, tmp_path, minutes=0, log=lambda text: None)
    progress = Progress.load(tmp_path / "addition")
    assert not progress.is_finished
    assert not progress.steps
    assert "| addition | 0.0% | 0 |" in report.read_text()


def test_seeds_and_sizes_see_the_same_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    task = TaskRuns(CONFIG, "addition", tmp_path)
    task.build()
    batches: dict[str, list[object]] = {}
    for size, ensemble in task.ensembles.items():
        step = ensemble.step

        def record(batch, rate, size=size, step=step):
            batches.setdefault(size, []).append(batch)
            return step(batch, rate)

        monkeypatch.setattr(ensemble, "step", record)
    stream = task.open_stream()
    try:
        for _ in range(3):
            task._step(stream, task._word_mask())
    finally:
        stream.close()
    assert len(batches["test"]) == 3
    assert batches["test"] == batches["small"]


@pytest.mark.parametrize(
    ("unfinished", "evaluated", "expected"),
    [
        ([], [], 6),
        ([], ["addition"], 12),
        ([], ["addition", "three_sat"], 12),
        (["three_sat"], [], 3),
    ],
)
def test_all_processes_evaluate_if_no_task_is_trained(
    unfinished: list[str],
    evaluated: list[str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    config = CONFIG.model_copy(update={"tasks": ("addition", "three_sat"), "processes": 12})
    (tmp_path / "grid.json").write_text(json.dumps(config.training_options()))
    drafts = FirstDrafts(tasks=["a"] * 6, sizes=[1] * 6, is_flawed=[True] * 6)
    for task_name in config.tasks:
        for run in RUNS:
            (tmp_path / task_name / run).mkdir(parents=True)
            if task_name in evaluated:
                Evaluation(drafts, drafts, [0.5] * 6, [True] * 6).save(tmp_path / task_name / run)
        Progress(share=float(task_name not in unfinished)).save(tmp_path / task_name)
    submitted: dict[str, tuple[int, int]] = {}

    def record(evaluator, run_folders, held_out, max_processes):
        submitted[held_out.task_name] = (len(run_folders), max_processes)

    monkeypatch.setattr(Evaluator, "submit", record)
    monkeypatch.setattr(grid, "_train_tasks", lambda *arguments: None)
    train_grid(config, tmp_path)
    for task_name in config.tasks:
        num_missing = 0 if task_name in [*unfinished, *evaluated] else len(RUNS)
        assert submitted[task_name] == (num_missing, expected)


def test_rejects_a_file_as_folder(tmp_path: Path):
    path = tmp_path / "grid"
    path.write_text("")
    with pytest.raises(InputError, match=r"cannot hold the grid .* another folder with --out"):
        train_grid(CONFIG, path)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_names_what_to_lower_if_memory_is_short(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def run_out(*arguments):
        raise error

    monkeypatch.setattr(TaskRuns, "train", run_out)
    with pytest.raises(InputError, match="lower `batch_tokens`"):
        train_grid(CONFIG, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"tasks'])
def test_damaged_options_are_named(text: str, tmp_path: Path):
    (tmp_path / "grid.json").write_text(text)
    with pytest.raises(InputError, match=r"grid\.json' .* another folder with --out"):
        train_grid(CONFIG, tmp_path)


def test_files_that_no_grid_wrote_are_kept(tmp_path: Path):
    (tmp_path / "addition").mkdir()
    with pytest.raises(InputError, match="has 'addition', but no grid: choose another folder"):
        train_grid(CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["addition"]


def test_damaged_files_of_a_task_are_named(tmp_path: Path):
    task = TaskRuns(CONFIG, "addition", tmp_path)
    task.build()
    task.save()
    checkpoint = tmp_path / task_runs.CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"is damaged .* Delete the folder"):
        TaskRuns(CONFIG, "addition", tmp_path).build()
    (tmp_path / "progress.json").write_text("{")
    with pytest.raises(InputError, match=r"progress\.json' cannot be read .* Delete the folder"):
        TaskRuns(CONFIG, "addition", tmp_path)
