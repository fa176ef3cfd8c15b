"""Build the tables that `selfcritic eval` prints."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from selfcritic.agent.evals.epochs import Spread
    from selfcritic.agent.evals.measurement import Measurement

_MEASURE_WIDTH = 34
_CRITIC_WIDTH = 20
_BREAK = re.compile(r"(?<=[/_:@?&=-])(?=.)")
"""Places where a name may continue on the next line."""


def print_table(table: Table, console: Console, indent: int) -> None:
    """Print a table without spaces at the ends of its lines."""
    with console.capture() as capture:
        console.print(Padding(table, (0, 0, 0, indent), expand=False))
    for line in capture.get().splitlines():
        text = Text.from_ansi(line)
        text.rstrip()
        console.print(text, soft_wrap=True)


def build_table(rows: "Sequence[Measurement]", notes: dict[str, int]) -> Table:
    """Return a table of one group of answers; `notes` collects numbered notes."""
    from selfcritic.agent.evals.report import clean, format_count, format_interval, format_value

    table = Table(box=None, pad_edge=False)
    table.add_column("measure", overflow="fold", max_width=_MEASURE_WIDTH)
    has_critics = any(row.label.critic for row in rows)
    if has_critics:
        table.add_column("critic", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95% interval", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    for row in rows:
        interval = format_interval(row)
        note = row.estimate.note
        if note:
            number = notes.setdefault(note, len(notes) + 1)
            interval += f" [{number}]"
        cells = [clean(row.label.name)]
        if has_critics:
            cells.append(wrap_name(clean(row.label.critic)))
        value = format_value(row.estimate.value, row.unit)
        table.add_row(*cells, value, interval, format_count(row))
    return table


def build_curve_table(rows: "Sequence[Measurement]") -> Table:
    """Return a table with one column for each pool size N; intervals are in the files."""
    from selfcritic.agent.evals.report import clean, format_value
    from selfcritic.agent.evals.sections.curves import ORACLE_SUFFIX

    sizes = sorted({row.n for row in rows if row.n is not None})
    table = Table(box=None, pad_edge=False)
    has_critics = any(row.label.critic for row in rows)
    if has_critics:
        table.add_column("critic", no_wrap=True)
    table.add_column("chosen by", no_wrap=True)
    for size in sizes:
        table.add_column(f"N={size}", justify="right", no_wrap=True)
    lines: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        selection = "oracle" if row.label.name.endswith(ORACLE_SUFFIX) else "score"
        line = lines.setdefault((row.label.critic, selection), {})
        line[row.n or 0] = format_value(row.estimate.value, row.unit)
    for (critic, selection), values in lines.items():
        cells = [wrap_name(clean(critic))] if has_critics else []
        table.add_row(*cells, selection, *[values.get(size, "") for size in sizes])
    return table


def build_spread_table(spreads: "Sequence[Spread]") -> Table:
    """Return a table of the differences between epochs, for one group of answers."""
    from selfcritic.agent.evals.report import clean, format_spread

    table = Table(box=None, pad_edge=False)
    table.add_column("measure", overflow="fold", max_width=_MEASURE_WIDTH)
    table.add_column("critic", no_wrap=True)
    for name in ("SD", "lowest", "highest", "changed"):
        table.add_column(name, justify="right", no_wrap=True)
    for spread in spreads:
        critic = wrap_name(clean(spread.label.critic))
        table.add_row(clean(spread.name), critic, *format_spread(spread))
    return table


def wrap_name(name: str, width: int = _CRITIC_WIDTH) -> str:
    """Break a long name into lines, after a separator such as a slash where there is one."""
    lines = [""]
    for part in _BREAK.split(name):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        for character in part:
            if cell_len(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)
