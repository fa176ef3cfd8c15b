"""Format measurements as Markdown and CSV; names of models and files are untrusted text."""

import csv
import io
import math
import re
from collections.abc import Sequence

from selfcritic.agent.data.manifest import Manifest
from selfcritic.agent.evals.epochs import Spread
from selfcritic.agent.evals.measurement import Measurement, Unit
from selfcritic.agent.evals.summary import Summary

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#|!&~$])")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")
_CSV_COLUMNS = (
    "section",
    "measure",
    "group",
    "critic",
    "value",
    "low",
    "high",
    "count",
    "missing",
    "unit",
    "n",
    "note",
)
SPREAD_SECTION = "Spread over epochs"
_UNDEFINED = "–"
_PLAIN_NUMBER = 1e6


def clean(text: str) -> str:
    """Replace the characters that can control a terminal or break a line."""
    shown = []
    for character in text:
        if character.isprintable():
            shown.append(character)
        else:
            shown.append(f"<U+{ord(character):04X}>")
    return "".join(shown)


def format_value(value: float, unit: Unit) -> str:
    """Return a value with as many digits as its unit needs; a dash if it is undefined."""
    if math.isnan(value):
        return _UNDEFINED
    if unit == "share":
        return f"{value:.3f}"
    if unit == "difference":
        return f"{value:+.3f}"
    if unit == "usd":
        return f"${value:.4f}"
    if unit == "score":
        return f"{value:.2f}"
    if abs(value) >= _PLAIN_NUMBER:
        return f"{value:.3g}"
    digits = 3 if abs(value) < 10 else 1
    return f"{value:.{digits}f}"


def format_interval(measurement: Measurement) -> str:
    """Return the 95% interval; a dash if it is undefined."""
    estimate = measurement.estimate
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return _UNDEFINED
    low = format_value(estimate.low, measurement.unit)
    high = format_value(estimate.high, measurement.unit)
    return f"{low} to {high}"


def format_count(measurement: Measurement) -> str:
    """Return the number of rows, and of missing ones if there are any."""
    estimate = measurement.estimate
    if estimate.missing:
        return f"{estimate.count} (-{estimate.missing})"
    return str(estimate.count)


def to_markdown(summary: Summary, manifest: Manifest | None = None) -> str:
    """Return all measurements as Markdown, one table for each section and group."""
    lines = ["# Measurements", ""]
    if manifest is not None:
        lines += _describe_run(manifest)
    lines += [f"- {escape_markdown(note)}" for note in summary.notes]
    lines += [f"- **Warning:** {escape_markdown(warning)}" for warning in summary.warnings]
    lines += ["- In parentheses: rows without a value, which are not counted as zeros."]
    for section, measurements in group_sections(summary.measurements).items():
        lines += ["", f"## {escape_markdown(section)}", ""]
        lines += [
            "| measure | answers | critic | value | 95% interval | rows | note |",
            "|---|---|---|--:|---|--:|---|",
        ]
        lines += [_format_row(measurement) for measurement in measurements]
    if summary.spreads:
        lines += ["", f"## {describe_spreads(summary.spreads)}", ""]
        lines += [
            "| measure | answers | critic | SD | lowest | highest | changed |",
            "|---|---|---|--:|--:|--:|--:|",
        ]
        lines += [_format_spread_row(spread) for spread in summary.spreads]
    return "\n".join(lines) + "\n"


def to_csv(summary: Summary) -> str:
    """Return all measurements as CSV; cells that a spreadsheet would run as formulas are quoted."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for measurement in summary.measurements:
        label = measurement.label
        estimate = measurement.estimate
        texts = [label.section, label.name, label.group, label.critic]
        numbers = [estimate.value, estimate.low, estimate.high]
        writer.writerow(
            [
                *[escape_cell(text) for text in texts],
                *["" if math.isnan(number) else repr(float(number)) for number in numbers],
                estimate.count,
                estimate.missing,
                measurement.unit,
                "" if measurement.n is None else measurement.n,
                escape_cell(estimate.note),
            ]
        )
    for spread in summary.spreads:
        label = spread.label
        texts = [SPREAD_SECTION, spread.name, label.group, label.critic]
        numbers = [spread.deviation, min(spread.values), max(spread.values)]
        writer.writerow(
            [
                *[escape_cell(text) for text in texts],
                *[repr(float(number)) for number in numbers],
                len(spread.values),
                0,
                spread.unit,
                "",
                "standard deviation, lowest and highest value of the epochs",
            ]
        )
    return output.getvalue()


def describe_spreads(spreads: Sequence[Spread]) -> str:
    """Return the heading of the spreads of a run."""
    return f"{SPREAD_SECTION}: {len(spreads[0].values)} runs"


def format_spread(spread: Spread) -> list[str]:
    """Return the deviation, the lowest and the highest value, and the share of changed items."""
    numbers = [spread.deviation, min(spread.values), max(spread.values)]
    unit: Unit = "share" if spread.unit == "difference" else spread.unit
    shown = [format_value(numbers[0], unit)]
    shown += [format_value(number, spread.unit) for number in numbers[1:]]
    return [*shown, format_value(spread.changed, "share")]


def group_sections(measurements: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """Return the measurements of each section, in order."""
    sections: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        sections.setdefault(measurement.label.section, []).append(measurement)
    return sections


def escape_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    return _MARKDOWN.sub(r"\\\1", clean(text))


def escape_cell(text: str) -> str:
    """Return a text for a cell of CSV that no spreadsheet runs as a formula."""
    shown = clean(text)
    if text.startswith(_FORMULA_STARTS) or shown.startswith(_FORMULA_STARTS):
        return f"'{shown}"
    return shown


def _describe_run(manifest: Manifest) -> list[str]:
    models = ", ".join(f"{role}: {model}" for role, model in manifest.models.items())
    facts = [
        f"Task: {manifest.task}.",
        f"Data: {manifest.data} (SHA-256 {manifest.data_sha256[:12]}).",
        f"Models: {models or 'unknown'}.",
        f"Command: {' '.join(manifest.command)}",
    ]
    return [f"- {escape_markdown(fact)}" for fact in facts]


def _format_row(measurement: Measurement) -> str:
    label = measurement.label
    cells = [
        escape_markdown(label.name),
        escape_markdown(label.group),
        escape_markdown(label.critic),
        format_value(measurement.estimate.value, measurement.unit),
        format_interval(measurement),
        format_count(measurement),
        escape_markdown(measurement.estimate.note),
    ]
    return f"| {' | '.join(cells)} |"


def _format_spread_row(spread: Spread) -> str:
    label = spread.label
    cells = [escape_markdown(text) for text in (spread.name, label.group, label.critic)]
    return f"| {' | '.join([*cells, *format_spread(spread)])} |"
