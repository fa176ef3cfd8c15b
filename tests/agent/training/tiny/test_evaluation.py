"""Tests of evaluations on held-out tasks."""

import json
from pathlib import Path

import pytest

from selfcritic.agent.models.tiny import engine
from selfcritic.agent.models.tiny.engine import Completion, Engine
from selfcritic.agent.training.tiny.evaluation import (
    Evaluation,
    FirstDrafts,
    HeldOut,
    evaluate,
    evaluate_runs,
)

pytest.importorskip("ctranslate2", reason="needs the extra `tiny`")

WEIGHTS = Path(engine.__file__).parent / "weights" / "alphabetize"
SIZES = [4, 16, 20, 30]
HELD_OUT = HeldOut("alphabetize", SIZES, 24)
OLD = {"is_flawed": [True], "p_flawed": [0.7], "is_valid": [False]}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(WEIGHTS, HELD_OUT)


def test_evaluates_on_test_tasks_of_the_sizes_chosen_on_development_tasks(evaluation: Evaluation):
    assert sorted(set(evaluation.dev.sizes)) == SIZES
    assert set(evaluation.test.sizes) == set(evaluation.choice.sizes)
    assert 4 not in evaluation.test.sizes
    assert not set(evaluation.test.tasks) & set(evaluation.dev.tasks)


def test_every_test_task_has_a_verdict_and_every_flawed_draft_a_critique(evaluation: Evaluation):
    assert len(evaluation.test.tasks) == len(evaluation.test.is_flawed) == 24
    assert len(evaluation.p_flawed) == 24
    assert len(evaluation.is_valid) == sum(evaluation.test.is_flawed)


def test_development_tasks_get_drafts_only(monkeypatch: pytest.MonkeyPatch):
    prompts_by_call: list[int] = []

    def reply(self, prompts, seed):
        prompts_by_call.append(len(prompts))
        return [[Completion("", 0.5, is_truncated=False)] for _ in prompts]

    monkeypatch.setattr(Engine, "complete", reply)
    evaluation = evaluate(WEIGHTS, HeldOut("alphabetize", [4, 5], 6))
    drafts_of_dev, *others = prompts_by_call
    assert drafts_of_dev == 6
    assert others == [6, 6, 6]
    assert evaluation.choice.problem == "too hard at every size"
    assert evaluation.test.sizes == [4, 4, 4, 5, 5, 5]


def test_saves_and_loads(evaluation: Evaluation, tmp_path: Path):
    assert not HELD_OUT.is_evaluated(tmp_path)
    evaluation.save(tmp_path)
    assert Evaluation.load(tmp_path) == evaluation
    assert HELD_OUT.is_evaluated(tmp_path)


def test_only_more_tasks_need_another_evaluation(evaluation: Evaluation, tmp_path: Path):
    evaluation.save(tmp_path)
    assert HeldOut("alphabetize", SIZES, 8).is_evaluated(tmp_path)
    assert not HeldOut("alphabetize", SIZES, 40).is_evaluated(tmp_path)


@pytest.mark.parametrize("text", [json.dumps(OLD), "{"])
def test_evaluations_without_sizes_are_made_again(text: str, tmp_path: Path):
    (tmp_path / "evaluation.json").write_text(text)
    assert Evaluation.load(tmp_path) is None
    assert not HELD_OUT.is_evaluated(tmp_path)


@pytest.fixture
def run_folders(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        (folder / "int8").symlink_to(WEIGHTS)
    return folders


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record the folder and number of development tasks of each saved evaluation."""
    counts = []
    save = Evaluation.save

    def record(evaluation: Evaluation, folder: Path) -> None:
        counts.append((folder.name, len(evaluation.dev.tasks)))
        save(evaluation, folder)

    monkeypatch.setattr(Evaluation, "save", record)
    return counts


def test_every_run_is_evaluated_on_a_few_tasks_first(
    run_folders: list[Path], saved: list[tuple[str, int]]
):
    held_out = HeldOut("alphabetize", [4, 5], 16)
    evaluate_runs(run_folders, held_out)
    assert saved == [("a", 4), ("b", 4), ("a", 16), ("b", 16)]
    assert all(held_out.is_evaluated(folder) for folder in run_folders)


def test_evaluations_on_enough_tasks_are_kept(
    run_folders: list[Path], saved: list[tuple[str, int]]
):
    evaluate_runs(run_folders[:1], HeldOut("alphabetize", [4, 5], 8))
    saved.clear()
    evaluate_runs(run_folders, HeldOut("alphabetize", [4, 5], 16))
    assert saved == [("b", 4), ("a", 16), ("b", 16)]
    saved.clear()
    evaluate_runs(run_folders, HeldOut("alphabetize", [4, 5], 8))
    assert saved == []


def test_equal_parts_are_evaluated_once(run_folders: list[Path], saved: list[tuple[str, int]]):
    evaluate_runs(run_folders, HeldOut("alphabetize", [4, 5], 2))
    assert saved == [("a", 2), ("b", 2)]


def test_selects_drafts_by_size():
    drafts = FirstDrafts(["a", "b", "c"], [3, 4, 5], [True, False, True])
    assert drafts.of_sizes([3, 5]) == FirstDrafts(["a", "c"], [3, 5], [True, True])
