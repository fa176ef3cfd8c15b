"""Rows of JSONL, CSV and Parquet files."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, messages_to_dict
from pyarrow.parquet import write_table

from selfcritic.agent.errors import InputError
from selfcritic.graphs.batch.dataset import Columns, Row, parse_row, read_rows

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


def input_of(row: Row) -> Any:
    assert row.input is not None
    return row.input


def test_reads_jsonl(tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(
        b'{"id": 1, "question": "Why?"}\n\n' + json.dumps(MESSAGES).encode() + b"\n{broken\n\xff\n"
    )
    rows = list(read_rows(path))
    assert [row.error is None for row in rows] == [True, True, False, False]
    assert rows[0].input == {"question": "Why?"}
    assert input_of(rows[1])["messages"][-1].text == "Why?"
    assert "Line 4" in (rows[2].error or "")


def test_reads_csv(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_text(
        'id,question,messages\n1,Why?,\n2,,"' + json.dumps(MESSAGES).replace('"', '""') + '"\n3\n'
    )
    rows = list(read_rows(path))
    assert rows[0].input == {"question": "Why?"}
    assert input_of(rows[1])["messages"][-1].text == "Why?"
    assert rows[2].error


@pytest.mark.parametrize("content", [b"", b"x", b"PAR1" + bytes(40) + b"PAR1"])
def test_names_a_damaged_parquet_file(content: bytes, tmp_path: Path):
    path = tmp_path / "in.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"'in\.parquet' cannot be read as Parquet: .+") as raised:
        list(read_rows(path))
    assert "\n" not in str(raised.value)


def test_a_missing_parquet_file_is_a_missing_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as raised:
        list(read_rows(tmp_path / "in.parquet"))
    assert raised.value.filename


def test_reads_parquet(tmp_path: Path):
    path = tmp_path / "in.parquet"
    write_table(
        pa.table({"id": [1, 2], "question": ["Why?", None], "messages": [None, MESSAGES]}), path
    )
    rows = list(read_rows(path))
    assert rows[0].input == {"question": "Why?"}
    assert input_of(rows[1])["messages"][-1].text == "Why?"
    path.write_text("not Parquet")
    with pytest.raises(InputError, match="cannot be read"):
        list(read_rows(path))


def test_rejects_an_unknown_extension():
    with pytest.raises(InputError, match=r"\.parquet"):
        read_rows(Path("in.txt"))


def test_reads_langchains_message_form():
    row = parse_row(messages_to_dict([HumanMessage("Why?")]))
    assert input_of(row)["messages"][0].text == "Why?"


def test_bad_rows_without_an_id_have_different_ids():
    rows = [
        parse_row({"question": ""}),
        parse_row({"q": 1}),
        parse_row({"q": 2}),
        parse_row([]),
        parse_row({1: 2, "a": 3}),
    ]
    assert all(row.error for row in rows)
    assert len({row.id for row in rows}) == len(rows)


def test_id_defaults_to_a_hash_of_the_used_content():
    row_id = parse_row({"question": "a"}).id
    assert parse_row({"question": "a", "other": 1}).id == row_id
    assert parse_row({"question": "b"}).id != row_id


def test_reads_other_columns():
    data = {"id": 1, "prompt": "Why?", "passage": "Because.", "question": "?", "gold": None}
    row = parse_row(data, columns=Columns("prompt", "passage"))
    assert row.input == {"question": "Why?", "context": "Because."}
    assert row.extra == {"question": "?", "gold": None}
    assert row.digest == parse_row({"question": "Why?", "context": "Because."}).digest


def test_an_error_names_the_columns():
    error = parse_row({"Question": "Why?", "id": 1}).error or ""
    assert "it has neither `question` nor `messages`. Its columns are: `Question`, `id`." in error
    assert "--question-column" in error
    many = parse_row({f"column {number}": number for number in range(500)}).error or ""
    assert "`column 0`" in many
    assert len(many) < 500
    assert "`question` is empty" in (parse_row({"question": ""}).error or "")


def test_messages_must_end_with_a_question():
    answered = [*MESSAGES, {"role": "assistant", "content": "So."}]
    error = parse_row(answered).error or ""
    assert "`messages` must end with a human message, not one of type ai" in error
    assert parse_row({"question": "Why?", "messages": answered}).error is None


def test_reads_cells_above_the_limit_of_the_csv_module(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_text(f'id,question\n1,"{"a" * 140_000}"\n2,Why?\n')
    assert [len(input_of(row)["question"]) for row in read_rows(path)] == [140_000, 4]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.csv", "question,id\nWhy?,1\n"),
        ("in.csv", "question;id\nWhy?;1\n"),
        ("in.csv", "question\tid\nWhy?\t1\n"),
        ("in.tsv", "question\tid\nWhy?\t1\n"),
        ("in.csv", "question\nWhy?\n"),
    ],
)
def test_detects_the_separator(name: str, text: str, tmp_path: Path):
    path = tmp_path / name
    path.write_text(text)
    [row] = read_rows(path)
    assert row.input == {"question": "Why?"}


def test_reads_a_byte_order_mark(tmp_path: Path):
    for name, text in (("in.csv", "question\nWhy?\n"), ("in.jsonl", '{"question": "Why?"}\n')):
        path = tmp_path / name
        path.write_text(text, "utf-8-sig")
        [row] = read_rows(path)
        assert row.input == {"question": "Why?"}


def test_sets_aside_csv_rows_in_another_encoding(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"id,question\na,Caf\xe9?\nb,Why?\n")
    bad, good = read_rows(path)
    assert "Line 2 of 'in.csv' is not UTF-8: byte 0xe9" in (bad.error or "")
    assert (bad.id, good.id, good.input) == ("a", "b", {"question": "Why?"})


def test_rejects_a_csv_header_in_another_encoding(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"Caf\xe9,question\na,Why?\n")
    with pytest.raises(InputError, match=r"The header of 'in\.csv' is not UTF-8: byte 0xe9"):
        list(read_rows(path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("in.csv", "id,question\na,Café?\n"), ("in.jsonl", '{"question": "Café?"}\n')],
)
def test_reads_encodings_with_a_byte_order_mark(
    encoding: str, name: str, text: str, tmp_path: Path
):
    path = tmp_path / name
    path.write_text(text, encoding)
    [row] = read_rows(path)
    assert row.input == {"question": "Café?"}


def test_an_unclosed_quote_costs_one_row(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_text('id,question\na,Why?\nb,"Open?\nc,"Two\nlines?"\nd,"How?"\n')
    rows = list(read_rows(path))
    assert {row.id for row in rows if row.error is None} >= {"a", "d"}
    assert [row.error for row in rows if row.error] != []
    path.write_text('id,question\na,Why?\nb,"Open?\nc,What?\nd,How?\n')
    rows = list(read_rows(path))
    assert [row.id for row in rows if row.error is None] == ["a", "c", "d"]
    assert [row.error for row in rows if row.error] == ["Line 3 has a quote that is not closed."]


NESTED = json.loads("[" * 900 + "]" * 900)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"question": "?", "note": NESTED}, "nested deeper than 64 levels"),
        (NESTED, "nested deeper"),
        ({"id": NESTED, "question": "?"}, "nested deeper"),
        ({"id": "\ud800", "question": "?"}, r"`id`: the text '\ud800' is not valid Unicode"),
        ({"question": "a \udfff b"}, r"the text 'a \udfff b' is not valid Unicode"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "not valid Unicode"),
        ({"id": 10**5000, "question": "?"}, "thousands of digits"),
    ],
)
def test_sets_aside_data_that_cannot_be_saved(data: Any, reason: str):
    row = parse_row(data)
    assert row.input is None
    assert reason in (row.error or "")
    json.dumps([row.id, row.error], ensure_ascii=False).encode()


@given(
    st.lists(
        st.text(st.sampled_from('ab,;"\n\r\t é\x00\ufeff'), max_size=12), min_size=1, max_size=8
    ),
    st.sampled_from(["utf-8", "latin-1", "utf-16"]),
)
def test_reads_any_csv_file(lines: list[str], encoding: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        text = "id,question\ngood,Why?\n" + "\n".join(lines)
        path.write_bytes(text.encode(encoding, "replace"))
        rows = list(read_rows(path))
    assert (rows[0].id, rows[0].input) == ("good", {"question": "Why?"})
    assert all((row.input is None) != (row.error is None) for row in rows)


def test_deeply_nested_json_is_a_bad_row(tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_text("[" * 100_000 + "\n" + '{"question": "Why?"}\n')
    bad, good = read_rows(path)
    assert bad.error is not None
    assert good.input == {"question": "Why?"}


KEYS = st.sampled_from(["id", "question", "context", "messages", "role", "content", "type", "data"])
JSON = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(JSON)
def test_any_json_is_a_row_with_input_or_error(data: Any):
    row = parse_row(data)
    assert (row.input is None) == (row.error is not None)
    assert not row.extra.keys() & {"id", "question", "context", "messages"}
