"""Reading of files and standard input, and locations of quotes."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.documents import (
    Document,
    Location,
    create_document,
    read_text,
)
from selfcritic.graphs.cli.review.repository import file_uri


def make_document(text: str, **fields: object) -> Document:
    return Document(name="x", text=text, uri="x", **fields)


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("x.txt", b"a\r\nb\tc\n", "a\r\nb\tc\n"),
        ("x.txt", "\ufeffcafé 😀".encode(), "café 😀"),
        ("x.txt", "é\n".encode("utf-16"), "é\n"),
        (
            "x.py",
            "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"),
            "# -*- coding: latin-1 -*-\nx = 'é'\n",
        ),
        ("x.py", "\ufeffx = 1\n".encode(), "x = 1\n"),
    ],
)
def test_decodes_text_and_keeps_line_ends(tmp_path: Path, name: str, data: bytes, text: str):
    path = tmp_path / name
    path.write_bytes(data)
    assert create_document(str(path), read_text(str(path)), "x").text == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "is binary"),
        ("ok\ncaf\xe9\n".encode("latin-1"), "is not UTF-8: byte 0xe9 in line 2"),
    ],
)
def test_rejects_input_that_is_not_text(tmp_path: Path, data: bytes, message: str):
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        create_document(str(path), read_text(str(path)), "x")


def test_reads_standard_input_as_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO("é\r\n".encode()), encoding="ascii")
    )
    assert read_text("-") == "é\r\n"


def test_locates_a_quote_by_line_and_column():
    text = "one\r\n\ttwo 😀 three\nfour"
    location = make_document(text).locate(text.index("two"), text.index("four") + 2)
    assert location == Location(line=1, column=1, end_line=2, end_column=2)


def test_leaves_out_a_final_line_end():
    location = make_document("one\r\ntwo\r\n").locate(0, 5)
    assert (location.line, location.end_line, location.end_column) == (0, 0, 3)


def test_locates_the_end_of_a_text():
    location = make_document("one\ntwo\n").locate(8, 8)
    assert location == Location(line=1, column=3, end_line=1, end_column=3)


def test_leaves_out_hunk_headings():
    text = "@@ line 7 @@\nseven\n@@ line 20 @@\ntwenty\n"
    document = make_document(text, line_numbers=[0, 7, 0, 20], changed_lines=frozenset({1}))
    after_heading = document.locate(0, 18)
    assert (after_heading.line, after_heading.column) == (1, 0)
    before_heading = document.locate(13, 30)
    assert (before_heading.end_line, before_heading.end_column) == (1, 5)
    assert document.is_quotable(after_heading)
    unchanged_start = document.line_starts[3]
    assert not document.is_quotable(document.locate(unchanged_start, unchanged_start + 3))


@given(st.text(alphabet="ab\t\r\n\x0c\u2028é😀", min_size=1), st.data())
def test_every_location_selects_its_quote(text: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    document = make_document(text)
    location = document.locate(start, end)
    lines = document.lines[location.line : location.end_line + 1]
    lines[-1] = lines[-1][: location.end_column]
    lines[0] = lines[0][location.column :]
    expected = text[start:end].rstrip("\r\n")
    assert "\n".join(lines).replace("\r", "") == expected.replace("\r", "")


def test_a_uri_is_relative_in_the_repository_and_absolute_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert file_uri("a b#é.py") == "sub/a%20b%23%C3%A9.py"
    assert file_uri("/elsewhere/x.py") == "file:///elsewhere/x.py"
