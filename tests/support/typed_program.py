"""Use the whole public API; tests run it and check it with `mypy --strict`.

Lines with deliberate type errors have `type: ignore[…]`. Without the package's types, mypy reports these as unused.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import cast

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

import selfcritic
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
    Event,
    SelfCritiqueGraph,
    calibrate,
    create_best_of_n,
    create_fsbs,
    create_human_review,
    create_review,
    create_self_critique,
    discard_question,
    rerank,
    run_batch,
    stream_answer,
)
from selfcritic.graphs.batch.run import Report, Result
from selfcritic.graphs.checkpoints import open_checkpointer, serializer
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

QUESTION: Input = {"question": "What is 128 + 256?"}
WRONG: Input = {"question": 7}  # type: ignore[typeddict-item]
Loop = SelfCritiqueGraph


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """Sample one critique (a custom node)."""
    step = Step(state, runtime)
    options: Context = runtime.context
    objection = Critique(
        text="", comments=[Comment(quote=step.round.answer, text=f"one of {options.num_critiques}")]
    )
    try:
        [sample] = await step.sampler("judge").sample(
            step.render_prompt("classify", answer=step.round.answer)
        )
    except SelfcriticError as failure:
        return step.update(stop=failure)
    sample.text.nothing  # type: ignore[attr-defined]  # noqa: B018
    return step.update(rounds=step.rounds_with(critiques=[objection]))


def is_too_expensive(state: State) -> bool:
    """Stop when the budget is used up (a custom stop condition)."""
    usage: Usage = state["usage"]
    return usage.calls > 30 or (usage.cost_usd or 0.0) > 0.01


def not_a_condition(state: State) -> str:
    """Return something other than a boolean."""
    return state["answer"]


def show(out: Output) -> None:
    """Print the result of a run."""
    reason: StopReason = out["stop_reason"]
    drafts: list[Round] = out["rounds"]
    candidates: list[Candidate] = drafts[0].candidates
    spent: dict[str, RoleUsage] = out["usage"].by_role
    capabilities: dict[str, Capabilities] = out["capabilities"]
    first: str = drafts[0].answer
    wrong: int = drafts[0].answer  # type: ignore[assignment]
    values = (out["answer"], first, wrong, reason, str(len(candidates)), *spent, *capabilities)
    sys.stdout.write(" ".join(map(str, values)) + "\n")


async def adds_up(question: str, draft: str) -> list[Comment]:
    """Reject any draft except 384 (a custom checker)."""
    if draft == "384":
        return []
    return [Comment(quote=draft, text=f"This does not answer {question}")]


async def brief(question: str, draft: str, critiques: Sequence[Critique]) -> list[float]:
    """Prefer short critiques (a custom scorer)."""
    return [-float(len(question + draft + critique.text)) for critique in critiques]


def review(model: BaseChatModel) -> None:
    """Run the critic without refinement."""
    review_input: ReviewInput = {"question": "What is 128 + 256?", "answer": "385"}
    graph: CompiledStateGraph[State, Context, ReviewInput, ReviewOutput] = create_review(
        model=model, checkers=[adds_up, "arithmetic"], scorer=brief
    ).compile()
    out = cast(ReviewOutput, graph.invoke(review_input, context=Context(checkers=[adds_up])))
    selected: Critique | None = out["critique"]
    pool: list[Critique] = out["rounds"][0].critiques
    best: int | None = rerank(pool, calibrate([pool], 50))
    create_human_review(model=model, nodes={"critique": critique}).compile()
    search = create_fsbs(model=model, nodes={"select": critique}).compile()
    source = out["rounds"][0].findings[0].source
    values = (selected is not None, best is not None, source, search.name, out["stop_reason"])
    sys.stdout.write(" ".join(map(str, values)) + "\n")


def misuse() -> None:
    """Misspell and mistype options; never called."""
    create_self_critique(model="tiny", critiqes=8)  # type: ignore[call-arg]
    create_self_critique(model="tiny", max_rounds="three")  # type: ignore[arg-type]
    create_review(num_critiques=8, checker=["lint"])  # type: ignore[call-arg]
    SelfCritiqueMiddleware(temperature=0.5)  # type: ignore[call-arg]


def show_typed(graph: Loop) -> None:
    """Print a result that needs no cast."""
    result = graph.invoke(QUESTION, version="v2").value
    number: int = result["rounds"]  # type: ignore[assignment]
    answer: str = result["answer"]
    sys.stdout.write(f"{answer} {type(number).__name__}\n")


def show_event(event: Event) -> None:
    """Use fields that only some events have."""
    if event["event"] == "stopped":
        reason: StopReason = event["reason"]
        sys.stdout.write(f"{reason} ")
    elif event["event"] == "token":
        text: int = event["text"]  # type: ignore[assignment]
        assert text


async def stream(graph: Loop) -> None:
    """Print the kinds of events of a run."""
    kinds: list[str] = []
    async with aclosing(stream_answer(graph, QUESTION, context=Context(seed=1))) as events:
        async for event in events:
            kinds.append(event["event"])
            show_event(event)
    sys.stdout.write(f"{kinds[0]} {kinds[-1]} {selfcritic.__version__[:2]}\n")


async def save(model: BaseChatModel, folder: Path) -> Report:
    """Run the loop with a checkpointer, then a batch."""
    async with open_checkpointer(str(folder / "runs.sqlite")) as saver:
        graph: Loop = create_self_critique(model=model).compile(checkpointer=saver)
        config = RunnableConfig(configurable={"thread_id": "1"})
        show(cast(Output, await graph.ainvoke(QUESTION, config)))
        await discard_question(graph, config)
    results: list[Result] = []
    batch: Loop = create_best_of_n().compile(name="best_of_n")
    report = await run_batch(
        batch,
        [dict(QUESTION)],
        context=Context(model=model, num_drafts=2),
        ledger=folder / "rows.sqlite",
        on_result=results.append,
        budget=Budget(calls=40),
    )
    sys.stdout.write(f"{len(results)} rows\n")
    return report


def main(folder: Path) -> None:
    """Run every part offline."""
    model: BaseChatModel = load("simulated", draft_error_rate=0, false_alarm_rate=0)
    graph: Loop = create_self_critique(
        model=model, nodes={"critique": critique}, stop_when=is_too_expensive
    ).compile()
    show(
        cast(
            Output,
            graph.invoke(QUESTION, context=Context(num_critiques=16, budget=Budget(calls=40))),
        )
    )
    show_typed(graph)
    asyncio.run(stream(graph))
    create_self_critique(stop_when=not_a_condition)  # type: ignore[arg-type]
    create_self_critique(
        nodes={"generate": start_from_messages, "critique": lambda state, runtime: state}
    )
    asyncio.run(save(model, folder))
    review(model)
    agent = create_agent(model, middleware=[SelfCritiqueMiddleware(model=model)])
    output = agent.invoke({"messages": [{"role": "user", "content": "What is 128 + 256?"}]})
    messages = prompts.load("plain").render("generate", question="What is 128 + 256?", context="")
    sys.stdout.write(f"{output['messages'][-1].text} {len(messages)}\n")
    try:
        load("nothing")
    except (BudgetExhausted, InputError, SelfcriticError) as error:
        sys.stdout.write(f"{type(error).__name__} {type(serializer()).__name__}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
