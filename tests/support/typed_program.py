"""A user's program over the whole public API, clean under `mypy --strict` and run by a test.

Each wrong line is marked `type: ignore[…]`: mypy complains of a mark where it sees no error, which it would not see if
the package came without its types.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from selfcritic import prompts
from selfcritic.agent import (
    Budget,
    Candidate,
    Comment,
    Context,
    Critique,
    Round,
    State,
    Step,
    Usage,
    load,
)
from selfcritic.agent.errors import BudgetExhausted, InputError, SelfcriticError
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.agent.schemas import Capabilities, RoleUsage, StopReason
from selfcritic.agent.state import Input, Output, ReviewInput, ReviewOutput
from selfcritic.graphs import (
    calibrate,
    create_best_of_n,
    create_fsbs,
    create_human_review,
    create_review,
    create_self_critique,
    rerank,
    run_batch,
)
from selfcritic.graphs.batch.run import Report, Result
from selfcritic.graphs.checkpoints import open_checkpointer, serializer
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

QUESTION: Input = {"question": "What is 128 + 256?"}
WRONG: Input = {"question": 7}  # type: ignore[typeddict-item]
Loop = CompiledStateGraph[State, Context, Input, Output]


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """A node of one's own."""
    step = Step(state, runtime)
    options: Context = runtime.context
    found = Critique(text="", comments=[Comment(quote=step.round.answer, text=f"one of {options.num_critiques}")])
    try:
        [text] = await step.sampler("judge").sample(step.render_prompt("classify", answer=step.round.answer))
    except SelfcriticError as failure:
        return step.update(stop=failure)
    text.nothing  # type: ignore[attr-defined]  # noqa: B018
    return step.update(rounds=step.rounds_with(critiques=[found]))


def is_cheap_enough(state: State) -> bool:
    """A stop rule of one's own."""
    usage: Usage = state["usage"]
    return usage.calls > 30 or (usage.cost_usd or 0.0) > 0.01


def not_a_rule(state: State) -> str:
    """Says nothing of stopping."""
    return state["answer"]


def show(out: Output) -> None:
    """Read everything that a run comes to."""
    reason: StopReason = out["stop_reason"]
    drafts: list[Round] = out["rounds"]
    candidates: list[Candidate] = drafts[0].candidates
    spent: dict[str, RoleUsage] = out["usage"].by_role
    capabilities: dict[str, Capabilities] = out["capabilities"]
    first: str = drafts[0].answer
    wrong: int = drafts[0].answer  # type: ignore[assignment]
    told = (out["answer"], first, wrong, reason, str(len(candidates)), *spent, *capabilities)
    sys.stdout.write(" ".join(map(str, told)) + "\n")


async def adds_up(question: str, draft: str) -> list[Comment]:
    """A checker of one's own."""
    return [] if draft == "384" else [Comment(quote=draft, text=f"This is no answer to {question}")]


async def brief(question: str, draft: str, critiques: Sequence[Critique]) -> list[float]:
    """A scorer of one's own."""
    return [-float(len(question + draft + critique.text)) for critique in critiques]


def review(model: BaseChatModel) -> None:
    """The critic alone."""
    given: ReviewInput = {"question": "What is 128 + 256?", "answer": "385"}
    graph: CompiledStateGraph[State, Context, ReviewInput, ReviewOutput] = create_review(
        model=model, checkers=[adds_up, "arithmetic"], scorer=brief
    ).compile()
    out = cast(ReviewOutput, graph.invoke(given, context=Context(checkers=[adds_up])))
    chosen: Critique | None = out["critique"]
    pool: list[Critique] = out["rounds"][0].critiques
    best: int | None = rerank(pool, calibrate([pool], 50))
    create_human_review(model=model, nodes={"critique": critique}).compile()
    search = create_fsbs(model=model, nodes={"select": critique}).compile()
    told = (chosen is not None, best is not None, out["rounds"][0].findings[0].source, search.name, out["stop_reason"])
    sys.stdout.write(" ".join(map(str, told)) + "\n")


async def save(model: BaseChatModel, folder: Path) -> Report:
    """The loop over rows, and on a checkpoint."""
    async with open_checkpointer(str(folder / "runs.sqlite")) as saver:
        graph: Loop = create_self_critique(model=model).compile(checkpointer=saver)
        show(cast(Output, await graph.ainvoke(QUESTION, {"configurable": {"thread_id": "1"}})))
    results: list[Result] = []
    batch: Loop = create_best_of_n(model=model, num_drafts=2).compile(name="best_of_n")
    report = await run_batch(
        batch, [dict(QUESTION)], ledger=folder / "rows.sqlite", on_result=results.append, budget=Budget(calls=40)
    )
    sys.stdout.write(f"{len(results)} rows\n")
    return report


def main(folder: Path) -> None:
    """Run it all, offline."""
    model: BaseChatModel = load("simulated", draft_error_rate=0, false_alarm_rate=0)
    graph: Loop = create_self_critique(model=model, nodes={"critique": critique}, stop_when=is_cheap_enough).compile()
    show(cast(Output, graph.invoke(QUESTION, context=Context(num_critiques=16, budget=Budget(calls=40)))))
    create_self_critique(stop_when=not_a_rule)  # type: ignore[arg-type]
    create_self_critique(nodes={"generate": start_from_messages, "critique": lambda state, runtime: state})
    asyncio.run(save(model, folder))
    review(model)
    agent = create_agent(model, middleware=[SelfCritiqueMiddleware(model=model)])
    mended = agent.invoke({"messages": [{"role": "user", "content": "What is 128 + 256?"}]})
    asked = prompts.load("plain").render("generate", question="What is 128 + 256?", context="")
    sys.stdout.write(f"{mended['messages'][-1].text} {len(asked)}\n")
    try:
        load("nothing")
    except (BudgetExhausted, InputError, SelfcriticError) as error:
        sys.stdout.write(f"{type(error).__name__} {type(serializer()).__name__}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
