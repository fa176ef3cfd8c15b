"""Files are read as they are or refused with a reason, and every quote has its lines and columns."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.documents import Document, document, read, uri


def made(text: str, **fields: object) -> Document:
    return Document(name="x", text=text, uri="x", **fields)


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("x.txt", b"a\r\nb\tc\n", "a\r\nb\tc\n"),
        ("x.txt", "\ufeffcafé 😀".encode(), "café 😀"),
        ("x.txt", "é\n".encode("utf-16"), "é\n"),
        ("x.py", "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        ("x.py", "\ufeffx = 1\n".encode(), "x = 1\n"),
        ("x.py", b"# coding: no-such-encoding\n", "# coding: no-such-encoding\n"),
    ],
)
def test_a_text_is_read_with_its_own_line_ends(tmp_path: Path, name: str, data: bytes, text: str):
    path = tmp_path / name
    path.write_bytes(data)
    assert document(str(path), read(str(path)), "x").text == text


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "is binary"),
        ("ok\ncaf\xe9\n".encode("latin-1"), "is not UTF-8: byte 0xe9 in line 2"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(tmp_path: Path, data: bytes, complaint: str):
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=complaint):
        document(str(path), read(str(path)), "x")


def test_standard_input_is_read_as_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("é\r\n".encode()), encoding="ascii"))
    assert read("-") == "é\r\n"


def test_a_quote_is_placed_by_line_and_column():
    text = "one\r\n\ttwo 😀 three\nfour"
    place = made(text).place(text.index("two"), text.index("four") + 2)
    assert (place.line, place.column, place.end_line, place.end_column) == (1, 1, 2, 2)


def test_a_last_line_end_is_no_part_of_a_quote():
    place = made("one\r\ntwo\r\n").place(0, 5)
    assert (place.line, place.end_line, place.end_column) == (0, 0, 3)


def test_the_end_of_a_text_has_a_place():
    place = made("one\ntwo\n").place(8, 8)
    assert (place.line, place.column, place.end_line, place.end_column) == (1, 3, 1, 3)


def test_lines_that_are_none_of_the_file_are_left_out_of_a_place():
    text = "@@ line 7 @@\nseven\n@@ line 20 @@\ntwenty\n"
    piece = made(text, numbers=[0, 7, 0, 20], changed=frozenset({1}))
    assert (piece.place(0, 18).line, piece.place(0, 18).column) == (1, 0)
    assert (piece.place(13, 30).end_line, piece.place(13, 30).end_column) == (1, 5)
    assert piece.is_quotable(0, 18)
    assert not piece.is_quotable(piece.starts[3], piece.starts[3] + 3)


@given(st.text(alphabet="ab\t\r\n\x0c\u2028é😀", min_size=1), st.data())
def test_every_quote_is_where_its_place_says(text: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    one = made(text)
    place = one.place(start, end)
    quoted = [one.lines[line] for line in range(place.line, place.end_line + 1)]
    quoted[-1] = quoted[-1][: place.end_column]
    quoted[0] = quoted[0][place.column :]
    wanted = text[start:end].rstrip("\r\n")
    assert "\n".join(quoted).replace("\r", "") == wanted.replace("\r", "")


def test_a_file_in_the_repository_has_a_relative_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert uri("a b#é.py") == "sub/a%20b%23%C3%A9.py"
    assert uri("/elsewhere/x.py") == "file:///elsewhere/x.py"
