"""Print the results of a training stage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from selfcritic.graphs.cli.eval.tables import print_table


def print_sft(results: Mapping[str, Any], console: Console) -> None:
    """Print the size of the data and the loss."""
    console.print(
        f"supervised start: {results['examples']} examples, {results['too_long']} too long, "
        f"loss {results['first_loss']:.3f} → {results['last_loss']:.3f}"
    )


def print_samples(results: Mapping[str, Any], console: Console) -> None:
    """Print how many critiques were sampled and compared."""
    console.print(
        f"samples: {results['critiques']} critiques of {results['records']} answers, "
        f"{results['comparisons']} comparisons"
    )


def print_reward(report: Mapping[str, Any], console: Console) -> None:
    """Print the accuracy on held-out pairs, beside the untrained verdict and "the longer wins"."""
    console.print(
        f"reward model: {report['train_pairs']} pairs, {report['too_long']} too long, "
        f"loss {report['first_loss']:.3f} → {report['last_loss']:.3f}; "
        f"the chosen critique is longer in {report['chosen_is_longer']:.0%}"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("flaw", overflow="fold")
    table.add_column("pairs", justify="right")
    for name in ("trained", "untrained", "longer wins"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report["accuracy"]:
        cells = [_format(row[name]) for name in ("model", "untrained", "longer")]
        table.add_row(row["kind"], str(row["pairs"]), *cells)
    console.print("accuracy on held-out pairs, with 95% intervals over tasks:")
    print_table(table, console, indent=2)


def print_policy(results: Mapping[str, Any], console: Console, out: Path) -> None:
    """Print truth and proxy on dev, and what was kept."""
    console.print(
        f"policy: {results['steps']} steps of GRPO (PPO's clipped objective with group advantages, no value model)"
    )
    table = Table(box=None, pad_edge=False)
    for name in ("on dev", "truth", "proxy", "tokens"):
        table.add_column(name, justify="left" if name == "on dev" else "right")
    for name in ("start", "best", "end"):
        row = results[name]
        length = "–" if row["length"] is None else f"{row['length']:.0f}"
        table.add_row(name, f"{row['truth']:.3f}", f"{row['proxy']:.3f}", length)
    print_table(table, console, indent=2)
    if results["kept"] == "start":
        console.print("Truth never rose above its start: the start was kept, not the policy.")
    if results["stopped_early"]:
        console.print("Stopped: truth fell while the proxy rose.")
    console.print(f"curves: {out / 'curves.csv'}, {out / 'curves.png'}", soft_wrap=True)


def print_usage(policy: Path, reward: Path | None, console: Console) -> None:
    """Print how `review` uses what was trained."""
    command = f"selfcritic review FILE --model hf:{policy}"
    if reward is not None:
        command += f" --search fsbs --scorer reward:{reward}"
    console.print(command, soft_wrap=True, markup=False, highlight=False)


def _format(values: list[float | None] | None) -> str:
    if values is None or values[0] is None:
        return "–"
    value, low, high = values
    if low is None or high is None:
        return f"{value:.0%}"
    return f"{value:.0%} ({100 * low:.0f}–{100 * high:.0f})"
