"""Refine a first draft in several ways, with at most as many requests as the loop.

All arms share their first draft, so they are compared on the same items (paper 1, section on refinements). It is the
record's answer, or else the loop's first draft. A request for n replies counts once in every arm.

- "loop": Criticize and refine.
- "direct": Refine without a critique until the draft is accepted or repeated.
- "best_of_n": Sample new drafts at once, and keep the least critiqueable one.
- "resample": Sample new drafts one after the other until one is accepted.

Each arm judges its drafts with the same judge and checkers.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from langchain_core.messages import AIMessage, HumanMessage

from selfcritic.agent.context import Context
from selfcritic.agent.data.records import AnswerRecord, Refinement
from selfcritic.agent.errors import (
    BudgetExhausted,
    CheckerError,
    InputError,
    ModelError,
    SelfcriticError,
)
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.schemas import Budget, Capabilities, RoleUsage, Round, Usage
from selfcritic.agent.state import Output
from selfcritic.agent.stopping import best_round

ARMS: tuple[str, ...] = ("loop", "direct", "best_of_n", "resample")
_MAX_ROUNDS = 100
_MAX_DRAFTS = 256
_MIN_CALLS = 2
"""Requests of a new draft: the draft and its verdict."""
_VOTES = 5
_SEED_STEP = 1_000_003
_STEPS_PER_ROUND = 5


class Graph(Protocol):
    """A compiled self-critique graph."""

    def astream(
        self, inputs: dict[str, Any], /, *, context: Context, **options: Any
    ) -> AsyncIterator[Any]:
        """Run the graph, and yield its state after each step."""
        ...


@dataclass(frozen=True)
class ArmGraphs:
    """The loop's graphs."""

    answer: Graph
    """Takes `question` and `context`, and writes its own first draft."""
    refine: Graph
    """Takes `messages` that end with the first draft, and `context`."""


@dataclass(frozen=True)
class ArmsResult:
    """What the arms made of one first draft."""

    refinements: list[Refinement]
    """One per arm and round: the answer that the arm would return after that round.

    An arm that changed nothing has one, of round 0.
    """
    first_round: Round
    """The first draft with its verdict, findings and critiques in the loop."""


async def run_arms(
    record: AnswerRecord,
    graphs: ArmGraphs,
    context: Context,
    *,
    arms: Sequence[str] = ARMS,
    draft_usage: Usage | None = None,
) -> ArmsResult:
    """Run arms on a record; the loop always runs, because it sets the limit.

    `draft_usage` is what the record's answer cost, one request by default. An error of a model after the first draft
    ends only its arm, with the best draft so far.

    Raises:
        BudgetExhausted: A surrounding budget ended before all arms were complete.
        CheckerError: A checker failed, so the arms do not have the same evidence.
        InputError: An arm is unknown.
        ModelError: The model did not write a first draft.
    """
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        raise InputError(f"There is no arm {unknown[0]!r}. Use {', '.join(ARMS)} (--arm).")
    trial = _Trial(record, graphs, context, draft_usage or Usage(calls=1))
    loop = await trial.run_loop()
    others = [arm for arm in ARMS if arm in arms and arm != "loop"]
    results = await asyncio.gather(*(_run_arm(arm, trial, loop) for arm in others))
    refinements = _by_round("loop", loop) if "loop" in arms else []
    for result in results:
        refinements = refinements + result
    return ArmsResult(refinements, loop.rounds[0])


@dataclass
class _Run:
    """A finished run of a graph."""

    output: Output
    before: list[Usage]
    """What the arm used before this run."""
    by_round: dict[int, Usage] = field(default_factory=dict)
    """The run's usage when a round was judged."""
    draft: Usage = field(default_factory=Usage)
    """The run's usage when it had its first draft."""

    @property
    def rounds(self) -> list[Round]:
        return self.output["rounds"]

    @property
    def usages(self) -> list[Usage]:
        """Usage of the arm by the end of the run."""
        return [*self.before, self.output["usage"]]

    def usages_at(self, index: int) -> list[Usage]:
        """Return what the arm used by the verdict of a round."""
        return [*self.before, self.by_round.get(index, self.output["usage"])]


@dataclass
class _Trial:
    """One record with the graphs and options of its arms."""

    record: AnswerRecord
    graphs: ArmGraphs
    context: Context
    draft_usage: Usage

    async def run_loop(self) -> _Run:
        """Run the loop, which writes the first draft if the record has no answer."""
        if self.record.answer.strip():
            return await self.refine(self.context)
        inputs = {"question": self.record.question}
        run = await self._run(self.graphs.answer, inputs, self.context, [])
        self.record = self.record.model_copy(update={"answer": run.rounds[0].answer})
        self.draft_usage = run.draft
        return run

    async def refine(self, context: Context) -> _Run:
        """Run the loop, or direct refinement, from the first draft."""
        messages = [HumanMessage(self.record.question), AIMessage(self.record.answer)]
        inputs = {"messages": messages}
        return await self._run(self.graphs.refine, inputs, context, [self.draft_usage])

    async def refine_directly(self, calls: int) -> _Run:
        """Refine without critiques until the draft is accepted or the requests are spent."""
        options = {
            "refinement": "direct",
            "max_rounds": _MAX_ROUNDS,
            "patience": _MAX_ROUNDS,
            "budget": self._budget(calls),
        }
        return await self.refine(self.context.model_copy(update=options))

    async def draft(self, count: int, calls: int, seed_offset: int) -> _Run | None:
        """Sample and judge new drafts; None if the model fails or the budget is spent."""
        options: dict[str, Any] = {
            "num_drafts": count,
            "max_rounds": 0,
            "budget": self._budget(calls),
        }
        if self.context.seed is not None:
            options["seed"] = self.context.seed + seed_offset * _SEED_STEP
        context = self.context.model_copy(update=options)
        inputs = {"question": self.record.question}
        try:
            return await self._run(self.graphs.answer, inputs, context, [])
        except (_ArmSpent, ModelError):
            return None

    def _budget(self, calls: int) -> Budget:
        return self.context.budget.model_copy(update={"calls": max(calls, 1)})

    async def _run(
        self, graph: Graph, inputs: dict[str, Any], context: Context, before: list[Usage]
    ) -> _Run:
        """Run a graph within the context's budget.

        Raises:
            _ArmSpent: That budget ended before the first draft.
            BudgetExhausted: A surrounding budget ended.
            CheckerError: A checker failed, so the arms would not have the same evidence.
        """
        if self.record.context:
            inputs = {**inputs, "context": self.record.context}
        run = _Run(Output(), before)
        # As a parent budget, it is distinguishable from the surrounding ones.
        budget = BudgetTracker(context.budget, parent=parent_budget.get())
        token = parent_budget.set(budget)
        try:
            await _collect(graph, inputs, context.model_copy(update={"budget": Budget()}), run)
        except BudgetExhausted as error:
            if budget.is_spent:
                raise _ArmSpent(str(error)) from error
            raise
        finally:
            parent_budget.reset(token)
        stop_reason = run.output.get("stop_reason")
        if stop_reason == "budget" and not budget.is_spent:
            raise BudgetExhausted("The budget ended before all arms were complete.")
        if stop_reason == "checker_error":
            raise CheckerError(run.output.get("error") or "A checker failed.")
        return run


class _ArmSpent(SelfcriticError):  # noqa: N818 - not a failure: the arm ends
    """The budget of an arm does not cover its next draft."""


async def _collect(graph: Graph, inputs: dict[str, Any], context: Context, run: _Run) -> None:
    """Run a graph, and note its output and its usage by round."""
    limit = _STEPS_PER_ROUND * (context.max_rounds + 2)
    states = graph.astream(
        inputs, context=context, config={"recursion_limit": limit}, stream_mode="values"
    )
    async for state in states:
        run.output = cast(Output, state)
        rounds = run.output.get("rounds", [])
        if len(rounds) == 1 and not run.draft.calls:
            run.draft = run.output["usage"]
        if rounds and rounds[-1].p_critiqueable is not None:
            run.by_round.setdefault(len(rounds) - 1, run.output["usage"])


async def _run_arm(arm: str, trial: _Trial, loop: _Run) -> list[Refinement]:
    calls = _total(loop.usages).calls
    if arm == "direct":
        run = await trial.refine_directly(calls - trial.draft_usage.calls)
        return _by_round(arm, run)
    calls -= _total(loop.usages_at(0)).calls  # the first draft is judged already
    if arm == "best_of_n":
        return await _best_of_n(trial, loop, calls)
    return await _resample(trial, loop, calls)


def _by_round(arm: str, run: _Run) -> list[Refinement]:
    """Return what a run would return after each of its rounds."""
    last = len(run.rounds) - 1
    refinements = []
    for index in range(1, last):
        best = best_round(run.rounds[: index + 1])
        refinements.append(_refinement(arm, run.rounds[best].answer, index, run.usages_at(index)))
    refinements.append(_refinement(arm, run.output["answer"], last, run.usages))
    return refinements


async def _best_of_n(trial: _Trial, loop: _Run, calls: int) -> list[Refinement]:
    count = _count_drafts(calls, loop.output.get("capabilities", {}), trial.context)
    run = await trial.draft(count, calls, 1) if count else None
    rounds = [loop.rounds[0]]
    usages = loop.usages_at(0)
    if run is not None:
        rounds += run.rounds
        usages += run.usages
    answer = rounds[best_round(rounds)].answer
    return [_refinement("best_of_n", answer, len(rounds) - 1, usages)]


async def _resample(trial: _Trial, loop: _Run, calls: int) -> list[Refinement]:
    first = loop.rounds[0]
    rounds = [first]
    usages = loop.usages_at(0)
    refinements: list[Refinement] = []
    is_accepted = len(loop.rounds) == 1 and loop.output["stop_reason"] == "accepted"
    while not is_accepted and calls >= _MIN_CALLS:
        run = await trial.draft(1, calls, len(rounds) + 1)
        if run is None:
            break
        rounds += run.rounds
        usages += run.usages
        calls -= _total(run.usages).calls
        is_accepted = run.output["stop_reason"] == "accepted"
        answer = rounds[-1 if is_accepted else best_round(rounds)].answer
        refinements.append(_refinement("resample", answer, len(rounds) - 1, usages))
    if not refinements:
        refinements.append(_refinement("resample", first.answer, 0, usages))
    return refinements


def _count_drafts(calls: int, capabilities: dict[str, Capabilities], context: Context) -> int:
    """Return how many new drafts can be sampled and judged with these requests."""
    judge = capabilities.get("judge", Capabilities())
    calls_per_verdict = 1
    if judge.probability == "votes" and judge.n != "native":
        calls_per_verdict = context.num_votes or (1 if judge.reasoning else _VOTES)
    critic = capabilities.get("critic", Capabilities())
    is_same_model = context.model_for("critic") == context.model_for("generator")
    if is_same_model and critic.n == "native":
        count = (calls - 1) // calls_per_verdict
    else:
        count = calls // (1 + calls_per_verdict)
    return min(max(count, 0), _MAX_DRAFTS)


def _refinement(arm: str, answer: str, index: int, usages: Sequence[Usage]) -> Refinement:
    total = _total(usages)
    return Refinement(
        arm=arm,
        answer=answer,
        round=index,
        calls=total.calls,
        tokens=total.input_tokens + total.output_tokens,
        cost_usd=total.cost_usd,
        seconds=None if total.cached_calls else sum(usage.seconds for usage in usages),
    )


def _total(usages: Sequence[Usage]) -> RoleUsage:
    total = RoleUsage()
    for usage in usages:
        total.calls += usage.calls
        total.cached_calls += usage.cached_calls
        total.input_tokens += usage.input_tokens
        total.output_tokens += usage.output_tokens
        is_known = total.cost_usd is not None and usage.cost_usd is not None
        total.cost_usd = (total.cost_usd or 0) + (usage.cost_usd or 0) if is_known else None
    return total
