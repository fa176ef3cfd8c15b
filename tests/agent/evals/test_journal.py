"""Test what survives a crash: finished samples and usage."""

import asyncio
import errno
from pathlib import Path
from typing import Any, cast

import pytest

from selfcritic.agent.data.files import read_answers, read_ratings
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, Rating
from selfcritic.agent.errors import BudgetExhausted, CheckpointError, InputError
from selfcritic.agent.evals import journal as journal_module
from selfcritic.agent.evals.costs import split_usage
from selfcritic.agent.evals.experiments import Item
from selfcritic.agent.evals.journal import (
    SAMPLES_FILE,
    FinishedSample,
    Journal,
    SavedBudget,
    UsageStore,
    merge_records,
)
from selfcritic.agent.evals.runner import Report, RunOptions, _Run
from selfcritic.agent.schemas import Budget, Usage


def sample_of(critic: str, record: str = "r", error: str | None = None) -> FinishedSample:
    critique = CritiqueSample(id=f"{critic} #1", critic=critic, text="x")
    answer = AnswerRecord(
        id=record,
        task="t",
        question="q",
        answer="a",
        critiques=[] if error else [critique],
        error=error,
    )
    rating = Rating(record=record, critique=critique.id, rater="oracle", rater_type="oracle")
    return FinishedSample(
        sample=f"{record} | {critic}",
        critic=critic,
        records=[answer],
        ratings=[] if error else [rating],
        error=error,
    )


def test_resumes_with_complete_samples_only(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append(sample_of("m", "r1"))
    journal.append(sample_of("m", "r2", error="The server is down."))
    resumed = Journal(tmp_path)
    assert resumed.get("r1 | m") == sample_of("m", "r1")
    assert resumed.get("r2 | m") is None
    resumed.append(sample_of("m", "r2"))
    assert Journal(tmp_path).get("r2 | m") == sample_of("m", "r2")


def test_drops_a_line_that_was_cut_off(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append(sample_of("m", "r1"))
    path = tmp_path / SAMPLES_FILE
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    resumed = Journal(tmp_path)
    assert list(resumed.samples) == ["r1 | m"]
    resumed.append(sample_of("m", "r2"))
    assert list(Journal(tmp_path).samples) == ["r1 | m", "r2 | m"]

    path.write_bytes(whole[:20])
    assert Journal(tmp_path).samples == {}


def test_results_are_written_in_the_order_of_the_data(tmp_path: Path):
    journal = Journal(tmp_path)
    for record in ("r2", "r1"):
        journal.append(sample_of("m", record))
    journal.write_results(["r1 | m", "r2 | m", "r3 | m"])
    assert [record.id for record in read_answers(tmp_path / "records.jsonl")] == ["r1", "r2"]
    assert [rating.record for rating in read_ratings(tmp_path / "ratings.jsonl")] == ["r1", "r2"]


def test_merges_the_critics_of_an_answer():
    [record] = merge_records([sample_of("a"), sample_of("b")])
    assert [critique.critic for critique in record.critiques] == ["a", "b"]


@pytest.mark.parametrize("is_first", [True, False])
def test_error_of_one_critic_does_not_hide_the_others(is_first: bool):
    samples = [sample_of("a", error="no"), sample_of("b")]
    if not is_first:
        samples.reverse()
    [record] = merge_records(samples)
    assert record.error is None
    assert record.metadata["errors"] == {"a": "no"}
    assert [critique.critic for critique in record.critiques] == ["b"]


def test_error_of_all_critics_is_the_records():
    [record] = merge_records([sample_of("a", error="no"), sample_of("b", error="neither")])
    assert record.error == "no"


def test_budget_counts_the_requests_of_earlier_processes(tmp_path: Path):
    with UsageStore(tmp_path) as store:
        SavedBudget(Budget(calls=2), store).reserve("critic", [])
    with UsageStore(tmp_path) as store:
        budget = SavedBudget(Budget(calls=2), store)
        budget.reserve("critic", [])
        with pytest.raises(BudgetExhausted, match="2 calls"):
            budget.reserve("critic", [])
        assert store.load().by_role["critic"].calls == 2


def test_a_sample_that_cannot_be_saved_leaves_no_partial_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fill_disk(path: Path, _: object) -> None:
        with path.open("a") as file:
            file.write('{"cut off')
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = Journal(tmp_path)
    journal.append(sample_of("m", "r1"))
    saved = (tmp_path / SAMPLES_FILE).read_text()
    monkeypatch.setattr(journal_module, "append_record", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        journal.append(sample_of("m", "r2"))
    assert (tmp_path / SAMPLES_FILE).read_text() == saved


def test_a_sample_that_cannot_be_saved_is_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class OneSample:
        async def run(self, _: Any) -> FinishedSample:
            return sample_of("m", "r")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_module, "append_record", fail)
    item = Item(sample_of("m", "r").records[0], "m")
    report = Report(1)
    with UsageStore(tmp_path) as store:
        budget = SavedBudget(Budget(), store)
        run = _Run(cast(Any, OneSample()), Journal(tmp_path), budget, RunOptions(), report)
        with pytest.raises(OSError, match="No space left"):
            asyncio.run(run.run(item))
    assert [sample.sample for sample in report.unsaved] == [item.id]


def test_a_reply_is_kept_if_its_usage_cannot_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(_: UsageStore, usage: Usage) -> None:
        raise CheckpointError("The disk is full.")

    with UsageStore(tmp_path) as store:
        budget = SavedBudget(Budget(), store)
        monkeypatch.setattr(UsageStore, "save", fail)
        budget.count_cached("critic", [], 3, [0.5], is_whole=False)
        budget.charge("critic", None, 0.5)
        assert budget.usage.cached_call_tokens == 3
        with pytest.raises(CheckpointError, match="The disk is full"):
            budget.reserve("critic", [])


def test_folder_is_locked_while_a_run_uses_it(tmp_path: Path):
    with UsageStore(tmp_path) as store:
        store.save(Usage())
        with pytest.raises(InputError, match="is in use by another process"):
            UsageStore(tmp_path)
    with UsageStore(tmp_path):
        pass


def test_shares_add_up_to_the_usage():
    usage = Usage(calls=5, cached_calls=2, input_tokens=10, output_tokens=1, cost_usd=0.3)
    shares = split_usage(usage, 3)
    assert [share["calls"] for share in shares] == [3, 2, 2]
    assert sum(share["tokens"] for share in shares) == 11
    assert sum(share["cost_usd"] for share in shares) == pytest.approx(0.3)
    assert split_usage(usage, 0) == []
    [share] = split_usage(Usage(cost_usd=None, seconds=3.0), 1)
    assert share == {"calls": 0, "tokens": 0, "cost_usd": None, "seconds": 3.0}
    [share] = split_usage(Usage(cached_calls=1, seconds=0.1), 1)
    assert share["seconds"] is None  # a reply from the cache took longer when it was sent
