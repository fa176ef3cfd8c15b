"""Render the results as Markdown tables, and keep those of a page up to date.

A table of a page is between `<!-- papers: NAME -->` and `<!-- /papers -->`. Values are percent with 95% intervals.
"""

import re
from collections.abc import Callable, Sequence

from examples.papers.chains import ARMS
from examples.papers.results import Result, ResultTable, percent
from examples.papers.search import SEARCHES

_BLOCK = re.compile(r"(<!-- papers: (\w+) -->\n).*?(<!-- /papers -->)", re.DOTALL)
_ALL = "all"


def render_tables(table: ResultTable) -> dict[str, str]:
    """Return the Markdown tables by name."""
    renderers: dict[str, Callable[[ResultTable], str]] = {
        "size": _size_table,
        "size_pairs": _size_pairs_table,
        "best_of_n": _best_of_n_table,
        "forced": _forced_table,
        "forced_pairs": _forced_pairs_table,
        "gated": _gated_table,
        "equal_calls": _equal_calls_table,
        "gdc": _gdc_table,
        "cross": _cross_table,
        "frontier": _frontier_table,
        "frontier_pairs": _frontier_pairs_table,
        "settings_dev": lambda results: _settings_table(results, "settings_dev"),
        "settings_test": lambda results: _settings_table(results, "settings_test"),
        "settings_models": _settings_models_table,
    }
    tables = {}
    for name, render in renderers.items():
        tables[name] = render(table)
    return tables


def fill_page(text: str, tables: dict[str, str]) -> str:
    """Replace the tables of a page."""

    def replace(match: re.Match[str]) -> str:
        return f"{match[1]}{tables[match[2]]}\n{match[3]}"

    return _BLOCK.sub(replace, text)


def to_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    align = ["---", *["--:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, align, *rows))


def _by_model(
    table: ResultTable,
    experiment: str,
    measures: dict[str, str],
    *,
    signed: bool = False,
    with_interval: bool = True,
) -> str:
    """Return a table with a row for each measure and a column for each model."""
    models = table.models(experiment)
    rows = []
    for label, measure in measures.items():
        cells = []
        for model in models:
            result = table.find(experiment, model, measure)
            cells.append(percent(result, signed=signed, with_interval=with_interval))
        rows.append([label, *cells])
    return to_markdown(["", *models], rows)


def _size_table(table: ResultTable) -> str:
    measures = {
        "answers right": "correct",
        "answers critiqueable": "critiqueable",
        "one critique helpful, of all answers": "helpful, one, of all",
        "best of 8 helpful, of all answers": "helpful, best of 8, of all",
        "one critique helpful, of flawed answers": "helpful, one, of flawed",
        "best of 8 helpful, of flawed answers": "helpful, best of 8, of flawed",
        "AUC of P(critiqueable), own answers": "AUC, own answers",
        "AUC, inserted flaws and solutions": "AUC, inserted and clean",
        "AUC of the best of 8 P(helpful), own answers": "AUC, best P(helpful)",
        "AUC of P(helpful), critiques of flawed answers": "AUC, helpfulness",
        "Brier score × 100, own answers": "Brier, own answers",
        "calibration error, own answers": "ECE, own answers",
        "critiques that quote nothing of the answer": "ungrounded critiques",
    }
    return _by_model(table, "size", measures)


def _size_pairs_table(table: ResultTable) -> str:
    rows = []
    for name, label in (
        ("critiqueable", "answers critiqueable"),
        ("helpful, one, of all", "one critique helpful, of all answers"),
        ("helpful, best of 8, of all", "best of 8 helpful, of all answers"),
    ):
        cells = []
        for small, large in (("small", "medium"), ("medium", "large")):
            result = table.find("size", large, f"{name}: {large} - {small}")
            cells.append(percent(result, signed=True))
        rows.append([label, *cells])
    return to_markdown(["paired by task", "medium − small", "large − medium"], rows)


def _best_of_n_table(table: ResultTable) -> str:
    measures = {}
    for n in (1, 2, 4, 8, 16, 32, 64):
        measures[f"best of {n}"] = f"natural, P(helpful), N={n}"
    for n in (2, 8, 64):
        measures[f"oracle's choice of {n}"] = f"natural, oracle, N={n}"
    measures |= {"best of 8 − one": "natural, N=8 - N=1", "best of 64 − one": "natural, N=64 - N=1"}
    for n in (1, 8, 16):
        measures[f"inserted flaws, best of {n}"] = f"inserted, P(helpful), N={n}"
    return _by_model(table, "best_of_n", measures)


def _forced_table(table: ResultTable) -> str:
    models = table.models("refine")
    rows = []
    for name in ("new draft", *[arm.name for arm in ARMS]):
        cells = []
        for model in models:
            values = []
            for measure in ("wrong to correct", "correct to wrong", "win rate"):
                result = table.find("refine", model, f"forced, {name}: {measure}")
                values.append(percent(result, with_interval=False))
            cells.append(" / ".join(values))
        rows.append([name, *cells])
    return to_markdown(["wrong→right / right→wrong / win rate", *models], rows)


def _forced_pairs_table(table: ResultTable) -> str:
    measures = {}
    for arm in ARMS:
        if arm.name != "best of 8":
            measures[f"best of 8 − {arm.name}"] = f"forced, flawed: best of 8 - {arm.name}"
    return _by_model(table, "refine", measures, signed=True)


def _gated_table(table: ResultTable) -> str:
    models = table.models("refine")
    rows = []
    drafts = [table.find("refine", model, "draft: correct") for model in models]
    rows.append(["draft", *[percent(result) for result in drafts]])
    for arm in ARMS:
        for rounds in (1, 3, 6):
            cells = []
            for model in models:
                result = table.find("refine", model, f"gated, {arm.name}, {rounds}: correct")
                cells.append(_with_calls(result))
            rows.append([f"{arm.name}, up to {rounds}", *cells])
    return to_markdown(["% right; calls per task", *models], rows)


def _with_calls(result: Result | None) -> str:
    if result is None or result.value is None or result.x is None:
        return "—"
    return f"{100 * result.value:.1f}; {result.x:.1f}"


def _equal_calls_table(table: ResultTable) -> str:
    measures = {}
    for arm in ("one critique", "best of 8, helpful", "up to 6 of 8, helpful"):
        for rounds in (1, 3, 6):
            for baseline in ("best of n drafts", "direct, repeated"):
                label = f"{arm}, up to {rounds} − {baseline}"
                measures[label] = f"{arm}, {rounds} - {baseline}"
    return _by_model(table, "equal_calls", measures, signed=True)


def _gdc_table(table: ResultTable) -> str:
    names = ("G", "D", "C", "oracle", "GD", "GC", "CD")
    models = table.models("gdc")
    rows = []
    for name in names:
        is_gap = len(name) == 2
        cells = [percent(table.find("gdc", model, name), signed=is_gap) for model in models]
        rows.append([name, *cells])
    return to_markdown(["", *models], rows)


def _cross_table(table: ResultTable) -> str:
    pairs = (("small", "medium-0"), ("medium-0", "large"), ("small", "large"))
    rows = []
    for first, second in pairs:
        cells = []
        for measure in ("one critique valid", "best of 8 valid"):
            result = table.find("cross", second, f"{measure}: {second} - {first}")
            cells.append(percent(result, signed=True))
        rows.append([f"critic {second} − {first}", *cells])
    return to_markdown(["on the same flawed answers", "one critique", "best of 8"], rows)


def _frontier_table(table: ResultTable) -> str:
    measures = {}
    for origin in ("natural", "inserted"):
        for search in SEARCHES:
            for choice in ("chosen", "50th percentile"):
                for measure in ("comprehensive", "spurious"):
                    label = f"{origin}, {search}, {choice}: {measure}"
                    measures[label] = label
    return _by_model(table, "frontier", measures)


def _frontier_pairs_table(table: ResultTable) -> str:
    measures = {}
    for origin in ("natural", "inserted"):
        for search in SEARCHES[:-1]:
            for choice in ("chosen", "50th percentile"):
                for measure in ("comprehensive", "spurious"):
                    label = f"{origin}, {search} - best_of_28, {choice}: {measure}"
                    measures[label.replace(" - ", " − ")] = label
    return _by_model(table, "frontier", measures, signed=True)


def _settings_table(table: ResultTable, experiment: str) -> str:
    rows = []
    for result in table.results:
        is_row = result.experiment == experiment and result.model == _ALL
        if not is_row or not result.measure.endswith(": correct"):
            continue
        name = result.measure.removesuffix(": correct")
        gain = table.find(experiment, _ALL, f"{name}: gain over default")
        calls = table.value(experiment, _ALL, f"{name}: calls")
        rows.append([name, percent(result), f"{calls:.1f}", percent(gain, signed=True)])
    header = ["mean of the models that sort words", "% right", "calls per task", "− default"]
    return to_markdown(header, rows)


def _settings_models_table(table: ResultTable) -> str:
    models = [model for model in table.models("settings_test") if model != _ALL]
    rows = []
    for result in table.results:
        is_row = result.experiment == "settings_test" and result.model == _ALL
        if is_row and result.measure.endswith(": gain over default"):
            cells = []
            for model in models:
                cells.append(
                    percent(table.find("settings_test", model, result.measure), signed=True)
                )
            rows.append([result.measure.split(":")[0] + " − default", *cells])
    return to_markdown(["", *models], rows)
