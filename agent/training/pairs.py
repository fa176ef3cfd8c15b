"""Make pairs of critiques for a reward model, and measure how well it orders held-out ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfcritic.agent.data.preference_pairs import PreferencePair, create_pairs
from selfcritic.agent.data.records import AnswerRecord, Comparison
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.measures.intervals import Estimate, rate
from selfcritic.agent.training.data import TrainingData
from selfcritic.agent.training.rating import with_gold

ALL = "all"


@dataclass(frozen=True)
class Accuracy:
    """How often a score prefers the critique that the rater preferred, with an interval over tasks."""

    kind: str
    """Kind of flaw, or "all"."""
    pairs: int
    model: Estimate
    untrained: Estimate | None
    """The same of the verdict that the reward model starts from."""
    longer: Estimate
    """The same of the rule that the longer critique wins; equal lengths are left out."""


def split_pairs(
    data: TrainingData, *, allow_one_sided: bool = False
) -> dict[str, list[PreferencePair]]:
    """Return the pairs of each split.

    Raises:
        InputError: There are no pairs, or all preferred critiques are of one kind of source.
    """
    records = [with_gold(record) for record in data.records]
    pairs = make_pairs(records, data.comparisons)
    by_split: dict[str, list[PreferencePair]] = {"train": [], "dev": [], "test": []}
    for pair in pairs:
        by_split[pair.record.split or "train"].append(pair)
    for name in ("train", "test"):
        if not by_split[name]:
            raise InputError(
                f"There are no {name} pairs: no comparison of the split {name!r} has critiques with different "
                "overall scores. Add comparisons of more tasks, or sample more critiques (--samples)."
            )
    if not allow_one_sided:
        check_sides(by_split["train"])
    return by_split


def make_pairs(
    records: Sequence[AnswerRecord], comparisons: Sequence[Comparison]
) -> list[PreferencePair]:
    """Return pairs whose texts differ for a scorer; raises InputError without any."""
    if not comparisons:
        raise InputError(
            "There are no comparisons, so there are no pairs. Pass --data with comparisons.jsonl, "
            "or let `selfcritic train all` sample and rate critiques."
        )
    pairs = create_pairs(records, comparisons)
    if not pairs:
        raise InputError(
            f"There are no pairs: in all {len(comparisons)} comparisons, the critiques have equal overall "
            "scores. Sample more critiques (--samples), at a higher temperature, or rate them on a finer scale."
        )
    return pairs


def check_sides(pairs: Sequence[PreferencePair]) -> None:
    """Raise InputError if one critic wins every pair against all others.

    A reward model would learn the critic's style, not what is wrong with the answer.
    """
    winners = {pair.chosen.critic for pair in pairs}
    losers = {pair.rejected.critic for pair in pairs}
    if len(winners) == 1 and not winners & losers:
        [winner] = winners
        raise InputError(
            f"The pairs are one-sided: {winner!r} wins all {len(pairs)} pairs, so a reward model would learn its "
            "style. Compare several critiques of each critic (--samples at least 2), so that some of each win, "
            "or pass --allow-one-sided."
        )


def kind_of(record: AnswerRecord) -> str:
    """Return the kind of a record's flaws: an operator, a task's kind of flaw, or its origin."""
    origins = record.metadata.get("flaws")
    kinds: set[str] = set()
    if isinstance(origins, list):
        for origin in origins:
            if isinstance(origin, Mapping):
                kinds.add(str(origin.get("source", record.origin)))
    if not kinds:
        return record.origin
    return kinds.pop() if len(kinds) == 1 else "several kinds"


def measure_accuracy(
    pairs: Sequence[PreferencePair],
    margins: Sequence[float],
    untrained: Sequence[float] | None = None,
) -> list[Accuracy]:
    """Return the accuracy on all pairs, then by kind of flaw.

    Args:
        pairs: Held-out pairs.
        margins: Score of the chosen critique minus that of the rejected one.
        untrained: The same before training.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, pair in enumerate(pairs):
        groups[kind_of(pair.record)].append(index)
    rows = [_measure(ALL, range(len(pairs)), pairs, margins, untrained)]
    for kind in sorted(groups):
        rows.append(_measure(kind, groups[kind], pairs, margins, untrained))
    return rows


def _measure(
    kind: str,
    indexes: Sequence[int],
    pairs: Sequence[PreferencePair],
    margins: Sequence[float],
    untrained: Sequence[float] | None,
) -> Accuracy:
    tasks = [pairs[index].record.task for index in indexes]
    before = None
    if untrained is not None:
        before = rate([untrained[index] > 0 for index in indexes], tasks)
    longer: list[bool | None] = []
    for index in indexes:
        difference = len(pairs[index].chosen.text) - len(pairs[index].rejected.text)
        longer.append(difference > 0 if difference else None)
    model = rate([margins[index] > 0 for index in indexes], tasks)
    return Accuracy(kind, len(tasks), model, before, rate(longer, tasks))
