"""Run the stages one after another: supervised start, samples with ratings, reward model, policy.

Every stage has a folder with `done.json` when it is finished. Killed at any place, the same call resumes there.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfcritic.agent.data.files import (
    COMPARISONS_FILE,
    RATINGS_FILE,
    RECORDS_FILE,
    write_records,
)
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.oracles import Rater
from selfcritic.agent.models.hugging_face.engine import get_engine
from selfcritic.agent.models.hugging_face.folder import hash_all_weights, read_info
from selfcritic.agent.scoring.reward_model import RewardModel
from selfcritic.agent.training.base import Base, check_same_base, open_base
from selfcritic.agent.training.data import TrainingData, load_data, require_records
from selfcritic.agent.training.pairs import split_pairs
from selfcritic.agent.training.policy import check_packages, train_policy
from selfcritic.agent.training.policy_prompts import check_step
from selfcritic.agent.training.policy_rewards import ScoreFunction
from selfcritic.agent.training.rating import rate_records
from selfcritic.agent.training.reward import train_reward
from selfcritic.agent.training.run import Report, ignore
from selfcritic.agent.training.sampling import SAMPLES_FILE, CritiqueOptions, sample_critiques
from selfcritic.agent.training.settings import PolicySettings, TrainSettings
from selfcritic.agent.training.sft import train_sft
from selfcritic.agent.training.sft_examples import count_unplaced, create_examples
from selfcritic.agent.training.stage import begin_stage, finish_stage, hash_items
from selfcritic.agent.training.stage_files import MODEL_FOLDER, explain_file_errors

SFT, SAMPLES, REWARD, POLICY = "sft", "samples", "reward", "policy"
_CRITIC = "sft"


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of all stages."""

    sft: TrainSettings = field(default_factory=TrainSettings)
    sampling: CritiqueOptions = field(default_factory=CritiqueOptions)
    reward: TrainSettings = field(default_factory=TrainSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    allow_one_sided: bool = False
    """Whether one critic may win all pairs, as the gold critique does beside a weak model."""


def run_sft(
    model: str,
    data: TrainingData,
    out: Path,
    settings: TrainSettings,
    prompts: str | None = None,
    report: Report = ignore,
) -> dict[str, Any]:
    """Train a base on all roles; see `train_sft`."""
    records = data.split("train")
    require_records(records, "train", "to learn from")
    num_unplaced = count_unplaced(records)
    if num_unplaced:
        report(
            f"{num_unplaced} bugs in train records have no `quote` that occurs in their `answer`: no critique of them "
            "is learned"
        )
    base = open_base(model, prompts)
    examples = create_examples(records, data.ratings, seed=settings.seed)
    return train_sft(base, examples, out, settings, report)


@explain_file_errors()
def run_sampling(
    model: str,
    data: TrainingData,
    out: Path,
    options: CritiqueOptions,
    judge: Rater | None = None,
    critic: str = _CRITIC,
) -> dict[str, Any]:
    """Sample critiques, rate and compare them, and write records, ratings and comparisons to `out`.

    Answers with known bugs are critiqued; with a judge, also answers whose bugs are unknown.

    Raises:
        InputError: There is no answer to critique, or no two critiques can be compared.
    """
    flawed = []
    for record in data.records:
        if record.bugs or (record.bugs is None and judge is not None):
            flawed.append(record)
    if not flawed:
        raise InputError(
            "--data has no answer with known `bugs` to critique. Add `bugs` to the records, as `selfcritic tamper` "
            "does, or pass --judge NAME to critique answers whose bugs are unknown."
        )
    base = open_base(model)
    stage = {
        "base": base.info.base,
        "model": model,
        "records_hash": hash_items(flawed),
        **vars(options),
    }
    finished = begin_stage(
        out, stage, [RECORDS_FILE, RATINGS_FILE, COMPARISONS_FILE], [SAMPLES_FILE]
    )
    if finished is not None:
        return finished
    engine = get_engine(model)
    sampled = sample_critiques(engine, flawed, critic, options, out / SAMPLES_FILE)
    ratings, comparisons = rate_records(sampled, judge, seed=options.seed)
    if not comparisons:
        raise InputError(
            f"The {len(sampled)} sampled answers gave no comparisons, so there is nothing to learn from. Check that "
            f"the `quote` of each bug occurs in its `answer`, or pass --judge NAME to rate the samples in '{out}'."
        )
    write_records(out / RECORDS_FILE, [*sampled, *_rest(data.records, sampled)])
    write_records(out / RATINGS_FILE, [*data.ratings, *ratings])
    write_records(out / COMPARISONS_FILE, [*data.comparisons, *comparisons])
    results = {
        "records": len(sampled),
        "critiques": sum(len(record.critiques) for record in sampled),
        "comparisons": len(comparisons),
    }
    finish_stage(out, results)
    return results


def _rest(records: list[AnswerRecord], sampled: list[AnswerRecord]) -> list[AnswerRecord]:
    names = {record.id for record in sampled}
    return [record for record in records if record.id not in names]


def run_reward(
    model: str,
    data: TrainingData,
    out: Path,
    settings: TrainSettings,
    report: Report = ignore,
    *,
    allow_one_sided: bool = False,
) -> dict[str, Any]:
    """Train a reward model on the comparisons of the data; see `train_reward`."""
    pairs = split_pairs(data, allow_one_sided=allow_one_sided)
    return train_reward(open_base(model), pairs["train"], pairs["test"], out, settings, report)


def run_policy(
    model: str,
    data: TrainingData,
    reward: str,
    out: Path,
    settings: PolicySettings,
    report: Report = ignore,
) -> dict[str, Any]:
    """Train a critic policy with a reward model; see `train_policy`."""
    if not (Path(reward) / "config.json").is_file():
        raise InputError(
            f"--reward {reward} does not exist or has no config.json. Pass the model folder of "
            "`selfcritic train reward`."
        )
    base = open_base(model)
    check_same_base(read_info(reward), base, reward)
    records = data.flawed("train")
    return train_policy(
        base,
        records,
        data.flawed("dev"),
        reward_score(reward),
        out,
        settings,
        report,
        reward_hash=hash_all_weights(Path(reward)),
    )


def reward_score(folder: str) -> ScoreFunction:
    """Return the score of a reward folder, as `--scorer reward:FOLDER` computes it."""
    reward = RewardModel(folder)

    def score(record: AnswerRecord, critiques: Any) -> list[float]:
        return reward.score(record.question, record.answer, critiques)

    return score


def run_all(
    model: str,
    data_path: Path,
    out: Path,
    settings: PipelineSettings,
    *,
    prompts: str | None = None,
    judge: Rater | None = None,
    report: Report = ignore,
) -> dict[str, Any]:
    """Run all stages that are not finished; return the results of each."""
    data = load_data(data_path, settings.sft.seed)
    _check_parts(data)
    _check_policy(open_base(model, prompts), data, settings.policy)
    results: dict[str, Any] = {}
    start = str(out / SFT / MODEL_FOLDER)
    report("1/4 supervised start")
    results[SFT] = run_sft(model, data, out / SFT, settings.sft, prompts, report)
    report("2/4 samples and ratings")
    results[SAMPLES] = run_sampling(start, data, out / SAMPLES, settings.sampling, judge)
    rated = load_data(out / SAMPLES, settings.sft.seed)
    report("3/4 reward model")
    results[REWARD] = run_reward(
        start,
        rated,
        out / REWARD,
        settings.reward,
        report,
        allow_one_sided=settings.allow_one_sided,
    )
    report("4/4 policy")
    reward = str(out / REWARD / MODEL_FOLDER)
    results[POLICY] = run_policy(start, rated, reward, out / POLICY, settings.policy, report)
    return results


def _check_policy(base: Base, data: TrainingData, settings: PolicySettings) -> None:
    """Raise InputError before any stage if the last one lacks a package, or prompts for a step."""
    check_packages(base, settings)
    check_step(len(data.flawed("train")), settings)


def _check_parts(data: TrainingData) -> None:
    """Raise InputError before any stage if one would have no data."""
    for name in ("train", "dev", "test"):
        if not data.flawed(name):
            raise InputError(
                f"--data has no {name} records with known bugs. Each split needs some: `selfcritic tamper` makes them, "
                "and records without `split` are divided by task (80, 10 and 10%)."
            )
    count_unplaced(data.split("train"))
