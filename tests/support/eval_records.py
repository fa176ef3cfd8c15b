"""Create a folder of records with planted rates, for tests of the measures."""

import random
from pathlib import Path
from typing import Any

from selfcritic.agent.data.files import (
    COMPARISONS_FILE,
    RATINGS_FILE,
    RECORDS_FILE,
    write_records,
)
from selfcritic.agent.data.manifest import Manifest, write_manifest
from selfcritic.agent.data.records import (
    AnswerRecord,
    Bug,
    Comparison,
    CritiqueSample,
    Rating,
    RatingForm,
    Refinement,
)
from selfcritic.agent.schemas import Comment

ANSWER = "alpha = 1\nbeta = 2\ngamma = 3\n"


def record(name: str = "r1", **values: Any) -> AnswerRecord:
    """Return a record with defaults."""
    defaults: dict[str, Any] = {"task": name, "question": "?", "answer": ANSWER}
    return AnswerRecord(id=name, **(defaults | values))


def critique(name: str = "c1", critic: str = "model", **values: Any) -> CritiqueSample:
    """Return a critique with defaults."""
    defaults: dict[str, Any] = {"text": "wrong", "unparsed": "wrong"}
    return CritiqueSample(id=name, critic=critic, **(defaults | values))


def comment(quote: str = "beta = 2", **values: Any) -> Comment:
    """Return a comment on a passage of the answer."""
    start = ANSWER.index(quote)
    return Comment(quote=quote, text="wrong", start=start, end=start + len(quote), **values)


def bug(name: str = "b1", quote: str = "beta = 2", **values: Any) -> Bug:
    """Return a known bug at a passage of the answer."""
    start = ANSWER.index(quote)
    return Bug(
        id=name, description="wrong", quote=quote, start=start, end=start + len(quote), **values
    )


def rating(
    record_id: str = "r1",
    critique_id: str = "c1",
    is_helpful: bool | None = None,
    rater: str = "oracle",
    **values: Any,
) -> Rating:
    """Return a rating by the oracle, or by another rater."""
    rater_type = values.pop("rater_type", "oracle")
    return Rating(
        record=record_id,
        critique=critique_id,
        rater=rater,
        rater_type=rater_type,
        is_helpful=is_helpful,
        **values,
    )


def manifest(**values: Any) -> Manifest:
    """Return a manifest with fixed data."""
    defaults: dict[str, Any] = {
        "command": ["selfcritic", "eval", "run"],
        "task": "critic",
        "models": {"critic": "model"},
        "data": "planted",
        "data_sha256": "a" * 64,
    }
    return Manifest(**(defaults | values))


def write_run(
    folder: Path,
    records: list[AnswerRecord],
    ratings: list[Rating] | None = None,
    comparisons: list[Comparison] | None = None,
    run_manifest: Manifest | None = None,
) -> Path:
    """Write the folder of a run and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_records(folder / RECORDS_FILE, records)
    if ratings:
        write_records(folder / RATINGS_FILE, ratings)
    if comparisons:
        write_records(folder / COMPARISONS_FILE, comparisons)
    if run_manifest:
        write_manifest(folder, run_manifest)
    return folder


def plant_run(
    tasks: int = 30, pool: int = 8, seed: int = 0, skill: float = 0.6
) -> tuple[list[AnswerRecord], list[Rating], list[Comparison]]:
    """Return natural, inserted and clean answers with two critics' rated pools.

    Args:
        tasks: Number of tasks; each has two natural answers, one with an inserted bug and a clean one.
        pool: Critiques of each critic and answer.
        seed: Seed of all draws.
        skill: Chance that a critique of the better critic names a bug; the other has half of it.
    """
    rng = random.Random(seed)
    records: list[AnswerRecord] = []
    ratings: list[Rating] = []
    comparisons: list[Comparison] = []
    for task in range(tasks):
        split = "dev" if task % 3 == 0 else "test"
        for number in range(2):
            is_correct = rng.random() < 0.5
            records.append(
                record(
                    f"t{task}-n{number}",
                    task=f"t{task}",
                    split=split,
                    is_correct=is_correct,
                    bugs=[] if is_correct else [bug()],
                    p_critiqueable=_noisy(rng, not is_correct),
                    metadata={"model": f"author-{number}", "parameters": 10 ** (5 + number)},
                    refinements=_refine(rng, is_correct),
                )
            )
        inserted = [bug(severity="high"), bug("b2", "gamma = 3")]
        records.append(
            record(
                f"t{task}-i",
                task=f"t{task}",
                split=split,
                origin="inserted",
                is_correct=False,
                bugs=inserted,
                p_critiqueable=_noisy(rng, True),
            )
        )
        records.append(
            record(
                f"t{task}-c",
                task=f"t{task}",
                split=split,
                origin="clean",
                is_correct=True,
                bugs=[],
                p_critiqueable=_noisy(rng, False),
            )
        )
    for row in records:
        for critic, chance in (("strong", skill), ("weak", skill / 2)):
            for number in range(pool):
                sample, form = _criticize(rng, row, f"{critic}-{number}", critic, chance)
                row.critiques.append(sample)
                is_helpful = any(score >= 5 for score in form.bug_inclusion.values())
                ratings.append(rating(row.id, sample.id, is_helpful, form=form))
        scores = [rng.choice([4, 5, 6]), rng.choice([2, 3, 4])]
        comparisons.append(
            Comparison(
                record=row.id,
                critiques=["strong-0", "weak-0"],
                rater="oracle",
                rater_type="oracle",
                forms=[RatingForm(overall=score) for score in scores],
            )
        )
    return records, ratings, comparisons


def _noisy(rng: random.Random, is_flawed: bool) -> float:
    center = 0.65 if is_flawed else 0.35
    return min(1.0, max(0.0, rng.gauss(center, 0.2)))


def _refine(rng: random.Random, is_correct: bool) -> list[Refinement]:
    refinements = []
    for arm, fixes, breaks in (("loop", 0.5, 0.05), ("direct", 0.2, 0.1), ("best_of_n", 0.3, 0.1)):
        chance = 1 - breaks if is_correct else fixes
        is_right = rng.random() < chance
        calls = 12 if arm == "loop" else 10
        refinements.append(Refinement(arm=arm, answer="x", is_correct=is_right, calls=calls))
    return refinements


def _criticize(
    rng: random.Random, row: AnswerRecord, name: str, critic: str, chance: float
) -> tuple[CritiqueSample, RatingForm]:
    comments = []
    inclusion = {}
    for known in row.bugs or []:
        is_named = rng.random() < chance
        inclusion[known.id] = rng.choice([5, 6, 7]) if is_named else rng.choice([1, 2, 3])
        if is_named and known.quote:
            comments.append(comment(known.quote))
    is_spurious = rng.random() < 0.3
    if is_spurious or not comments:
        comments.append(comment("alpha = 1"))
    num_named = sum(score >= 5 for score in inclusion.values())
    reward = min(1.0, max(0.0, 0.3 + 0.25 * num_named - 0.1 * is_spurious + rng.gauss(0, 0.2)))
    form = RatingForm(
        bug_inclusion=inclusion,
        comprehensiveness=6 if num_named == len(inclusion) else 3,
        nitpick=6 if is_spurious else 2,
        hallucinated_problem=2,
        conciseness=rng.choice([3, 4, 5, 6]),
        overall=rng.randint(2, 6),
    )
    ungrounded = [Comment(quote="delta = 4", text="?")] if rng.random() < 0.1 else []
    sample = critique(
        name,
        critic,
        comments=comments,
        ungrounded=ungrounded,
        reward=reward,
        calls=2,
        tokens=300,
        cost_usd=0.001,
    )
    return sample, form
