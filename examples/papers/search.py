"""Search for a critique by FSBS, and compare it with the best of 28 (experiment 6).

Both searches write 28 critiques of an answer. FSBS (paper 2, section 7.1) forces another quote after each kept
critique: n = 4 continuations, k = 2 kept, d = 4 iterations. The tiny models were trained on critiques of one flaw and
do not continue a critique well, so a third search, "joined", appends a new critique of the same answer instead.

A critique is comprehensive if the oracle's edits by its valid comments make the answer correct. It is spurious if a
comment is invalid or quotes nothing of the answer.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.papers.models import Split, TinyLanguageModel
from examples.papers.pools import INSERTED_POOL_SIZE
from examples.papers.records import (
    critique_samples,
    first_answers,
    rated_forms,
    read_pools,
    select_records,
    to_answers,
)
from examples.papers.replies import Answer, score_critiques
from selfcritic.agent.critic.format import strip_closing_paragraph
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.selection import is_usable
from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE, write_records
from selfcritic.agent.data.records import AnswerRecord, Origin, Rating
from selfcritic.agent.schemas import Critique, FSBSConfig
from selfcritic.agent.training.tiny.examples import render_prompt

SEARCHES = ("fsbs", "joined", "best_of_28")
MAX_ANSWERS: Mapping[Split, int] = {"dev": 60, "test": 150}
"""Flawed answers that are searched, by split; natural and inserted ones each."""
_CONFIG = FSBSConfig()
_FENCE = "```\n"
_EMPTY = ""


def make_searches(
    model: TinyLanguageModel, pools_folder: Path, folder: Path, share: float = 1.0
) -> None:
    """Search for critiques of the flawed natural answers and of the inserted ones."""
    pools = read_pools(pools_folder)
    records: list[AnswerRecord] = []
    ratings: list[Rating] = []
    splits: tuple[Split, ...] = ("dev", "test")
    origins: tuple[Origin, ...] = ("natural", "inserted")
    for split in splits:
        for origin in origins:
            rated = first_answers(select_records(pools, split, origin))
            flawed = [record for record, _ in rated if not record.is_correct]
            flawed = flawed[: max(round(share * MAX_ANSWERS[split]), 1)]
            answers = to_answers(flawed)
            purpose = f"{split} {origin}"
            found: dict[str, Sequence[Sequence[Critique]]] = {
                "fsbs": search_fsbs(model, answers, purpose),
                "joined": search_joined(model, answers, purpose),
                "best_of_28": [record.critiques[:INSERTED_POOL_SIZE] for record in flawed],
            }
            for number, record in enumerate(flawed):
                record.critiques = []
                for name in SEARCHES:
                    record.critiques += critique_samples(
                        found[name][number], f"{model.name}/{name}"
                    )
                records.append(record)
                ratings += rated_forms(record, answers[number])
    write_records(folder / RATINGS_FILE, ratings)
    write_records(folder / RECORDS_FILE, records)


def search_fsbs(
    model: TinyLanguageModel, answers: Sequence[Answer], purpose: str
) -> list[list[Critique]]:
    """Return all critiques of the search for each answer."""
    pools: list[list[Critique]] = [[] for _ in answers]
    beams: list[list[str]] = [[_EMPTY] for _ in answers]
    for iteration in range(_CONFIG.d):
        latest: list[list[Critique]] = []
        seed = model.seed(f"{purpose} fsbs {iteration}")
        for number, answer in enumerate(answers):
            texts = _continue_beams(model, answer, beams[number], seed + number)
            latest.append([ground(text, answer.text) for text in texts])
        beams = _extend_pools(model, answers, pools, latest, iteration)
    return pools


def _continue_beams(
    model: TinyLanguageModel, answer: Answer, beams: Sequence[str], seed: int
) -> list[str]:
    """Return n critiques for each beam, which begin with it and a forced quote."""
    prompt = render_prompt("critique", answer.task.question, answer=answer.text)
    texts = []
    for number, beam in enumerate(beams):
        prefix = f"{beam}\n\n{_FENCE}" if beam else _FENCE
        [replies] = model.engine.complete([prompt], _CONFIG.n, seed + number, prefix=prefix)
        texts += [prefix + reply.text for reply in replies]
    return texts


def search_joined(
    model: TinyLanguageModel, answers: Sequence[Answer], purpose: str
) -> list[list[Critique]]:
    """Return all critiques of a search that appends whole critiques to the kept ones."""
    pools: list[list[Critique]] = [[] for _ in answers]
    beams: list[list[str]] = [[_EMPTY] for _ in answers]
    prompts = [render_prompt("critique", task.question, answer=text) for task, text in answers]
    for iteration in range(_CONFIG.d):
        size = _CONFIG.n * (1 if iteration == 0 else _CONFIG.k)
        seed = model.seed(f"{purpose} joined {iteration}")
        replies = model.engine.complete(prompts, size, seed)
        latest: list[list[Critique]] = []
        for number, answer in enumerate(answers):
            texts = []
            for index, beam in enumerate(beams[number]):
                for reply in replies[number][index * _CONFIG.n : (index + 1) * _CONFIG.n]:
                    texts.append(f"{beam}\n\n{reply.text}".strip())
            latest.append([ground(text, answer.text) for text in texts])
        beams = _extend_pools(model, answers, pools, latest, iteration)
    return pools


def _extend_pools(
    model: TinyLanguageModel,
    answers: Sequence[Answer],
    pools: list[list[Critique]],
    latest: list[list[Critique]],
    iteration: int,
) -> list[list[str]]:
    """Score the latest critiques, add them to the pools and return the k best as beams."""
    beams = []
    scored = score_critiques(model.engine, answers, latest)
    for pool, critiques in zip(pools, scored, strict=True):
        numbered = [c.model_copy(update={"iteration": iteration}) for c in critiques]
        pool += numbered
        usable = [critique for critique in numbered if is_usable(critique)]
        usable.sort(key=lambda critique: critique.reward or 0.0, reverse=True)
        kept = usable[: _CONFIG.k]
        beams.append([strip_closing_paragraph(critique.text).rstrip() for critique in kept])
    return beams
