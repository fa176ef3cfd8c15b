"""Tests of the experiment that trains critics: grading, scoring, selection and tables."""

import random
from pathlib import Path

import pytest

pytest.importorskip(
    "transformers",
    reason="needs torch, transformers and trl: make train-tools",
)
pytest.importorskip(
    "torch",
    reason="needs torch, transformers and trl: make train-tools",
)

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from examples.critic_training.answers import draw_answers, to_record
from examples.critic_training.comparisons import make_comparisons, read_pairs
from examples.critic_training.critics import sample_critiques, to_sample
from examples.critic_training.measures import (
    RatedCritique,
    _win_rate,
    average_pools,
    read_pools,
    select,
)
from examples.critic_training.plots import draw_plots
from examples.critic_training.scorer import RewardScorer
from examples.critic_training.search import POOL_SIZE, search_fsbs
from examples.critic_training.steps import write_pools
from examples.critic_training.tables import NOT_RUN, render_tables, show
from examples.papers.results import Result
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, RatingForm
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.model import SHIPPED
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Alphabetize
from selfcritic.agent.training.tiny.examples import GradedDraft, draw_task, render_prompt
from selfcritic.agent.training.tiny.llama import to_llama
from selfcritic.agent.training.tiny.multi_comment import draw_tampered_draft

CRITIQUE = (
    '```\ncherry\n```\n"cherry" is out of order: it belongs right after "banana".\n\n'
    '```\nbanana\n```\n"banana" is out of order: it belongs right after "apple".\n'
)


def _record() -> AnswerRecord:
    task = Alphabetize.parse("Sort these words alphabetically: cherry, apple, banana, date")
    assert task is not None
    return to_record(GradedDraft.grade(task, "cherry, apple, banana, date"), "test", "natural")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(SHIPPED)


@pytest.fixture(scope="module")
def reward_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a reward model with the decoder's weights and a head that is not zero."""
    folder = tmp_path_factory.mktemp("reward")
    to_llama(SHIPPED, folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.score.weight)
    model.save_pretrained(folder)
    return folder


def test_scores_equal_those_of_transformers(reward_folder: Path):
    record = _record()
    critiques = [
        to_sample(ground(text, record.answer), "critic", number)
        for number, text in enumerate((CRITIQUE, CRITIQUE.split("\n\n")[0], CRITIQUE))
    ]
    scored = RewardScorer(reward_folder).score(record, critiques)
    model = AutoModelForSequenceClassification.from_pretrained(reward_folder)
    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    for critique in scored:
        prompt = render_prompt(
            "helpfulness",
            record.question,
            answer=record.answer,
            critique=critique.text if critique.text.endswith("\n") else f"{critique.text}\n",
        )
        ids = tokenizer(f"{prompt}<reply>", return_tensors="pt")
        with torch.inference_mode():
            expected = float(model(**ids).logits[0, 0])
        assert critique.reward == pytest.approx(expected, abs=1e-4)
    assert scored[0].reward != pytest.approx(scored[1].reward, abs=1e-3)


def test_splits_share_no_task_and_answers_are_flawed(engine: Engine):
    train = draw_answers(engine, "train", 3)
    test = draw_answers(engine, "test", 3, {record.task for record in train})
    assert len(train) == len(test) == 6
    assert not {record.task for record in train} & {record.task for record in test}
    for record in [*train, *test]:
        assert record.bugs
        task = Alphabetize.parse(record.question)
        assert task is not None
        assert not task.is_correct(record.answer)


def test_comparisons_give_pairs_and_gold_only_for_tampered_answers(engine: Engine, tmp_path: Path):
    rng = random.Random(1)
    records = []
    for origin in ("natural", "inserted"):
        draft = draw_tampered_draft(draw_task("alphabetize", rng), rng)
        records.append(to_record(draft, "train", origin))
    make_comparisons(engine, records, "critic", tmp_path, 0)
    pairs = read_pairs(tmp_path)
    gold = {pair.record.origin for pair in pairs if pair.chosen.critic == "gold"}
    assert gold == {"inserted"}
    natural = read_pairs(tmp_path, with_tampered=False)
    assert all(pair.record.origin == "natural" for pair in natural)


def test_fsbs_ranks_28_critiques_that_quote_first(engine: Engine, reward_folder: Path):
    record = _record()
    pool = search_fsbs(engine, RewardScorer(reward_folder), record, "critic")
    assert len(pool) <= POOL_SIZE == 28
    assert [sample.iteration for sample in pool[:4]] == [0, 0, 0, 0]
    assert all(sample.text.startswith("```\n") for sample in pool)
    assert all(sample.reward is not None for sample in pool)
    assert len({sample.id for sample in pool}) == len(pool)


def test_pools_are_written_and_averaged(engine: Engine, tmp_path: Path):
    record = _record()
    pools = sample_critiques(engine, [record], "critic", 3, 0)
    write_pools(tmp_path / "pools", [record], pools)
    [pool] = read_pools(tmp_path / "pools")
    assert [rated.critique.id for rated in pool.critiques] == ["critic/0", "critic/1", "critic/2"]
    column = average_pools([pool])[record.id]
    assert 0 <= column["bug inclusion"] <= 1
    num_comments = [len(item.comments) + len(item.ungrounded) for item in pools[0]]
    assert column["comments"] == pytest.approx(sum(num_comments) / 3)


def _rated(reward: float, num_comments: int) -> RatedCritique:
    comments = [
        Comment(quote=str(number), text="x", start=number, end=number + 1)
        for number in range(num_comments)
    ]
    critique = CritiqueSample(
        id=str(reward), critic="critic", text="", comments=comments, reward=reward
    )
    return RatedCritique(critique, RatingForm())


def test_a_higher_modifier_selects_more_comments():
    pool = [_rated(2.0, 1), _rated(1.0, 3), _rated(9.0, 0)]
    short, long = select(pool, 0.0), select(pool, 1.0)
    assert short is not None
    assert long is not None
    assert (len(short.critique.comments), len(long.critique.comments)) == (1, 3)
    assert select([_rated(9.0, 0)], 0.0) is None


def test_ties_count_half():
    assert _win_rate([1, 2], [1]) == 0.75
    assert _win_rate([1], [2]) == 0


def test_tables_show_percent_with_intervals():
    result = Result("critics", "seed 0", "x", 0.5, 0.4, 0.625, 10)
    assert show(result, "nitpick") == "50.0 (40.0 to 62.5)"
    assert show(result, "comments", is_difference=True) == "+0.50 (+0.40 to +0.62)"
    assert show(result, "elo") == "+0 (+0 to +1)"


def test_tables_and_plots_leave_out_what_was_not_run(tmp_path: Path):
    results = [
        Result("reward", "seed 0", "all, 100 pairs", 0.7, 0.6, 0.8, 50, x=100.0),
        Result("critics", "seed 0", "natural, before RL: nitpick", 0.1, 0.0, 0.2, 50),
    ]
    tables = render_tables(results)
    assert "| all, 100 pairs | 70.0 (60.0 to 80.0) |" in tables["reward"]
    assert "| before RL, seed 0 | 10.0 (0.0 to 20.0) |" in tables["critics_natural"]
    assert tables["elo_natural"] == tables["search_inserted"] == NOT_RUN
    draw_plots(results, [tmp_path], tmp_path)
    assert [path.name for path in tmp_path.glob("*.svg")] == ["reward.svg"]
