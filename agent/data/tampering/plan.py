"""Plan which answers are tampered with, and in which split each task is."""

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True)
class Item:
    """One record to make: a correct answer, and how many flaws it gets."""

    id: str
    answer: AnswerRecord
    variant: int
    """Number of this record among those of its answer."""
    num_variants: int
    num_bugs: int
    """Flaws to insert; 0 leaves the answer as it is."""
    seed: int
    split: Split


@dataclass(frozen=True)
class PlanOptions:
    """How many records are made, and of which kinds."""

    per_answer: int = 4
    max_bugs: int = 3
    clean_share: float = 0.2
    split_shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the shares.

        Raises:
            InputError: A share is out of range, or the shares of the splits do not add up to 1.
        """
        if not 0 <= self.clean_share < 1:
            raise InputError(
                f"--clean must be at least 0 and less than 1, not {self.clean_share:g}."
            )
        total = sum(self.split_shares)
        if min(self.split_shares) < 0 or abs(total - 1) > 1e-6:
            shares = ",".join(f"{share:g}" for share in self.split_shares)
            raise InputError(
                f"--split needs three shares that add up to 1, such as 0.8,0.1,0.1; got {shares}."
            )


def plan_items(answers: Sequence[AnswerRecord], options: PlanOptions) -> list[Item]:
    """Return the records to make, in the order of the answers.

    The clean ones are of a random sample of answers, at most one of each answer.

    Raises:
        InputError: Two answers have the same id.
    """
    _check_ids(answers)
    num_items = len(answers) * options.per_answer
    num_clean = min(round(options.clean_share * num_items), len(answers))
    rng = random.Random(options.seed)
    clean = set(rng.sample(range(len(answers)), num_clean))
    items = []
    for index, answer in enumerate(answers):
        split = choose_split(answer.task, options.split_shares, options.seed)
        for variant in range(options.per_answer):
            num_bugs = rng.randint(1, options.max_bugs)
            name = f"{answer.id}#{variant + 1}"
            if index in clean and variant == 0:
                num_bugs = 0
            items.append(
                Item(name, answer, variant, options.per_answer, num_bugs, options.seed, split)
            )
    return items


def _check_ids(answers: Sequence[AnswerRecord]) -> None:
    ids = Counter(answer.id for answer in answers)
    for answer_id, count in ids.items():
        if count > 1:
            raise InputError(f"{count} answers have the id {answer_id!r}. Make ids unique.")


def choose_split(task: str, shares: Sequence[float], seed: int) -> Split:
    """Return the split of a task, which depends on nothing but its name and the seed.

    So a task is in the same split in every file that is made with this seed.
    """
    digest = hashlib.sha256(f"{seed}:{task}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    limit = 0.0
    for split, share in zip(SPLITS, shares, strict=True):
        limit += share
        if position < limit:
            return split
    return next(split for split in reversed(SPLITS) if shares[SPLITS.index(split)] > 0)
