"""Run one sample of an experiment: sample answers and critiques with graphs, and let an oracle rate them.

The graphs are handed in, and any object with a compiled graph's `ainvoke` will do:

- `draft`: question → drafts with P(critiqueable), as `create_best_of_n` does;
- `judge`: messages that end with an answer → its P(critiqueable);
- `review`: question and answer → a pool of scored critiques, as `create_review` does. It criticizes each answer, also
  one that the model finds flawless (paper 1's forced critiques);
- `loop` and `refine`: the self-critique loop, from a question and from an answer.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from selfcritic.agent.context import Context
from selfcritic.agent.data.records import AnswerRecord, Rating
from selfcritic.agent.errors import (
    BudgetExhausted,
    CheckerError,
    CheckpointError,
    InputError,
    ModelError,
    SelfcriticError,
)
from selfcritic.agent.evals.arms import ArmGraphs, run_arms
from selfcritic.agent.evals.code_answers import (
    is_code_problem,
    with_examples,
    without_solution,
)
from selfcritic.agent.evals.critique_pools import add_pool, note_error, to_samples
from selfcritic.agent.evals.epochs import epoch_seed, mark_epoch
from selfcritic.agent.evals.journal import FinishedSample
from selfcritic.agent.evals.names import ExperimentName
from selfcritic.agent.evals.oracles import Oracle, Rater, choose_oracle
from selfcritic.agent.redaction import redact
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.schemas import Budget, Critique, RoleUsage, Usage

_log = logging.getLogger(__name__)


class Graph(Protocol):
    """A compiled graph."""

    async def ainvoke(self, state: Any, /, *, context: Context) -> Mapping[str, Any]:
        """Run the graph and return its output."""
        ...


@dataclass(frozen=True)
class Graphs:
    """Compiled graphs; see the module's docstring."""

    draft: Graph
    judge: Graph
    review: Graph
    loop: Any
    refine: Any


@dataclass(frozen=True)
class Item:
    """One sample of a run: an item of the data and a critic."""

    record: AnswerRecord
    critic: str
    epoch: int = 1
    """Number of the repetition; each has another seed."""

    @property
    def id(self) -> str:
        """Identifies the sample in its run."""
        name = f"{self.record.id} | {self.critic}"
        return name if self.epoch == 1 else f"{name} | epoch {self.epoch}"


class _ItemBudget(BudgetTracker):
    """Usage of one sample, in the budget of its run."""

    was_refused = False
    """Whether the run's budget refused a request of this sample."""

    def reserve(self, role: str, messages: Sequence[BaseMessage]) -> None:
        try:
            super().reserve(role, messages)
        except BudgetExhausted:
            self.was_refused = True
            raise


@dataclass(frozen=True)
class Experiment:
    """What each sample of a run does."""

    name: ExperimentName
    graphs: Graphs
    contexts: Mapping[str, Context]
    """Options of each critic, by its name."""
    judge: Rater | None = None
    num_answers: int = 1
    """Answers sampled for each task, for self-critique and gdc."""
    arms: Sequence[str] = field(default_factory=tuple)

    async def run(self, item: Item) -> FinishedSample:
        """Run one sample.

        A failure becomes a record with `error`; what was paid for is kept.

        Raises:
            BudgetExhausted: The budget does not cover the sample, and nothing was paid for.
            CheckpointError: The usage cannot be saved.
        """
        budget = _ItemBudget(Budget(), parent=parent_budget.get())
        token = parent_budget.set(budget)
        started = time.monotonic()
        records: list[AnswerRecord] = []
        ratings: list[Rating] = []
        error: str | None = None
        try:
            records = await self._sample(item)
            for record in records:
                ratings += await self._rate(record)
        except BudgetExhausted as failure:
            error = str(failure)
        except CheckpointError:
            raise
        except SelfcriticError as failure:
            error = redact(str(failure))
        except Exception as failure:  # noqa: BLE001 - one sample must not end the run
            error = redact(f"{type(failure).__name__}: {failure}")
        finally:
            parent_budget.reset(token)
        if budget.was_refused:
            if not budget.usage.calls + budget.usage.cached_calls:
                raise BudgetExhausted("The budget does not cover this item.")
            error = "The budget ended before this item was complete."
            records = [record.model_copy(update={"error": error}) for record in records]
        if not records:
            records = [item.record.model_copy(update={"error": error})]
        records, ratings = mark_epoch(
            records, ratings, item.epoch, repeats_answer=self._uses_answer(item.record)
        )
        error = error or next((record.error for record in records if record.error), None)
        return FinishedSample(
            sample=item.id,
            critic=item.critic,
            records=records,
            ratings=ratings,
            usage=RoleUsage(**budget.usage.model_dump(include=set(RoleUsage.model_fields))),
            seconds=round(time.monotonic() - started, 3),
            error=error,
        )

    async def _sample(self, item: Item) -> list[AnswerRecord]:
        """Return the records of a sample, without ratings."""
        context = self._context(item)
        if self.name in ("self-critique", "gdc"):
            answers = await self._sample_answers(item.record, context)
            return [await self._criticize(record, item.critic, context) for record in answers]
        if self.name == "refine":
            return [await self._refine(item.record, item.critic, context)]
        record = await self._with_facts(item.record)
        if self.name == "frontier":
            return [await self._search_twice(record, item.critic, context)]
        if self.name == "review":
            return [await self._review(record, item.critic, context)]
        record = await self._classify(record, item.critic, context)
        return [await self._criticize(record, item.critic, context)]

    def _uses_answer(self, record: AnswerRecord) -> bool:
        """Whether the experiment is about the record's answer, not about new ones."""
        if self.name in ("self-critique", "gdc"):
            return False
        is_new = self.name == "refine" and record.origin == "clean"
        return bool(record.answer.strip()) and not is_new

    def _context(self, item: Item) -> Context:
        """Return the options of a sample, with the seed of its epoch."""
        context = self.contexts[item.critic]
        if context.seed is None:
            return context
        return context.model_copy(update={"seed": epoch_seed(context.seed, item.epoch)})

    def _oracle(self, record: AnswerRecord) -> Oracle:
        return choose_oracle(record, self.judge)

    async def _rate(self, record: AnswerRecord) -> list[Rating]:
        oracle = self._oracle(record)
        requests = [oracle.rate(record, critique) for critique in record.critiques]
        results = await asyncio.gather(*requests)
        return [rating for ratings in results for rating in ratings]

    async def _with_facts(self, record: AnswerRecord) -> AnswerRecord:
        """Add what the oracle knows about the answer."""
        is_correct = record.is_correct
        if is_correct is None:
            is_correct = await self._grade(record, record.answer)
        bugs = await self._oracle(record).find_bugs(record)
        return record.model_copy(update={"is_correct": is_correct, "bugs": bugs})

    async def _grade(self, record: AnswerRecord, answer: str) -> bool | None:
        """Return whether an answer is correct; None with a warning if that cannot be checked."""
        try:
            return await self._oracle(record).grade(record, answer)
        except CheckerError as failure:
            _log.warning("An answer to %s could not be graded: %s", record.id, redact(str(failure)))
            return None

    async def _sample_answers(self, record: AnswerRecord, context: Context) -> list[AnswerRecord]:
        """Sample and judge answers to the record's question, instead of using the record's."""
        if is_code_problem(record):
            record = without_solution(record)
        options = context.model_copy(update={"num_drafts": self.num_answers})
        state = {"question": record.question, "context": record.context}
        output = await self.graphs.draft.ainvoke(state, context=options)
        draft = output["rounds"][0]
        candidates = draft.candidates or [draft]
        records = []
        for number, candidate in enumerate(candidates, 1):
            update = {
                "id": record.id if len(candidates) == 1 else f"{record.id}/{number}",
                "answer": candidate.answer,
                "origin": "natural",
                "p_critiqueable": candidate.p_critiqueable,
                "is_correct": None,
                "quality": None,
                "bugs": None,
                "critiques": [],
                "refinements": [],
            }
            sampled = record.model_copy(update=update)
            records.append(await self._with_facts(note_error(sampled, "verdict_error", output)))
        return records

    async def _classify(self, record: AnswerRecord, critic: str, context: Context) -> AnswerRecord:
        """Add P(critiqueable) of a given answer."""
        messages = [HumanMessage(record.question), AIMessage(record.answer)]
        state = {"messages": messages, "context": record.context}
        output = await self.graphs.judge.ainvoke(state, context=context)
        probability = output.get("p_critiqueable")
        metadata = {**record.metadata, "p_critiqueable": {critic: probability}}
        record = record.model_copy(update={"p_critiqueable": probability, "metadata": metadata})
        return note_error(record, "verdict_error", output)

    async def _criticize(self, record: AnswerRecord, critic: str, context: Context) -> AnswerRecord:
        """Add a pool of critiques; a review that fails sets `error`."""
        try:
            output, usage = await self._call_review(record, context)
        except (InputError, ModelError) as failure:
            return record.model_copy(update={"error": redact(str(failure))})
        pool: list[Critique] = output["rounds"][0].critiques
        return add_pool(record, critic, pool, usage, output)

    async def _search_twice(
        self, record: AnswerRecord, critic: str, context: Context
    ) -> AnswerRecord:
        """Add the pools of FSBS and of as many independent critiques (paper 2, figure 8)."""
        sizes = context.fsbs
        num_critiques = sizes.n * (sizes.k * (sizes.d - 1) + 1)
        searches = {
            f"{critic}/fsbs": context.model_copy(update={"search": "fsbs"}),
            f"{critic}/best_of_{num_critiques}": context.model_copy(
                update={"search": "rejection", "num_critiques": num_critiques}
            ),
        }
        for name, options in searches.items():
            record = await self._criticize(record, name, options)
        return record

    async def _review(self, record: AnswerRecord, critic: str, context: Context) -> AnswerRecord:
        """Add the selected critique as the only one; without any comment, it is empty."""
        output, usage = await self._call_review(record, context)
        selected: Critique | None = output.get("critique")
        pool = [selected or Critique(text="", selected=True)]
        is_failure = output.get("stop_reason") not in ("reviewed", "no_helpful_critique")
        if is_failure and selected is None:
            pool = []
        return add_pool(record, critic, pool, usage, output)

    async def _call_review(
        self, record: AnswerRecord, context: Context
    ) -> tuple[Mapping[str, Any], Usage]:
        """Return the output of a review, and its own usage."""
        budget = BudgetTracker(Budget(), parent=parent_budget.get())
        token = parent_budget.set(budget)
        state = {"question": record.question, "answer": record.answer, "context": record.context}
        try:
            output = await self.graphs.review.ainvoke(state, context=context)
        finally:
            parent_budget.reset(token)
        return output, budget.usage

    async def _refine(self, record: AnswerRecord, critic: str, context: Context) -> AnswerRecord:
        """Add the refinements of all arms, graded by the oracle, and the first draft's critiques."""
        if is_code_problem(record):
            context = with_examples(record, context)
        if record.origin == "clean":
            record = without_solution(record)
        graphs = ArmGraphs(answer=self.graphs.loop, refine=self.graphs.refine)
        result = await run_arms(record, graphs, context, arms=self.arms)
        first = result.first_round
        update = {
            "answer": first.answer,
            "p_critiqueable": first.p_critiqueable,
            "critiques": to_samples(first.critiques, critic, []),
        }
        record = await self._with_facts(record.model_copy(update=update))
        refinements = []
        for refinement in result.refinements:
            is_correct = await self._grade(record, refinement.answer)
            refinements.append(refinement.model_copy(update={"is_correct": is_correct}))
        return record.model_copy(update={"refinements": refinements})
