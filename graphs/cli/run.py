"""`selfcritic run`: answer one question."""

import asyncio
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from langchain_core.runnables import RunnableConfig
from langgraph.types import Durability, StreamMode
from pydantic import TypeAdapter, ValidationError

from selfcritic.agent.context import Context
from selfcritic.agent.errors import (
    CheckpointError,
    InputError,
    SelfcriticError,
    UnknownModelError,
)
from selfcritic.agent.sampling.budget import parent_budget
from selfcritic.agent.state import Input, Output, State, parse_state
from selfcritic.graphs.checkpoints import lock_thread, open_checkpointer
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    check_api_base,
    fail,
    load_model,
    print_answer_heading,
    print_self_graded_notice,
    print_simulated_notice,
    show_warnings,
)
from selfcritic.graphs.cli.model_server_checks import explain_failure
from selfcritic.graphs.cli.options import (
    OUTPUT,
    AsJson,
    BudgetOptions,
    LoopOptions,
    ModelOptions,
    Quiet,
    RefinementOptions,
    expand_groups,
    parse_max_output_tokens,
)
from selfcritic.graphs.cli.review.documents import create_document, read_text
from selfcritic.graphs.cli.run_observer import RunObserver
from selfcritic.graphs.cli.streams import EventsFile, print_json, print_result
from selfcritic.graphs.cli.terminal import create_console, wrap_answer
from selfcritic.graphs.cli.trace import Trace
from selfcritic.graphs.private_files import check_output
from selfcritic.graphs.self_critique import create_self_critique
from selfcritic.prompts import PromptError


@dataclass(frozen=True)
class RunFiles:
    """Files that a run writes, and the checkpoint it resumes from."""

    events: Annotated[
        Path | None,
        typer.Option(
            help="JSONL file for the events of the run.", metavar="FILE", rich_help_panel=OUTPUT
        ),
    ] = None
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="SQLite file or PostgreSQL address to save to.",
            metavar="TARGET",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    thread: Annotated[
        str | None,
        typer.Option(
            help="Name of the saved run; rerun to resume it.",
            metavar="NAME",
            rich_help_panel=OUTPUT,
        ),
    ] = None


@dataclass(frozen=True)
class CheckpointTarget:
    """Checkpoint location and thread of a saved run."""

    location: str
    thread: str


@expand_groups
def run(
    question: Annotated[
        str,
        typer.Argument(metavar="QUESTION", help="Question to answer; - reads standard input."),
    ],
    models: ModelOptions,
    loop: LoopOptions,
    refinement: RefinementOptions,
    budget: BudgetOptions,
    files: RunFiles,
    context: Annotated[
        Path | None,
        typer.Option(help="File with the context to answer from.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer a question: draft, find flaws, refine.

    Exits with 1 if the run failed or an output could not be written; a draft is printed also then.
    """
    console = create_console(stderr=True, quiet=quiet)
    show_warnings(console)
    with ExitStack() as stack:
        try:
            options = _build_context(models, loop, refinement, budget)
            run_input = _read_input(question, context)
            target = _get_checkpoint_target(files)
            events = None
            if files.events is not None:
                check_output("--events", files.events)
                events = EventsFile(files.events, console)
                stack.callback(events.close)
        except (SelfcriticError, PromptError, ValidationError, OSError) as error:
            fail(error, BAD_USAGE)
        print_simulated_notice(options, console)
        observer = RunObserver(Trace(console), events)
        failure = _run(options, run_input, target, observer)
    print_self_graded_notice(options, console)
    if as_json:
        print_json(TypeAdapter(Output).dump_python(observer.output, mode="json"))
    else:
        print_answer_heading(console)
        print_result(wrap_answer(observer.output["answer"]))
    if failure is not None:
        fail(failure, FAILED)
    if events is not None and events.has_failed:
        raise typer.Exit(FAILED)


def _build_context(
    models: ModelOptions,
    loop: LoopOptions,
    refinement: RefinementOptions,
    budget: BudgetOptions,
) -> Context:
    check_api_base(models.api_base, models.model, models.critic)
    critic = None
    if models.critic:
        critic = load_model(models.critic, models.api_base)
    model = None
    if models.model is not None:
        model = load_model(models.model, models.api_base)
    options = Context(
        model=model,
        critic=critic,
        max_output_tokens=parse_max_output_tokens(models.max_output_tokens),
        cache=models.cache,
        budget=budget.to_budget(),
        **asdict(loop),
        **refinement.to_fields(),
    )
    options.model_for("generator")
    return options


def _read_input(question: str, context_path: Path | None) -> Input:
    if question == "-":
        question = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    if not question.isascii() and _has_surrogate(question):
        raise InputError(
            "The question is not valid UTF-8: convert it first, for example with iconv."
        )
    context = ""
    if context_path is not None:
        name = str(context_path)
        context = create_document(name, read_text(name)).text
    return {"question": question, "context": context}


def _get_checkpoint_target(files: RunFiles) -> CheckpointTarget | None:
    if (files.checkpoint is None) != (files.thread is None):
        raise InputError(
            "--checkpoint and --thread go together: pass where to save and the run's name."
        )
    if files.checkpoint is None or files.thread is None:
        return None
    if not files.checkpoint or not files.thread:
        raise InputError("--checkpoint and --thread must not be empty.")
    return CheckpointTarget(files.checkpoint, files.thread)


def _run(
    options: Context,
    run_input: Input,
    target: CheckpointTarget | None,
    observer: RunObserver,
) -> CheckpointError | None:
    """Run the loop. On Ctrl-C or a failed checkpoint, keep the best draft so far.

    Returns the error of a failed checkpoint.
    """
    failure = None
    try:
        with observer.trace:  # its spinner ends before an error is printed
            asyncio.run(_stream(options, run_input, target, observer))
    except KeyboardInterrupt:
        if not observer.has_draft:
            fail("Interrupted before the first draft.", FAILED)
        observer.interrupt()
    except CheckpointError as error:
        if not observer.has_draft:
            fail(error, FAILED)
        observer.interrupt(str(error))
        failure = error
    except (InputError, PromptError, UnknownModelError) as error:
        fail(error, BAD_USAGE)
    except SelfcriticError as error:
        fail(explain_failure(error, options.configured_models), FAILED)
    observer.end()
    return failure


async def _stream(
    options: Context,
    run_input: Input,
    target: CheckpointTarget | None,
    observer: RunObserver,
) -> None:
    """Run the graph, or resume it from its checkpoint."""
    parent_budget.set(observer.budget)
    builder = create_self_critique()
    graph_input: Input | None = run_input
    config = RunnableConfig(configurable={}, callbacks=[observer.trace.progress])
    durability: Durability | None = None
    async with AsyncExitStack() as stack:
        checkpointer = None
        if target is not None:
            await stack.enter_async_context(lock_thread(target.location, target.thread))
            checkpointer = await stack.enter_async_context(open_checkpointer(target.location))
            config["configurable"] = {"thread_id": target.thread}
            durability = "sync"
        graph = builder.compile(checkpointer=checkpointer)
        if target is not None:
            saved = (await graph.aget_state(config)).values
            if saved:
                observer.on_saved_state(_check_saved(saved, run_input, target))
                graph_input = None  # resumes the saved run
            # `snapshot.next` does not show the end: it is also empty if a crash lost the last checkpoint.
            if saved and saved.get("stop_reason") is not None:
                return
        modes: list[StreamMode] = ["updates", "values"]
        stream = graph.astream(
            graph_input, config, context=options, stream_mode=modes, durability=durability
        )
        async for mode, chunk in stream:
            if mode == "values":
                observer.on_state(cast(State, chunk))
                continue
            for node, update in cast(dict[str, Any], chunk).items():
                if node in builder.nodes:  # skips checkpointed requests, which stream as tasks
                    await asyncio.to_thread(observer.on_update, node, update)


def _check_saved(saved: dict[str, Any], run_input: Input, target: CheckpointTarget) -> State:
    """Return the saved state of this question. Raises InputError."""
    if saved.get("question") != run_input["question"]:
        raise InputError(
            f"The thread '{target.thread}' holds another question: pass another --thread."
        )
    try:
        return parse_state(cast(State, saved))
    except ValidationError:
        raise InputError(
            f"The thread '{target.thread}' holds a run of another program or version: pass another --thread."
        ) from None


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
