import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.data.files import (
    append_record,
    read_answers,
    read_ratings,
    read_records,
    to_line,
    write_records,
)
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample, Rating, RatingForm
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ANSWERS = st.builds(
    AnswerRecord,
    id=TEXT,
    task=TEXT,
    question=TEXT,
    answer=TEXT,
    origin=st.sampled_from(["natural", "inserted", "clean"]),
    is_correct=st.none() | st.booleans(),
    quality=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    bugs=st.none() | st.lists(st.builds(Bug, id=st.uuids().map(str), description=TEXT), max_size=2),
    critiques=st.lists(
        st.builds(
            CritiqueSample,
            id=st.uuids().map(str),
            critic=TEXT,
            text=TEXT,
            comments=st.lists(st.builds(Comment, quote=TEXT, text=TEXT), max_size=2),
        ),
        max_size=2,
    ),
)


def answer(name: str = "1", **values: object) -> AnswerRecord:
    return AnswerRecord(id=name, task="t", question="?", answer="!", **values)


def write_lines(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


@given(ANSWERS)
def test_a_line_is_the_record(record: AnswerRecord):
    line = to_line(record)
    assert line.count("\n") == 1
    assert line.isascii()
    assert AnswerRecord.model_validate_json(line) == record


def test_files_round_trip(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    records = [answer("1", bugs=[]), answer("2", context="line\u2028separator\r\ud800")]
    write_records(path, records)
    append_record(path, answer("3"))
    assert read_answers(path) == [*records, answer("3")]


def test_unknown_bugs_differ_from_no_bugs(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    write_records(path, [answer("1", bugs=[]), answer("2")])
    assert [record.bugs for record in read_answers(path)] == [[], None]


def test_reads_a_file_with_a_byte_order_mark_and_blank_lines(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    path.write_text("\ufeff" + to_line(answer()) + "\n  \n", encoding="utf-8")
    assert read_answers(path) == [answer()]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 1: not JSON"),
        ("[" * 100_000, "line 1: not JSON (nested too deeply)"),
        ("[1]", "line 1: not a JSON object"),
        ({"id": "1"}, "line 1: no schema_version. Add"),
        (
            {"schema_version": 2, "id": "1"},
            "schema_version 2, but this version of selfcritic reads 1",
        ),
        ({"schema_version": 1, "id": "1"}, "task: Field required; question: Field required"),
        (to_line(answer()).strip()[:-1] + ', "quality": NaN}', "NaN is not a JSON number"),
        (to_line(answer()).strip()[:-1] + ', "score": 1}', "score: Extra inputs are not permitted"),
    ],
)
def test_invalid_lines_name_the_line_and_the_field(tmp_path: Path, line: object, problem: str):
    path = write_lines(tmp_path / "records.jsonl", line)
    with pytest.raises(InputError) as error:
        read_answers(path)
    assert str(error.value).startswith(f"{path} has invalid records:\n")
    assert problem in str(error.value)


def test_many_invalid_lines_are_counted(tmp_path: Path):
    path = write_lines(tmp_path / "records.jsonl", *["{"] * 8)
    with pytest.raises(InputError, match="3 more lines have problems"):
        read_answers(path)


def test_mixed_versions_name_the_line(tmp_path: Path):
    lines = [to_line(answer("1")).strip(), to_line(answer("2")).replace(": 1,", ": 3,", 1).strip()]
    with pytest.raises(InputError, match="line 2: schema_version 3"):
        read_answers(write_lines(tmp_path / "records.jsonl", *lines))


def test_duplicate_ids(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    write_records(path, [answer("1"), answer("2"), answer("1")])
    with pytest.raises(InputError, match="records 1 and 3 have the same id '1'"):
        read_answers(path)
    critiques = [CritiqueSample(id="c", critic="x", text="y")] * 2
    write_records(path, [answer(critiques=critiques)])
    with pytest.raises(InputError, match="two critiques of record '1' have the id 'c'"):
        read_answers(path)


def test_unreadable_files(tmp_path: Path):
    with pytest.raises(InputError, match="does not exist"):
        read_answers(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        read_answers(tmp_path)
    with pytest.raises(InputError, match="has no records"):
        read_answers(write_lines(tmp_path / "empty.jsonl"))
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(InputError, match="not UTF-8 at byte 8"):
        read_answers(latin)


def test_the_wrong_kind_of_file_is_refused(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    write_records(path, [answer()])
    with pytest.raises(InputError, match=r"rater: Field required|record: Field required"):
        read_ratings(path)


def test_a_cut_off_line_is_completed_before_the_next_record(tmp_path: Path):
    path = tmp_path / "ratings.jsonl"
    rating = Rating(
        record="1", critique="c", rater="me", rater_type="human", form=RatingForm(overall=7)
    )
    append_record(path, rating)
    path.write_bytes(path.read_bytes() + b'{"schema_version": 1, "rec')
    append_record(path, rating)
    with pytest.raises(InputError, match="line 2: not JSON"):
        read_ratings(path)
    assert path.read_text().splitlines()[2] == to_line(rating).strip()


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    write_records(path, [answer("old")])

    def records():
        yield answer("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(path, records())
    assert read_answers(path) == [answer("old")]


def test_records_appended_before_a_kill_are_whole(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from selfcritic.agent.data.files import append_record
        from selfcritic.agent.data.records import AnswerRecord
        for number in range(100_000):
            append_record(Path(sys.argv[1]), AnswerRecord(id=str(number), task="t", question="?", answer="x" * 5000))
            print(number, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(20):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
    assert len(whole) > last
    write_records(path, [AnswerRecord.model_validate_json(line) for line in whole])
    assert len(read_records(path, AnswerRecord)) == len(whole)
