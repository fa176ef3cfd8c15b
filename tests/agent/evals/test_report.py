"""Test the Markdown and CSV of a report."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.evals.measurement import Label, Measurement
from selfcritic.agent.evals.measures.intervals import Estimate, undefined
from selfcritic.agent.evals.report import (
    clean,
    escape_cell,
    escape_markdown,
    format_count,
    format_interval,
    format_value,
    to_csv,
    to_markdown,
)
from selfcritic.agent.evals.summary import Summary
from tests.support.eval_records import manifest

HOSTILE = "=HYPERLINK(1)|<b>\n\x1b[31m`[x](y)\u202e"
LABEL = Label("Quotes", "ungrounded", "natural", HOSTILE)


def summary_of(*measurements: Measurement) -> Summary:
    return Summary(list(measurements), [], [], ["Answers: 1 natural."], ["Careful."])


def test_markdown_has_one_row_per_measurement_and_a_header_of_the_run():
    rows = [
        Measurement(LABEL, Estimate(0.5, 0.25, 0.75, 10, 2)),
        Measurement(LABEL, undefined("all labels are equal", 3)),
    ]
    text = to_markdown(summary_of(*rows), manifest(command=["selfcritic", "a|b"]))
    lines = text.splitlines()
    assert "- Data: planted \\(SHA-256 aaaaaaaaaaaa\\)." in lines
    assert "- Command: selfcritic a\\|b" in lines
    assert "- **Warning:** Careful." in lines
    table = [line for line in lines if line.startswith("| ungrounded")]
    assert len(table) == 2
    assert "| 0.500 | 0.250 to 0.750 | 10 (-2) |" in table[0]
    assert "| – | – | 3 | all labels are equal |" in table[1]


def test_markdown_shows_names_as_they_are_in_one_cell():
    text = to_markdown(summary_of(Measurement(LABEL, Estimate(0.5, 0.25, 0.75, 10))))
    [row] = [line for line in text.splitlines() if line.startswith("| ungrounded")]
    assert "\\<b\\>" in row
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert row.replace("\\|", "").count("|") == 8


def test_csv_runs_no_formula_and_keeps_full_precision():
    text = to_csv(summary_of(Measurement(LABEL, Estimate(1 / 3, 0.25, 0.75, 10), n=4)))
    [header, row] = list(csv.reader(io.StringIO(text)))
    cells = dict(zip(header, row, strict=True))
    assert cells["critic"].startswith("'=HYPERLINK")
    assert "\n" not in cells["critic"]
    assert (float(cells["value"]), cells["n"], cells["group"]) == (1 / 3, "4", "natural")


def test_csv_leaves_undefined_values_empty():
    text = to_csv(summary_of(Measurement(LABEL, undefined("one task"))))
    [_, row] = list(csv.reader(io.StringIO(text)))
    assert (row[4:7], row[-1]) == (["", "", ""], "one task")


@settings(max_examples=50)
@given(st.text())
def test_escaped_text_has_one_line_and_no_formula(text: str):
    cell = escape_cell(text)
    assert cell.isprintable()
    assert not cell.startswith(("=", "+", "-", "@"))
    markdown = escape_markdown(text)
    assert markdown.isprintable()
    assert "|" not in markdown.replace("\\|", "").replace("\\\\", "")


def test_clean_keeps_printable_text():
    assert clean("gpt-4 Ω 漢") == "gpt-4 Ω 漢"
    assert clean("a\tb\ud800") == "a<U+0009>b<U+D800>"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.12345, "share", "0.123"),
        (0.12345, "difference", "+0.123"),
        (4.256, "score", "4.26"),
        (0.00151, "usd", "$0.0015"),
        (3.14159, "number", "3.142"),
        (1234.56, "number", "1234.6"),
        (12_345_678.0, "number", "1.23e+07"),
        (float("nan"), "share", "–"),
    ],
)
def test_formats_values_by_their_unit(value: float, unit: str, shown: str):
    assert format_value(value, unit) == shown


def test_formats_interval_and_missing_rows():
    measurement = Measurement(LABEL, Estimate(0.5, 0.25, 0.75, 10, 2))
    assert format_interval(measurement) == "0.250 to 0.750"
    assert format_count(measurement) == "10 (-2)"
