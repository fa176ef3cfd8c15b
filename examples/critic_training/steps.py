"""Run the steps of an experiment: each reads the folders of earlier ones."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from examples.critic_training.answers import ORIGINS, Split, draw_answers, select_origin
from examples.critic_training.comparisons import make_comparisons, read_pairs
from examples.critic_training.critics import sample_critiques
from examples.critic_training.scorer import RewardScorer
from examples.critic_training.search import sample_scored, search_fsbs
from examples.critic_training.setup import (
    AFTER,
    BEFORE,
    LONG,
    LONG_ORACLE,
    MORE_SFT,
    NATURAL,
    ORACLE,
    Run,
)
from selfcritic.agent.data.files import (
    RATINGS_FILE,
    RECORDS_FILE,
    read_answers,
    read_ratings,
    write_records,
)
from selfcritic.agent.data.preference_pairs import PreferencePair
from selfcritic.agent.data.records import AnswerRecord, Rating
from selfcritic.agent.evals.task_oracle import TaskOracle
from selfcritic.agent.training.base import open_base
from selfcritic.agent.training.policy import train_policy
from selfcritic.agent.training.reward import train_reward
from selfcritic.agent.training.settings import PolicySettings, TrainSettings
from selfcritic.agent.training.tiny.fine_tuning import LEARNING_RATE, fine_tune
from selfcritic.agent.training.tiny.llama import from_llama, to_llama
from selfcritic.agent.training.tiny.trainer import TrainConfig

_TASK = "alphabetize"
_OTHER_TASKS = 100  # added to the seed
_REWARD_BATCH = 16
_REWARD_RATE = 1e-4
_POLICY_RATE = 2e-4
_POLICY_BATCH = 64
_POLICY_EVALUATES_EVERY = 20
_POLICY_DEV_ANSWERS = 8  # of each origin
_MAX_CRITIQUE_TOKENS = 96
_MAX_LENGTH = 1024


def start(run: Run) -> None:
    """Fine-tune the seed's model on critiques with several comments."""
    folder = run.folder / "start"
    config = TrainConfig(_TASK, "medium", run.counts.start_tokens, run.seed, LEARNING_RATE)
    fine_tune(config, folder, run.drafter_folder, run.drafter_folder)
    to_llama(folder / "float32", folder / "llama")


def answers(run: Run) -> None:
    """Draw flawed answers of all splits; no task is in two of them."""
    folder = run.folder / "answers"
    folder.mkdir(exist_ok=True)
    counts = run.counts
    sizes: dict[Split, int] = {
        "test": counts.test_answers,
        "dev": counts.dev_answers,
        "train": counts.train_answers,
    }
    used: set[str] = set()
    for split, count in sizes.items():
        records = draw_answers(run.drafter, split, count, used)
        used |= {record.task for record in records}
        write_records(folder / f"{split}.jsonl", records)


def comparisons(run: Run) -> None:
    """Sample four critiques of each answer, and compare them by the oracle."""
    engine = run.critic(BEFORE)
    for split in ("train", "dev"):
        folder = run.folder / "comparisons" / split
        make_comparisons(engine, run.answers(split), BEFORE, folder, run.seed)


def reward(run: Run) -> None:
    """Train the reward model on all pairs."""
    pairs = read_pairs(run.folder / "comparisons" / "train")
    _train_reward(run, pairs[: run.counts.max_pairs], "reward")


def reward_sizes(run: Run) -> None:
    """Train reward models on fewer pairs, and one without tampered answers."""
    pairs = read_pairs(run.folder / "comparisons" / "train")
    for count in run.counts.fewer_pairs:
        _train_reward(run, pairs[:count], f"reward-{count}")
    natural = read_pairs(run.folder / "comparisons" / "train", with_tampered=False)
    _train_reward(run, natural[: run.counts.max_pairs], "reward-natural")


def _train_reward(run: Run, pairs: Sequence[PreferencePair], name: str) -> None:
    """Train on one epoch of pairs."""
    test_pairs = read_pairs(run.folder / "comparisons" / "dev")
    settings = TrainSettings(
        steps=max(round(len(pairs) / _REWARD_BATCH), 1),
        batch_size=_REWARD_BATCH,
        learning_rate=_REWARD_RATE,
        max_length=_MAX_LENGTH,
        seed=run.seed,
    )
    base = open_base(str(run.folder / "start" / "llama"))
    train_reward(base, pairs, test_pairs, run.folder / name, settings, report=print)


def policy(run: Run) -> None:
    """Train the critic on the reward model."""
    steps = run.counts.policy_steps
    _train_policy(run, "policy", run.answers("train"), "reward", "proxy", steps)


def policy_long(run: Run) -> None:
    """Train the critic on the reward model with more updates."""
    steps = run.counts.long_policy_steps
    _train_policy(run, "policy-long", run.answers("train"), "reward", "proxy", steps)


def policy_oracle(run: Run) -> None:
    """Train the critic on the oracle's overall score: the ceiling."""
    steps = run.counts.policy_steps
    _train_policy(run, "policy-oracle", run.answers("train"), "reward", "truth", steps)


def policy_oracle_long(run: Run) -> None:
    """Train the critic on the oracle's overall score with more updates."""
    steps = run.counts.long_policy_steps
    _train_policy(run, "policy-oracle-long", run.answers("train"), "reward", "truth", steps)


def policy_natural(run: Run) -> None:
    """Train the critic without tampered answers, in the comparisons and in the prompts."""
    records = select_origin(run.answers("train"), "natural")
    steps = run.counts.policy_steps
    _train_policy(run, "policy-natural", records, "reward-natural", "proxy", steps)


def _train_policy(
    run: Run,
    name: str,
    records: Sequence[AnswerRecord],
    reward_name: str,
    trains_on: Literal["proxy", "truth"],
    steps: int,
) -> None:
    """Run GRPO for a fixed number of steps, unless truth falls while the proxy rises."""
    settings = PolicySettings(
        steps=steps,
        batch_size=_POLICY_BATCH,
        learning_rate=_POLICY_RATE,
        max_length=_MAX_LENGTH,
        save_every=min(_POLICY_EVALUATES_EVERY, steps),
        seed=run.seed,
        max_tokens=_MAX_CRITIQUE_TOKENS,
        trains_on=trains_on,
        keeps="last",
    )
    base = open_base(str(run.folder / "start" / "llama"))
    dev = run.answers("dev")
    dev_records: list[AnswerRecord] = []
    for origin in ORIGINS:
        dev_records += select_origin(dev, origin)[:_POLICY_DEV_ANSWERS]
    folder = run.folder / name
    scorer = RewardScorer(run.folder / reward_name / "model")
    compared = run.folder / "comparisons" / "train"
    scorer.match_scale(read_answers(compared / RECORDS_FILE), read_ratings(compared / RATINGS_FILE))
    train_policy(base, records, dev_records, scorer.rewards, folder, settings, report=print)
    from_llama(folder / "model", folder / "int8")


def more_sft(run: Run) -> None:
    """Fine-tune the start for as much CPU time as the reward model and the policy needed."""
    times = json.loads((run.folder / "times.json").read_text("utf-8"))
    tokens_per_second = run.counts.start_tokens / times["start"]
    seconds = times["comparisons"] + times["reward"] + times["policy"]
    tokens = round(tokens_per_second * seconds)
    seed = run.seed + _OTHER_TASKS
    config = TrainConfig(_TASK, "medium", tokens, seed, LEARNING_RATE)
    start_folder = run.folder / "start" / "float32"
    fine_tune(config, run.folder / "more-sft", start_folder, run.drafter_folder)


def sample_step(critic: str) -> Callable[[Run], None]:
    """Return a step that samples critiques of the test answers from a critic, and rates them."""

    def samples(run: Run) -> None:
        records = run.answers("test")
        engine = run.critic(critic)
        pools = sample_critiques(engine, records, critic, run.counts.samples, run.seed)
        write_pools(run.folder / "samples" / critic, records, pools)

    return samples


def search_step(critic: str) -> Callable[[Run], None]:
    """Return a step that searches for critiques of test answers, and of dev for length modifiers."""

    def searches(run: Run) -> None:
        scorer = RewardScorer(run.folder / "reward" / "model")
        engine = run.critic(critic)
        counts = {"dev": run.counts.modifier_answers, "test": run.counts.search_answers}
        for split, count in counts.items():
            records: list[AnswerRecord] = []
            for origin in ORIGINS:
                records += select_origin(run.answers(split), origin)[:count]
            pools = sample_scored(engine, scorer, records, critic, run.seed)
            write_pools(run.folder / "searches" / f"{critic}, best of 28" / split, records, pools)
            pools = [search_fsbs(engine, scorer, record, critic) for record in records]
            write_pools(run.folder / "searches" / f"{critic}, FSBS" / split, records, pools)

    return searches


def write_pools(
    folder: Path, records: Sequence[AnswerRecord], pools: Sequence[Sequence[object]]
) -> None:
    """Write records with pools of critiques, and their ratings; the folder appears when complete."""
    filled = []
    ratings: list[Rating] = []
    for record, pool in zip(records, pools, strict=True):
        with_pool = record.model_copy(update={"critiques": list(pool)})
        filled.append(with_pool)
        ratings += TaskOracle.for_record(with_pool).rate_all(with_pool, with_pool.critiques)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_records(partial / RATINGS_FILE, ratings)
    write_records(partial / RECORDS_FILE, filled)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


STEPS: Mapping[str, Callable[[Run], None]] = {
    "start": start,
    "answers": answers,
    "comparisons": comparisons,
    "reward": reward,
    "policy": policy,
    "samples-before": sample_step(BEFORE),
    "samples-after": sample_step(AFTER),
    "searches-before": search_step(BEFORE),
    "searches-after": search_step(AFTER),
    "policy-oracle": policy_oracle,
    "samples-oracle": sample_step(ORACLE),
    "reward-fewer": reward_sizes,
    "policy-natural": policy_natural,
    "samples-natural": sample_step(NATURAL),
    "more-sft": more_sft,
    "samples-more-sft": sample_step(MORE_SFT),
    "policy-long": policy_long,
    "samples-long": sample_step(LONG),
    "policy-oracle-long": policy_oracle_long,
    "samples-oracle-long": sample_step(LONG_ORACLE),
}
"""Steps by name, the most important ones first."""
