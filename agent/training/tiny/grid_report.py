"""Report of a grid: speeds, use of the device, losses and evaluations, as Markdown and JSON."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from selfcritic.agent.training.tiny.evaluation import Evaluation
from selfcritic.agent.training.tiny.evaluation_report import (
    measure,
    render_evaluations,
    render_table,
)
from selfcritic.agent.training.tiny.grid_config import GridConfig
from selfcritic.agent.training.tiny.progress import Progress, run_name
from selfcritic.agent.training.tiny.sizes import DECODER_SIZES

REPORT = "report.md"
REPORT_FILES = (REPORT, "report.json")
_PEAKS = {
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "H200": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "RTX 4090": 165.0,
    "L4": 121.0,
}
"""Peak in TFLOP/s by part of the device's name: bfloat16, dense, as the vendor states it."""


def write_report(config: GridConfig, folder: Path, progress: Mapping[str, Progress]) -> Path:
    """Write `report.json` and `report.md`; return the path of the latter."""
    report = _collect(config, folder, progress)
    (folder / "report.json").write_text(json.dumps(_without_nan(report), indent=1), "utf-8")
    path = folder / REPORT
    path.write_text("\n".join(_render(report)) + "\n", "utf-8")
    return path


def _collect(
    config: GridConfig, folder: Path, progress_by_task: Mapping[str, Progress]
) -> dict[str, Any]:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, one core"
    peak = config.peak_tflops or _find_peak(device)
    tasks = []
    runs: list[dict[str, Any]] = []
    for task_name, progress in progress_by_task.items():
        task_runs = list(_collect_runs(config, folder, task_name, progress))
        runs += task_runs
        operations = 6 * progress.tokens * sum(run["parameters"] for run in task_runs)
        tasks.append(
            {
                "task": task_name,
                "share_done": progress.share,
                "tokens": progress.tokens,
                "target_tokens": config.tokens,
                "padding": 1 - _divide(progress.drawn_tokens, progress.tokens),
                "steps": progress.steps,
                "seconds": progress.seconds,
                "waiting_seconds": progress.waiting_seconds,
                "computing_seconds": sum(progress.timed_seconds.values()),
                "drawn_tokens_per_process_second": _divide(
                    progress.drawn_tokens, progress.drawing_seconds
                ),
                "utilization": _divide(operations / 1e12, progress.seconds * peak),
                "warm_ups_ended_at": progress.finished_stages,
            }
        )
        for run in task_runs:
            run["utilization"] = _divide(run["teraflops"], peak)
    return {
        "device": device,
        "peak_tflops": peak if math.isfinite(peak) else None,
        "processes": config.num_processes,
        "options": config.model_dump(mode="json"),
        "tasks": tasks,
        "runs": runs,
        "history": {name: progress.history for name, progress in progress_by_task.items()},
    }


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON lacks, by None."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _find_peak(device: str) -> float:
    for name, peak in _PEAKS.items():
        if name in device:
            return peak
    return math.nan


def _collect_runs(
    config: GridConfig, folder: Path, task_name: str, progress: Progress
) -> Iterator[dict[str, Any]]:
    losses = progress.mean_losses()
    for size_index, size in enumerate(config.sizes):
        seconds = progress.timed_seconds.get(size, 0.0)
        tokens_per_second = _divide(progress.timed_tokens, seconds) * len(config.seeds)
        parameters = _count_parameters(size)
        for seed_index, seed in enumerate(config.seeds):
            evaluation = Evaluation.load(folder / task_name / run_name(size, seed))
            yield {
                "task": task_name,
                "size": size,
                "seed": seed,
                "parameters": parameters,
                "tokens": progress.tokens,
                "loss": losses[size_index][seed_index] if losses else math.nan,
                "tokens_per_second_of_all_seeds": tokens_per_second,
                "teraflops": 6 * parameters * tokens_per_second / 1e12,
                "evaluation": measure(evaluation) if evaluation else {},
            }


def _count_parameters(size: str) -> int:
    """Count the weights of a decoder's blocks."""
    d_model, n_layers, _, d_ff = DECODER_SIZES[size]
    return n_layers * (4 * d_model**2 + 3 * d_model * d_ff)


def _divide(value: float, by: float) -> float:
    return value / by if by else math.nan


def _render(report: Mapping[str, Any]) -> Iterator[str]:
    peak = report["peak_tflops"]
    yield "# Training grid"
    yield ""
    yield f"Device: {report['device']}. " + (
        f"Peak: {peak:g} TFLOP/s." if peak else "Peak unknown: set `peak_tflops` in the grid."
    )
    yield (
        f"Processes that drew the data: {report['processes']}. The runs of a task were trained in step on the same "
        "batches; their seeds differ in the initial weights only. Tokens include padding, and examples share their "
        "prefixes. Self-play drafts come from all runs of a task."
    )
    yield ""
    yield "## Speed"
    yield ""
    yield from render_table(
        ["task", "done", "tokens per run", "of", "steps", "seconds", "waiting for data", "padding",
         "tokens/s of a process", "use of the peak"],
        [_speed_row(task) for task in report["tasks"]],
    )  # fmt: skip
    yield ""
    yield (
        "*Use of the peak* is 6 · N · tokens/s over the peak, for all runs; N is the number of weights in the blocks. "
        "It counts all seconds, also those of compilation, saving and waiting. *Tokens/s of a process* is per second "
        "of processor time."
    )
    yield ""
    yield "## Runs"
    yield ""
    yield from render_table(
        ["task", "size", "weights", "seed", "loss", "tokens/s of the size", "use of the peak"],
        [_run_row(run) for run in report["runs"]],
    )
    yield ""
    yield (
        "*Loss* is the mean of the last 50 steps per reply token, in the stage that the run was in. *Tokens/s of the "
        "size* counts all seeds, while this size was computed."
    )
    if report["options"]["evaluation_tasks"]:
        yield ""
        yield from render_evaluations(report["runs"])


def _speed_row(task: Mapping[str, Any]) -> list[str]:
    return [
        task["task"],
        _percent(task["share_done"]),
        f"{task['tokens']:,}",
        f"{task['target_tokens']:,}",
        f"{task['steps']:,}",
        f"{task['seconds']:.0f}",
        _percent(_divide(task["waiting_seconds"], task["seconds"])),
        _percent(task["padding"]),
        _number(task["drawn_tokens_per_process_second"]),
        _percent(task["utilization"]),
    ]


def _run_row(run: Mapping[str, Any]) -> list[str]:
    return [
        run["task"],
        run["size"],
        f"{run['parameters'] / 1e6:.2f} million",
        str(run["seed"]),
        f"{run['loss']:.3f}",
        _number(run["tokens_per_second_of_all_seeds"]),
        _percent(run["utilization"]),
    ]


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}"
