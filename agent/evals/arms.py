"""Refine a first draft in several ways, with at most as many requests as the loop.

All arms share the record's answer as their first draft, so they are compared on the same items (paper 1, section on
refinements). A request for n replies counts once in every arm.

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
from selfcritic.agent.errors import BudgetExhausted, InputError, ModelError
from selfcritic.agent.schemas import Budget, Capabilities, Round, Usage
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
    """Run arms on the record's answer; the loop always runs, because it sets the limit.

    `draft_usage` is what the first draft cost, one request by default. An error of a model ends only its arm, with the
    best draft so far. If a surrounding budget runs out, the arms also end with what they have.

    Raises:
        InputError: An arm is unknown, or the record has no answer.
    """
    _check(record, arms)
    trial = _Trial(record, graphs, context, draft_usage or Usage(calls=1))
    loop = await trial.refine(context, "loop")
    others = [arm for arm in ARMS if arm in arms and arm != "loop"]
    results = await asyncio.gather(*(_run_arm(arm, trial, loop) for arm in others))
    refinements = loop.refinements if "loop" in arms else []
    for result in results:
        refinements = refinements + result
    return ArmsResult(refinements, loop.rounds[0])


def _check(record: AnswerRecord, arms: Sequence[str]) -> None:
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        raise InputError(f"There is no arm {unknown[0]!r}. Use {', '.join(ARMS)} (--arm).")
    if not record.answer.strip():
        raise InputError(
            f"Record {record.id!r} has no answer to refine. Sample a first draft before running the arms."
        )


@dataclass
class _Run:
    """A finished run of a graph."""

    output: Output
    usages: dict[int, Usage] = field(default_factory=dict)
    """Usage when a round was judged, by round."""
    refinements: list[Refinement] = field(default_factory=list)

    @property
    def rounds(self) -> list[Round]:
        return self.output["rounds"]

    @property
    def usage(self) -> Usage:
        return self.output["usage"]

    @property
    def first_usage(self) -> Usage:
        """Usage of the first draft's verdict."""
        return self.usages.get(0, self.usage)


@dataclass(frozen=True)
class _Trial:
    """One record with the graphs and options of its arms."""

    record: AnswerRecord
    graphs: ArmGraphs
    context: Context
    draft_usage: Usage

    async def refine(self, context: Context, arm: str) -> _Run:
        """Run the loop, or direct refinement, from the first draft."""
        messages = [HumanMessage(self.record.question), AIMessage(self.record.answer)]
        run = await self._run(self.graphs.refine, {"messages": messages}, context)
        last = len(run.rounds) - 1
        for index in range(min(1, last), last):
            best = best_round(run.rounds[: index + 1])
            usage = run.usages.get(index, run.usage)
            run.refinements.append(
                self.refinement(arm, run.rounds[best].answer, index, [usage]),
            )
        run.refinements.append(self.refinement(arm, run.output["answer"], last, [run.usage]))
        return run

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
        try:
            return await self._run(self.graphs.answer, {"question": self.record.question}, context)
        except (BudgetExhausted, ModelError):
            return None

    async def refine_directly(self, calls: int) -> list[Refinement]:
        """Refine without critiques until the draft is accepted or the requests are spent."""
        options = {
            "refinement": "direct",
            "max_rounds": _MAX_ROUNDS,
            "patience": _MAX_ROUNDS,
            "budget": self._budget(calls),
        }
        run = await self.refine(self.context.model_copy(update=options), "direct")
        return run.refinements

    def refinement(self, arm: str, answer: str, index: int, usages: Sequence[Usage]) -> Refinement:
        """Return a refinement with the usage of the first draft and of all runs."""
        calls = 0
        tokens = 0
        cost: float | None = 0.0
        for usage in (self.draft_usage, *usages):
            calls += usage.calls
            tokens += usage.input_tokens + usage.output_tokens
            cost = None if cost is None or usage.cost_usd is None else cost + usage.cost_usd
        return Refinement(
            arm=arm, answer=answer, round=index, calls=calls, tokens=tokens, cost_usd=cost
        )

    def _budget(self, calls: int) -> Budget:
        return self.context.budget.model_copy(update={"calls": calls})

    async def _run(self, graph: Graph, inputs: dict[str, Any], context: Context) -> _Run:
        if self.record.context:
            inputs = {**inputs, "context": self.record.context}
        limit = _STEPS_PER_ROUND * (context.max_rounds + 2)
        states = graph.astream(
            inputs, context=context, config={"recursion_limit": limit}, stream_mode="values"
        )
        usages: dict[int, Usage] = {}
        output: dict[str, Any] = {}
        async for output in states:
            rounds = output.get("rounds")
            if rounds and rounds[-1].p_critiqueable is not None:
                usages.setdefault(len(rounds) - 1, output["usage"])
        return _Run(cast(Output, output), usages)


async def _run_arm(arm: str, trial: _Trial, loop: _Run) -> list[Refinement]:
    if arm == "direct":
        return await trial.refine_directly(max(loop.usage.calls, 1))
    calls = loop.usage.calls - loop.first_usage.calls  # the first draft is judged already
    if arm == "best_of_n":
        return await _best_of_n(trial, loop, calls)
    return await _resample(trial, loop, calls)


async def _best_of_n(trial: _Trial, loop: _Run, calls: int) -> list[Refinement]:
    count = _count_drafts(calls, loop.output.get("capabilities", {}), trial.context)
    run = await trial.draft(count, calls, 1) if count else None
    rounds = [loop.rounds[0]]
    usages = [loop.first_usage]
    if run is not None:
        rounds += run.rounds
        usages.append(run.usage)
    answer = rounds[best_round(rounds)].answer
    return [trial.refinement("best_of_n", answer, len(rounds) - 1, usages)]


async def _resample(trial: _Trial, loop: _Run, calls: int) -> list[Refinement]:
    first = loop.rounds[0]
    rounds = [first]
    usages = [loop.first_usage]
    refinements: list[Refinement] = []
    is_accepted = len(loop.rounds) == 1 and loop.output["stop_reason"] == "accepted"
    while not is_accepted and calls >= _MIN_CALLS:
        run = await trial.draft(1, calls, len(rounds) + 1)
        if run is None:
            break
        rounds += run.rounds
        usages.append(run.usage)
        calls -= run.usage.calls
        is_accepted = run.output["stop_reason"] == "accepted"
        answer = rounds[-1 if is_accepted else best_round(rounds)].answer
        refinements.append(trial.refinement("resample", answer, len(rounds) - 1, usages))
    if not refinements:
        refinements.append(trial.refinement("resample", first.answer, 0, usages))
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
