"""Tests of reading training data and dividing its tasks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.data.files import write_records
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.data import assign_splits, load_data, require_records


def record(name: str, task: str, split: str | None = None, answer: str = "") -> AnswerRecord:
    return AnswerRecord(id=name, task=task, question="q", answer=answer or name, split=split)


def test_keeps_all_answers_of_a_task_in_one_split():
    records = [record(f"{task}-{number}", f"task-{task}") for task in range(50) for number in "ab"]
    assigned = assign_splits(records)
    splits: dict[str, set[str | None]] = {}
    for item in assigned:
        splits.setdefault(item.task, set()).add(item.split)
    assert all(len(found) == 1 for found in splits.values())
    counts = [sum(item.split == name for item in assigned) for name in ("train", "dev", "test")]
    assert counts[0] > 60
    assert min(counts) > 0


def test_a_record_without_a_split_has_that_of_its_task():
    assigned = assign_splits([record("a", "t"), record("b", "t", "test")])
    assert [item.split for item in assigned] == ["test", "test"]


def test_rejects_a_task_on_both_sides():
    with pytest.raises(
        InputError, match=r"'a' is in the split 'train' and record 'b' in 'test'.*same task"
    ):
        assign_splits([record("a", "t", "train"), record("b", "t", "test")])


def test_rejects_an_answer_on_both_sides_under_two_task_names():
    records = [record("a", "t", "train", "same"), record("b", "u", "dev", "same")]
    with pytest.raises(InputError, match="same question and answer"):
        assign_splits(records)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "train", "dev", "test"]))))
def test_never_splits_a_task(rows: list[tuple[int, str | None]]):
    records = [record(str(index), str(task), split) for index, (task, split) in enumerate(rows)]
    try:
        assigned = assign_splits(records)
    except InputError:
        given_splits: dict[int, set[str | None]] = {}
        for task, split in rows:
            given_splits.setdefault(task, set()).add(split)
        assert any(len(found - {None}) > 1 for found in given_splits.values())
        return
    by_task: dict[str, str | None] = {}
    for item in assigned:
        assert by_task.setdefault(item.task, item.split) == item.split


def test_reads_a_folder_with_ratings(tmp_path: Path):
    write_records(tmp_path / "records.jsonl", [record("a", "t")])
    assert load_data(tmp_path).records == load_data(tmp_path / "records.jsonl").records
    assert load_data(tmp_path).comparisons == []


def test_names_the_split_that_is_empty():
    with pytest.raises(InputError, match="no dev records with bugs"):
        require_records([], "dev", "with bugs")
