"""Decide what each annotator gets next: the units of a screen, their order and their conditions.

All choices are salted hashes of the unit and the annotator, so that they are reproducible and independent of time.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from selfcritic.agent.data.comparisons import GOLD, is_written_by
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample

Screen = Literal["review", "rate", "compare"]
SCREENS: tuple[Screen, ...] = ("review", "rate", "compare")
MAX_COMPARED = 4
"""Critiques shown side by side (paper 2)."""
LABELS = "ABCD"


@dataclass(frozen=True)
class DeskOptions:
    """How assignments are made."""

    seed: int = 0
    blind: bool = False
    """Hide the critics' names in reviews, too; ratings and comparisons are always blind."""
    holdout: float = 0.0
    """Share of reviews without the critic's comments."""
    look_first: bool = False
    """Show the critic's comments only after the person's own look."""
    second_reviews: float = 0.0
    """Share of units that a second annotator gets."""


@dataclass(frozen=True)
class Unit:
    """One thing to do: a record with the critiques that it concerns."""

    screen: Screen
    record: str
    critiques: tuple[str, ...]
    """Ids: the pre-filled critique of a review, the rated one, or the compared ones."""
    critics: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return a text that identifies the unit."""
        return "\n".join((self.screen, self.record, *sorted(self.critiques)))


def list_units(records: Sequence[AnswerRecord], screen: Screen, options: DeskOptions) -> list[Unit]:
    """Return the units of a screen, in the order of the file."""
    units: list[Unit] = []
    for record in records:
        units.extend(_units_of(record, screen, options))
    return units


def _units_of(record: AnswerRecord, screen: Screen, options: DeskOptions) -> Iterator[Unit]:
    if screen == "review":
        prefill = choose_prefill(record)
        yield _unit(screen, record, [prefill] if prefill else [])
    elif screen == "rate":
        for critique in record.critiques:
            if critique.critic != GOLD:
                yield _unit(screen, record, [critique])
    elif len(record.critiques) >= 2:
        yield _unit(screen, record, _choose_compared(record, options.seed))


def _unit(screen: Screen, record: AnswerRecord, critiques: Sequence[CritiqueSample]) -> Unit:
    return Unit(
        screen,
        record.id,
        tuple(critique.id for critique in critiques),
        tuple(critique.critic for critique in critiques),
    )


def choose_prefill(record: AnswerRecord) -> CritiqueSample | None:
    """Return the critique that fills a review: the selected one, else the best by reward.

    A gold critique would show the known bugs, which the reviewer must find.
    """
    critiques = [critique for critique in record.critiques if critique.critic != GOLD]
    if not critiques:
        return None

    def preference(critique: CritiqueSample) -> tuple[bool, float]:
        reward = critique.reward
        return critique.selected, float("-inf") if reward is None else reward

    return max(critiques, key=preference)


def _choose_compared(record: AnswerRecord, seed: int) -> list[CritiqueSample]:
    """Return up to four critiques: one of each critic first, gold critiques among them."""
    rng = random.Random(f"{seed} {record.id}")
    shuffled = rng.sample(record.critiques, len(record.critiques))
    seen: set[str] = set()
    first: list[CritiqueSample] = []
    rest: list[CritiqueSample] = []
    for critique in shuffled:
        if critique.critic in seen:
            rest.append(critique)
        else:
            seen.add(critique.critic)
            first.append(critique)
    gold = [critique for critique in first if critique.critic == GOLD]
    others = [critique for critique in first if critique.critic != GOLD]
    return [*gold, *others, *rest][:MAX_COMPARED]


def shuffle_for(unit: Unit, annotator: str, seed: int) -> list[str]:
    """Return the unit's critiques in the order that an annotator sees."""
    rng = random.Random(f"{seed}\n{unit.key}\n{annotator}")
    return rng.sample(unit.critiques, len(unit.critiques))


def hash_unit(unit: Unit) -> str:
    """Return the name of a unit in the database."""
    return hashlib.sha256(unit.key.encode("utf-8", "surrogatepass")).hexdigest()


def is_held_out(unit: Unit, annotator: str, options: DeskOptions) -> bool:
    """Return whether a review has no pre-filled comments for this annotator."""
    return _fraction("holdout", unit.key, annotator, str(options.seed)) < options.holdout


def wanted_annotators(unit: Unit, options: DeskOptions) -> int:
    """Return how many annotators a unit needs: 1, or 2 for second reviews."""
    is_second = _fraction("second", unit.key, str(options.seed)) < options.second_reviews
    return 2 if is_second else 1


def may_work_on(unit: Unit, annotator: str) -> bool:
    """Return whether an annotator may get a unit: nobody rates their own critique."""
    is_author = any(is_written_by(critic, annotator) for critic in unit.critics)
    return unit.screen == "review" or not is_author


def _fraction(*parts: str) -> float:
    """Return a number from 0 to 1 that depends on the parts only."""
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
