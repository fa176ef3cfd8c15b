"""Search for a critique by FSBS with a learned reward (paper 2, section 7.1), or take the best of 28."""

import random
from collections.abc import Sequence

from examples.critic_training.critics import critique_prompt, ground_replies, sample_critiques
from examples.critic_training.scorer import RewardScorer
from selfcritic.agent.critic.format import render, strip_closing_paragraph
from selfcritic.agent.critic.selection import is_usable
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.schemas import FSBSConfig

CONFIG = FSBSConfig()
POOL_SIZE = CONFIG.n * (CONFIG.k * (CONFIG.d - 1) + 1)
_FENCE = "```\n"
_EMPTY = ""


def search_fsbs(
    engine: Engine, scorer: RewardScorer, record: AnswerRecord, critic: str
) -> list[CritiqueSample]:
    """Return all critiques of the search, with their rewards."""
    rng = random.Random(f"{critic} {record.id}")
    pool: list[CritiqueSample] = []
    beams = [_EMPTY]
    for iteration in range(CONFIG.d):
        latest: list[CritiqueSample] = []
        for beam in beams:
            prefix = f"{beam}\n\n{_FENCE}" if beam else _FENCE
            [replies] = engine.complete(
                [critique_prompt(record)], CONFIG.n, rng.randrange(2**31), prefix=prefix
            )
            latest += ground_replies(record, replies, critic, prefix)
        scored: list[CritiqueSample] = []
        for sample in scorer.score(record, latest):
            number = len(pool) + len(scored)
            update = {"iteration": iteration, "id": f"{critic}/{number}"}
            scored.append(sample.model_copy(update=update))
        pool += scored
        beams = _keep_best(scored)
        if not beams:
            break
    return pool


def _keep_best(samples: Sequence[CritiqueSample]) -> list[str]:
    """Return the k best critiques as prefixes."""
    usable = [sample for sample in samples if is_usable(sample)]
    usable.sort(key=lambda sample: sample.reward or 0.0, reverse=True)
    beams = []
    for sample in usable[: CONFIG.k]:
        text = render(sample.comments) if sample.is_truncated else sample.text
        beams.append(strip_closing_paragraph(text).rstrip())
    return beams


def sample_scored(
    engine: Engine, scorer: RewardScorer, records: Sequence[AnswerRecord], critic: str, seed: int
) -> list[list[CritiqueSample]]:
    """Sample as many critiques of each answer as FSBS makes, with their rewards."""
    pools = sample_critiques(engine, records, critic, POOL_SIZE, seed)
    scored = []
    for record, pool in zip(records, pools, strict=True):
        scored.append(scorer.score(record, pool))
    return scored
