"""Define the sizes, models and folders of an experiment."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from examples.papers.models import MODELS
from selfcritic.agent.data.files import read_answers
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.tiny.engine import Engine

BEFORE = "before RL"
AFTER = "after RL"
ORACLE = "after RL on the oracle"
NATURAL = "after RL without tampering"
MORE_SFT = "more SFT"
LONG = "after long RL"
LONG_ORACLE = "after long RL on the oracle"
CRITICS = {
    BEFORE: "start/int8",
    AFTER: "policy/int8",
    ORACLE: "policy-oracle/int8",
    NATURAL: "policy-natural/int8",
    MORE_SFT: "more-sft/int8",
    LONG: "policy-long/int8",
    LONG_ORACLE: "policy-oracle-long/int8",
}
"""Folder of each critic."""
COMPARED = (
    (AFTER, ORACLE),
    (LONG, LONG_ORACLE),
    (AFTER, LONG),
    (ORACLE, LONG_ORACLE),
)
"""Critics that are compared with each other, and not only with the one before RL."""
SEARCHED = (BEFORE, AFTER)
"""Critics that FSBS and best of 28 are measured with."""


@dataclass(frozen=True)
class Counts:
    """Sizes of a run."""

    start_tokens: int
    """Of the supervised start, shared prefixes counted once."""
    train_answers: int
    """Of each origin, as are the other numbers of answers."""
    dev_answers: int
    """For held-out pairs; the first ones also for length modifiers."""
    test_answers: int
    modifier_answers: int
    """Development answers that are searched, to choose length modifiers."""
    search_answers: int
    """Test answers that are searched."""
    max_pairs: int
    """Pairs that the reward model is trained on."""
    fewer_pairs: tuple[int, ...]
    """Sizes of the training sets of other reward models."""
    policy_steps: int
    long_policy_steps: int
    samples: int = 8
    """Critiques of each test answer."""


COUNTS = {
    "full": Counts(
        start_tokens=700_000,
        train_answers=300,
        dev_answers=75,
        test_answers=500,
        modifier_answers=30,
        search_answers=100,
        max_pairs=1000,
        fewer_pairs=(100, 300),
        policy_steps=60,
        long_policy_steps=240,
    ),
    "toy": Counts(
        start_tokens=8_000,
        train_answers=8,
        dev_answers=4,
        test_answers=4,
        modifier_answers=2,
        search_answers=2,
        max_pairs=16,
        fewer_pairs=(8,),
        policy_steps=3,
        long_policy_steps=4,
        samples=2,
    ),
}
SCALES = tuple(COUNTS)


@dataclass(frozen=True)
class Run:
    """A seed's folder, with the models that it starts from."""

    folder: Path
    seed: int
    counts: Counts

    @classmethod
    def open(cls, folder: Path, seed: int, scale: str) -> Self:
        """Create the folder of a seed, or open the one of an earlier run.

        Raises:
            InputError: The folder has a run of other sizes.
        """
        run = cls(folder, seed, COUNTS[scale])
        options = json.loads(json.dumps(asdict(run.counts)))
        path = folder / "options.json"
        if path.exists():
            saved = json.loads(path.read_text("utf-8"))
            if saved != options:
                raise InputError(
                    f"'{folder}' has a run of other sizes ({saved}): pass the same --scale or another folder."
                )
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(options, indent=1), "utf-8")
        return run

    @cached_property
    def drafter_folder(self) -> Path:
        """Folder of the model that writes the natural answers; it is never trained here."""
        return MODELS[f"medium-{self.seed}"].folder

    @cached_property
    def drafter(self) -> Engine:
        """Return the model that writes the natural answers."""
        return Engine(self.drafter_folder)

    def critic(self, name: str) -> Engine:
        """Return a trained critic as it is used: int8."""
        return Engine(self.folder / CRITICS[name])

    def answers(self, split: str) -> list[AnswerRecord]:
        """Read the answers of a split."""
        return read_answers(self.folder / "answers" / f"{split}.jsonl")
