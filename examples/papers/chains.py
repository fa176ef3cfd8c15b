"""Refine answers for up to six rounds, with each kind of critique (experiments 3 and 7).

The first answer of a task is refined in any case (forced). Later ones are refined until P(critiqueable) is below 0.02.
So any stop rule can be applied afterwards without new replies: see `replay`. All arms have the same first answers and
the same first critiques.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from examples.papers.models import Split, TinyLanguageModel
from examples.papers.records import answer_record
from examples.papers.replies import Answer, judge_answers, refine_answers, write_critiques
from selfcritic.agent.critic.format import critique_text, render
from selfcritic.agent.critic.selection import merge_critiques, rank, select_critiques
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.schemas import Comment, Critique
from selfcritic.agent.tasks import Task

MAX_ROUNDS = 6
ALWAYS_ACCEPTED = 0.02
"""Later answers below this P(critiqueable) are not refined; no stop rule has a lower threshold."""
Source = Literal["direct", "model", "worst", "oracle", "false"]


@dataclass(frozen=True)
class Arm:
    """How answers are refined."""

    name: str
    source: Source = "model"
    num_critiques: int = 8
    helpful_threshold: float = 0.0
    """Only critiques with a higher P(helpful) are applied."""
    max_applied: int = 1
    """Critiques in one refinement."""
    criticizes_last: bool = False
    """Whether the last answer of a chain gets critiques, too."""

    @property
    def is_from_pool(self) -> bool:
        """Whether the model writes critiques."""
        return self.source in ("model", "worst")


ARMS = (
    Arm("direct", "direct"),
    Arm("one critique", num_critiques=1),
    Arm("best of 8"),
    Arm("worst of 8", "worst"),
    Arm("best of 8, helpful", helpful_threshold=0.5),
    Arm("up to 6 of 8, helpful", helpful_threshold=0.5, max_applied=6),
    Arm("false critique", "false"),
    Arm("oracle's critique", "oracle"),
    Arm("oracle's critiques", "oracle", max_applied=6),
)
"""The arms of experiment 3. "helpful" applies only critiques with a P(helpful) over 0.5, as the loop does."""


@dataclass
class Draft:
    """One answer of a chain."""

    text: str
    num_flaws: int
    p_critiqueable: float
    best_helpful: float | None = None
    """Highest P(helpful) of its critiques; None if it has none."""
    critique_calls: int = 0
    """Critiques and scores."""

    @property
    def is_correct(self) -> bool:
        """Whether the oracle finds no flaw."""
        return self.num_flaws == 0


@dataclass
class Chain:
    """The answers of one task, the first draft and its refinements."""

    task: Task
    drafts: list[Draft]
    is_stuck: bool = False
    """Whether no critique was good enough, or the last refinement repeated an answer."""
    repeat_calls: int = 0
    """1 if the chain ended with a refinement that repeated an answer."""
    first_critiques: Sequence[Critique] = ()


def start_chains(tasks: Sequence[Task], records: Sequence[AnswerRecord]) -> list[Chain]:
    """Return chains of first answers, with their verdicts and critiques."""
    chains = []
    for task, record in zip(tasks, records, strict=True):
        draft = recorded_draft(record)
        chains.append(Chain(task, [draft], first_critiques=record.critiques))
    return chains


def recorded_draft(record: AnswerRecord) -> Draft:
    """Return a recorded answer as a draft."""
    return Draft(record.answer, len(record.bugs or []), record.p_critiqueable or 0.0)


def run_arm(model: TinyLanguageModel, arm: Arm, starts: Sequence[Chain], seed: str) -> list[Chain]:
    """Refine each chain's first answer for up to six rounds."""
    chains = [replace(chain, drafts=[replace(chain.drafts[0])]) for chain in starts]
    rng = random.Random(f"{model.name} {arm.name} {seed}")
    for number in range(MAX_ROUNDS):
        active = [chain for chain in chains if _is_active(chain)]
        if not active:
            break
        purpose = f"{seed} {arm.name} {number}"
        critiques = _choose_critiques(model, arm, active, purpose, rng)
        active, chosen = _drop_stuck(arm, active, critiques)
        if active:
            _refine(model, active, chosen, f"{purpose} refinements")
    if arm.criticizes_last:
        rest = [chain for chain in chains if chain.drafts[-1].best_helpful is None]
        pools = write_critiques(
            model.engine, _answers(rest), arm.num_critiques, model.seed(f"{seed} last")
        )
        _note_critiques(arm, rest, pools)
    return chains


def _is_active(chain: Chain) -> bool:
    is_forced = len(chain.drafts) == 1
    is_accepted = chain.drafts[-1].p_critiqueable < ALWAYS_ACCEPTED
    return not chain.is_stuck and (is_forced or not is_accepted)


def _answers(chains: Sequence[Chain]) -> list[Answer]:
    return [Answer(chain.task, chain.drafts[-1].text) for chain in chains]


def _choose_critiques(
    model: TinyLanguageModel, arm: Arm, chains: Sequence[Chain], purpose: str, rng: random.Random
) -> list[Critique | None]:
    """Return the critique that each chain's latest answer is refined by; None without one."""
    if arm.source == "direct":
        return [None for _ in chains]
    if not arm.is_from_pool:
        return [_oracle_critique(arm, answer, rng) for answer in _answers(chains)]
    pools = _write_pools(model, arm, chains, purpose)
    _note_critiques(arm, chains, pools)
    return [choose_critique(arm, pool) for pool in pools]


def _note_critiques(arm: Arm, chains: Sequence[Chain], pools: Sequence[Sequence[Critique]]) -> None:
    """Record the calls and the highest P(helpful) of each latest answer's critiques."""
    for chain, pool in zip(chains, pools, strict=True):
        draft = chain.drafts[-1]
        draft.best_helpful = max(critique.reward or 0.0 for critique in pool)
        num_scores = len({critique_text(critique) for critique in pool})
        if arm.num_critiques == 1 and arm.helpful_threshold == 0:
            num_scores = 0  # its only critique is always applied
        draft.critique_calls = len(pool) + num_scores


def _write_pools(
    model: TinyLanguageModel, arm: Arm, chains: Sequence[Chain], purpose: str
) -> list[Sequence[Critique]]:
    """Return critiques of each chain's latest answer; those of the first answers are shared."""
    if len(chains[0].drafts) == 1:
        return [chain.first_critiques[: arm.num_critiques] for chain in chains]
    seed = model.seed(f"{purpose} critiques")
    return list(write_critiques(model.engine, _answers(chains), arm.num_critiques, seed))


def choose_critique(arm: Arm, pool: Sequence[Critique]) -> Critique | None:
    """Select and merge critiques as the loop does; the worst arm takes the least helpful one."""
    if arm.source == "worst":
        ranking = rank(pool, 0.0)
        return pool[ranking[-1]] if ranking else None

    def is_good_enough(critique: Critique) -> bool:
        return (critique.reward or 0.0) > arm.helpful_threshold

    selected = select_critiques(pool, 0.0, arm.max_applied, is_good_enough)
    if not selected:
        return None
    return merge_critiques([pool[index] for index in selected])


def _oracle_critique(arm: Arm, answer: Answer, rng: random.Random) -> Critique | None:
    """Return the oracle's critique of some flaws, or a false one; None for a correct answer."""
    if arm.source == "false":
        return _as_critique([answer.task.false_comment(answer.text, rng)])
    flaws = [flaw.comment for flaw in answer.task.flaws(answer.text)]
    if not flaws:
        return None
    chosen = rng.sample(flaws, min(len(flaws), arm.max_applied))
    return _as_critique(sorted(chosen, key=lambda comment: comment.start or 0))


def _as_critique(comments: list[Comment]) -> Critique:
    return Critique(text=render(comments), comments=comments)


def _drop_stuck(
    arm: Arm, chains: Sequence[Chain], critiques: Sequence[Critique | None]
) -> tuple[list[Chain], list[Critique | None]]:
    """Return the chains that can be refined, with their critiques."""
    if arm.source == "direct":
        return list(chains), list(critiques)
    active: list[Chain] = []
    chosen: list[Critique | None] = []
    for chain, critique in zip(chains, critiques, strict=True):
        if critique is None:
            chain.is_stuck = True
        else:
            active.append(chain)
            chosen.append(critique)
    return active, chosen


def _refine(
    model: TinyLanguageModel,
    chains: Sequence[Chain],
    critiques: Sequence[Critique | None],
    purpose: str,
) -> None:
    """Add a refinement to each chain, unless it repeats an earlier answer."""
    texts = refine_answers(model.engine, _answers(chains), critiques, model.seed(purpose))
    refined: list[tuple[Chain, str]] = []
    for chain, text in zip(chains, texts, strict=True):
        if any(text.split() == draft.text.split() for draft in chain.drafts):
            chain.is_stuck = True
            chain.repeat_calls = 1
        else:
            refined.append((chain, text))
    verdicts = judge_answers(model.engine, [Answer(chain.task, text) for chain, text in refined])
    for (chain, text), p_critiqueable in zip(refined, verdicts, strict=True):
        chain.drafts.append(Draft(text, len(chain.task.flaws(text)), p_critiqueable))


def chain_records(arm: Arm, chains: Sequence[Chain], split: Split) -> list[AnswerRecord]:
    """Return one record for each answer of the chains."""
    records = []
    for chain in chains:
        for number, draft in enumerate(chain.drafts):
            details: dict[str, object] = {"arm": arm.name, "round": number}
            details["best_helpful"] = draft.best_helpful
            details["critique_calls"] = draft.critique_calls
            if number == len(chain.drafts) - 1:
                details["is_stuck"] = chain.is_stuck
                details["repeat_calls"] = chain.repeat_calls
            records.append(
                answer_record(
                    Answer(chain.task, draft.text),
                    f"{arm.name}/{number}",
                    split,
                    p_critiqueable=draft.p_critiqueable,
                    metadata=details,
                )
            )
    return records


def read_chains(
    records: Sequence[AnswerRecord], tasks: Mapping[str, Task]
) -> dict[str, list[Chain]]:
    """Return the chains of each arm from their records."""
    arms: dict[str, dict[str, Chain]] = {}
    for record in records:
        details = record.metadata
        chains = arms.setdefault(details["arm"], {})
        chain = chains.setdefault(record.task, Chain(tasks[record.task], []))
        draft = recorded_draft(record)
        draft.best_helpful = details["best_helpful"]
        draft.critique_calls = details["critique_calls"]
        chain.drafts.append(draft)
        chain.is_stuck = details.get("is_stuck", False)
        chain.repeat_calls = details.get("repeat_calls", 0)
    return {name: list(chains.values()) for name, chains in arms.items()}
