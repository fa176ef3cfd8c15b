"""`selfcritic run`: answer a question; the answer goes to stdout, the run's trace to stderr."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from langchain_core.runnables import RunnableConfig
from langgraph.types import Durability, StreamMode
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError, SelfcriticError, UnknownModelError
from selfcritic.agent.schemas import Usage
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs.checkpoints import open_checkpointer
from selfcritic.graphs.cli.console import BAD_USAGE, FAILED, check_api_base, fail, give_notices, model_named
from selfcritic.graphs.cli.options import (
    ApiBase,
    AsJson,
    Critic,
    Critiques,
    Drafts,
    KindChoice,
    MaxCalls,
    MaxCost,
    MaxSeconds,
    MaxTokens,
    ModelOption,
    Quiet,
    Rounds,
    Search,
    SearchChoice,
    Seed,
    TaskType,
    budget_of,
)
from selfcritic.graphs.cli.review.documents import document, read
from selfcritic.graphs.cli.trace import Trace
from selfcritic.graphs.self_critique import create_self_critique
from selfcritic.prompts import PromptError


def run(
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    context: Annotated[Path | None, typer.Option(help="File with material that the answer must rest on.")] = None,
    kind: TaskType = KindChoice.question,
    model: ModelOption = "simulated",
    critic: Critic = None,
    api_base: ApiBase = None,
    prompts: Annotated[str, typer.Option(help="Prompt set: default, or plain for small models.")] = "default",
    prompt_dir: Annotated[str | None, typer.Option(help="Folder with prompts of your own, file by file.")] = None,
    drafts: Drafts = 1,
    critiques: Critiques = 8,
    search: Search = SearchChoice.best_of_n,
    rounds: Rounds = 3,
    direct: Annotated[bool, typer.Option("--direct", help="Refine without critiques: the paper's baseline.")] = False,
    accept_threshold: Annotated[float, typer.Option(min=0, max=1, help="Accept below this P(critiqueable).")] = 0.5,
    helpful_threshold: Annotated[float, typer.Option(min=0, max=1, help="Use critiques above this P(helpful).")] = 0.5,
    follow: Annotated[int, typer.Option(min=1, max=64, help="Critiques that one refinement follows.")] = 1,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    seed: Seed = None,
    trace: Annotated[Path | None, typer.Option(help="File to write the run's events to, a JSON object a line.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="SQLite file or postgresql:// address to save to.")] = None,
    thread: Annotated[str | None, typer.Option(help="Name of the run there; the same command continues it.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer a question: draft, find flaws, mend."""
    with ExitStack() as files:
        try:
            check_api_base(api_base, model, critic)
            options = Context(
                model=model_named(model, api_base),
                critic=model_named(critic, api_base) if critic else None,
                task_type=kind.value,
                prompts=prompts,
                prompt_dir=prompt_dir,
                num_drafts=drafts,
                num_critiques=critiques,
                search=search.value,
                max_rounds=rounds,
                refinement="direct" if direct else "conditional",
                accept_threshold=accept_threshold,
                helpful_threshold=helpful_threshold,
                critiques_per_refinement=follow,
                budget=budget_of(max_calls, max_tokens, max_cost, max_seconds),
                seed=seed,
            )
            asked: Input = {
                "question": sys.stdin.read() if question == "-" else question,
                "context": _material(str(context)) if context else "",
            }
            events = files.enter_context(trace.open("w", encoding="utf-8")) if trace else None
            if (checkpoint is None) != (thread is None):
                raise InputError("--checkpoint and --thread go together: where to save, and under which name.")
        except (SelfcriticError, PromptError, ValidationError, OSError) as error:
            fail(error, BAD_USAGE)
        console = Console(stderr=True, quiet=quiet, highlight=False)
        give_notices(options, console)
        output = _run(options, asked, Saved(checkpoint, thread) if checkpoint and thread else None, console, events)
    if as_json:
        sys.stdout.write(json.dumps(TypeAdapter(Output).dump_python(output, mode="json"), ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(output["answer"] + "\n")


def _material(name: str) -> str:
    """The text of the --context file."""
    return document(name, read(name), name).text


@dataclass(frozen=True)
class Saved:
    """Where a run is saved, and under which name."""

    where: str
    thread: str


def _run(options: Context, asked: Input, saved: Saved | None, console: Console, events: IO[str] | None) -> Output:
    """Run the loop behind a trace; what there is comes back when the person interrupts it."""
    state: State = {}
    with Trace(console) as shown:
        try:
            asyncio.run(_follow(options, asked, saved, state, shown, events))
        except KeyboardInterrupt:
            if "answer" not in state:
                fail("Interrupted before there was a draft.", FAILED)
            state["stop_reason"] = "interrupted"
        except (InputError, PromptError, UnknownModelError) as error:
            fail(error, BAD_USAGE)
        except SelfcriticError as error:
            fail(error, FAILED)
        shown.end(state["stop_reason"], state["best_round"], state.get("usage", Usage()))
    return cast(Output, {key: value for key, value in state.items() if key in Output.__annotations__})


async def _follow(
    options: Context, asked: Input, saved: Saved | None, state: State, shown: Trace, events: IO[str] | None
) -> None:
    """Fold every node's update into the state, showing it and writing it down."""
    builder = create_self_critique()
    async with AsyncExitStack() as stack:
        saver = await stack.enter_async_context(open_checkpointer(saved.where)) if saved else None
        graph = builder.compile(checkpointer=saver)
        config = RunnableConfig(configurable={"thread_id": saved.thread} if saved else {})
        given: Input | None = asked
        if saved and (earlier := (await graph.aget_state(config))).values:
            _same_question(earlier.values, asked, saved)
            state.update(cast(State, earlier.values))
            given = None  # goes on where it stopped; a run that had ended is not run again
            # Not `earlier.next`: that is empty, too, where a node's writes were saved and no checkpoint after them.
            if earlier.values.get("stop_reason") is not None:
                return
        modes: list[StreamMode] = ["updates", "values"]
        durability: Durability | None = "sync" if saved else None
        async for mode, part in graph.astream(given, config, context=options, stream_mode=modes, durability=durability):
            if mode == "values":
                state.update(cast(State, part))
                continue
            for node, update in cast(dict[str, Any], part).items():
                if node in builder.nodes:  # beside them, each request that was saved
                    _show(node, update, shown, events)


def _same_question(earlier: dict[str, Any], asked: Input, saved: Saved) -> None:
    if earlier.get("question") != asked["question"]:
        raise InputError(f"The thread '{saved.thread}' holds another question; choose another name for this one.")


def _show(node: str, update: State, shown: Trace, events: IO[str] | None) -> None:
    shown.show(node, update)
    if events is not None:
        event = {"node": node, "update": TypeAdapter(State).dump_python(update, mode="json")}
        events.write(json.dumps(event, ensure_ascii=False) + "\n")
        events.flush()
