"""Read the accuracy of reward models from the reports of their training."""

import json
from typing import Any

from examples.critic_training.setup import Run
from examples.papers.results import Result

_LABELS = {"model": "", "untrained": ", untrained verdict", "longer": ", longer wins"}


def measure_rewards(run: Run) -> list[Result]:
    """Return held-out pair accuracies by number of pairs and origin of the flaws."""
    results: list[Result] = []
    reports = []
    for folder in sorted(run.folder.glob("reward*")):
        path = folder / "report.json"
        if path.exists():
            reports.append((folder.name, json.loads(path.read_text("utf-8"))))
    reports.sort(key=lambda report: report[1]["train_pairs"])
    for name, report in reports:
        for row in report["accuracy"]:
            results += _to_results(run, name, report["train_pairs"], row)
    return results


def _to_results(run: Run, name: str, train_pairs: int, row: dict[str, Any]) -> list[Result]:
    """Return the accuracy of a reward model, and of the baselines beside the largest one."""
    results = []
    for key, label in _LABELS.items():
        if key != "model" and name != "reward":
            continue
        value, low, high = row[key]
        kind = f"{train_pairs} pairs"
        if name == "reward-natural":
            kind += " without tampering"
        measure = f"{row['kind']}{label}" if label else f"{row['kind']}, {kind}"
        results.append(
            Result(
                "reward",
                f"seed {run.seed}",
                measure,
                value,
                low,
                high,
                row["pairs"],
                x=float(train_pairs),
                note=name,
            )
        )
    return results
