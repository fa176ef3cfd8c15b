"""Hold measured values, and save them as CSV."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from selfcritic.agent.evals.measures.intervals import Estimate

RESULTS_FILE = "results.csv"
_DIGITS = 4


@dataclass(frozen=True)
class Result:
    """One measured value of a model."""

    experiment: str
    model: str
    measure: str
    value: float | None
    """None where it is undefined."""
    low: float | None
    high: float | None
    count: int
    missing: int = 0
    x: float | None = None
    """Position on the horizontal axis of a plot, such as N or a number of calls."""
    note: str = ""


def to_result(
    experiment: str, model: str, measure: str, estimate: Estimate, x: float | None = None
) -> Result:
    """Return the result of an estimate."""
    return Result(
        experiment,
        model,
        measure,
        _round(estimate.value),
        _round(estimate.low),
        _round(estimate.high),
        estimate.count,
        estimate.missing,
        _round(x),
        estimate.note,
    )


def _round(value: float | None) -> float | None:
    if value is None or math.isnan(value):
        return None
    return round(float(value), _DIGITS) + 0.0  # no negative zero


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write one row for each result."""
    with path.open("w", encoding="utf-8", newline="") as file:
        names = [item.name for item in fields(Result)]
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for result in results:
            writer.writerow(asdict(result))


def read_results(path: Path) -> list[Result]:
    """Read what `write_results` wrote."""
    results = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            results.append(
                Result(
                    row["experiment"],
                    row["model"],
                    row["measure"],
                    _parse(row["value"]),
                    _parse(row["low"]),
                    _parse(row["high"]),
                    int(row["count"]),
                    int(row["missing"]),
                    _parse(row["x"]),
                    row["note"],
                )
            )
    return results


def _parse(text: str) -> float | None:
    return float(text) if text else None


class ResultTable:
    """Results by experiment, model and measure."""

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results
        self._by_key = {(item.experiment, item.model, item.measure): item for item in results}

    def find(self, experiment: str, model: str, measure: str) -> Result | None:
        """Return one result; None if it was not measured."""
        return self._by_key.get((experiment, model, measure))

    def value(self, experiment: str, model: str, measure: str) -> float:
        """Return a value; NaN if it was not measured or is undefined."""
        result = self.find(experiment, model, measure)
        if result is None or result.value is None:
            return math.nan
        return result.value

    def models(self, experiment: str) -> list[str]:
        """Return the models that an experiment was run with, in order."""
        names = [item.model for item in self.results if item.experiment == experiment]
        return list(dict.fromkeys(names))


def percent(result: Result | None, *, signed: bool = False, with_interval: bool = True) -> str:
    """Format a share, or a difference of shares, and its interval in percent."""
    if result is None or result.value is None:
        return "—"
    form = "{:+.1f}" if signed else "{:.1f}"
    text = form.format(100 * result.value)
    if not with_interval or result.low is None or result.high is None:
        return text
    return f"{text} ({form.format(100 * result.low)} to {form.format(100 * result.high)})"
