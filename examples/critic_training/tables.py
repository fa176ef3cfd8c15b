"""Render the tables of docs/results/critic_training.md."""

from collections.abc import Sequence

from examples.critic_training.answers import ORIGINS
from examples.critic_training.measures import DEFAULT_PERCENTILE, MEASURES
from examples.critic_training.setup import AFTER, BEFORE, COMPARED, CRITICS, SEARCHED
from examples.papers.results import Result
from examples.papers.tables import to_markdown

NOT_RUN = "*not run*"
_PLAIN_MEASURES = ("overall score", "comments")
_SEARCHES = ("one sample", "best of 28", "FSBS")


def render_tables(results: Sequence[Result]) -> dict[str, str]:
    """Return the tables by name; each has a row or a column for each seed."""
    tables = {"reward": _column_table(results, "reward", "held-out pairs ordered rightly")}
    for origin in ORIGINS:
        names = list(CRITICS)
        tables[f"critics_{origin}"] = _measure_table(results, "critics", origin, names)
        names = [f"{name} - {BEFORE}" for name in CRITICS if name != BEFORE]
        tables[f"gains_{origin}"] = _measure_table(results, "critics", origin, names)
        names = [f"{second} - {first}" for first, second in COMPARED]
        tables[f"rewards_{origin}"] = _measure_table(results, "critics", origin, names)
        names = [f"{critic}, {search}" for critic in SEARCHED for search in _SEARCHES]
        tables[f"search_{origin}"] = _measure_table(results, "frontier", origin, names)
        names = [f"{critic}, FSBS - {critic}, best of 28" for critic in SEARCHED]
        names += [f"{AFTER}, {search} - {BEFORE}, {search}" for search in _SEARCHES[1:]]
        tables[f"search_gains_{origin}"] = _measure_table(results, "frontier", origin, names)
        tables[f"elo_{origin}"] = _column_table(
            results, "elo", f"{origin} flaws: Elo", f"{origin}: "
        )
    return tables


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, or that its steps have not run."""
    if not rows:
        return NOT_RUN
    return to_markdown(header, rows)


def show(result: Result, measure: str, *, is_difference: bool = False) -> str:
    """Return a value with its interval; shares are in percent."""
    if result.value is None:
        return "–"
    factor, digits = 100, 1
    if measure in _PLAIN_MEASURES:
        factor, digits = 1, 2
    elif measure == "elo":
        factor, digits = 1, 0
    sign = "+" if is_difference or measure == "elo" else ""
    parts = []
    for value in (result.value, result.low, result.high):
        parts.append("–" if value is None else f"{factor * value:{sign}.{digits}f}")
    return f"{parts[0]} ({parts[1]} to {parts[2]})"


def _seeds(results: Sequence[Result]) -> list[str]:
    return sorted({result.model for result in results})


def _column_table(results: Sequence[Result], experiment: str, title: str, prefix: str = "") -> str:
    """Return a table with a column for each seed, in the order of the first one's values."""
    chosen = [
        result
        for result in results
        if result.experiment == experiment and result.measure.startswith(prefix)
    ]
    seeds = _seeds(chosen)
    if experiment == "elo":
        chosen.sort(key=lambda result: result.value or 0.0, reverse=True)
    cells = {(result.measure, result.model): show(result, experiment) for result in chosen}
    rows = []
    for measure in dict.fromkeys(result.measure for result in chosen):
        row = [measure.removeprefix(prefix)]
        row += [cells.get((measure, seed), "–") for seed in seeds]
        rows.append(row)
    return write_table((title, *seeds), rows)


def _measure_table(
    results: Sequence[Result], experiment: str, origin: str, names: Sequence[str]
) -> str:
    """Return a table with a column for each measure, and a row for each name and seed."""
    rows = []
    for name in names:
        for seed in _seeds(results):
            cells = _find_cells(results, experiment, seed, f"{origin}, {name}")
            if cells:
                rows.append([f"{name}, {seed}", *cells])
    return write_table((f"{origin} flaws", *MEASURES), rows)


def _find_cells(results: Sequence[Result], experiment: str, seed: str, prefix: str) -> list[str]:
    """Return a name's values of all measures; of searches, those at the default percentile."""
    cells = []
    for measure in MEASURES:
        for result in results:
            is_shown = result.x in (None, 0.0, float(DEFAULT_PERCENTILE))
            is_row = (result.experiment, result.model) == (experiment, seed)
            if is_row and is_shown and result.measure == f"{prefix}: {measure}":
                cells.append(show(result, measure, is_difference=" - " in prefix))
    return cells
