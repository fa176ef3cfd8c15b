"""Run one question and print it, with the oracle's grade of each draft."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from rich.console import Console
from rich.text import Text

from selfcritic.agent.context import Context
from selfcritic.agent.state import State, with_all_rounds
from selfcritic.agent.tasks import Task, parse_task
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.cli.trace import Trace
from selfcritic.graphs.control_characters import escape_lines

_END = "__end__"
_ORACLE_NOTE = "(graded by the oracle; the loop does not see this)"


class Event(NamedTuple):
    """A node's update; at the end, the state of the whole run."""

    node: str
    update: State


def stream_run(question: str, context: Context) -> Iterator[Event]:
    """Run the loop and yield its events.

    Raises:
        SelfcriticError: the run failed before it had a draft.
    """
    graph = create_self_critique(model=context.model).compile()
    state: State = {}
    for mode, chunk in graph.stream(
        {"question": question}, context=context, stream_mode=["updates", "values"]
    ):
        if mode == "values":
            state = cast(State, chunk)
            continue
        for node, update in cast(dict[str, State], chunk).items():
            yield Event(node, with_all_rounds(state, update))
    yield Event(_END, state)


def find_refined_runs(
    tasks: Iterable[Task], context: Context, count: int
) -> tuple[list[list[Event]], int]:
    """Return the first `count` runs that refined a draft, and the number of runs."""
    chosen: list[list[Event]] = []
    num_runs = 0
    for task in tasks:
        events = list(stream_run(task.question, context))
        num_runs += 1
        if len(events[-1].update["rounds"]) > 1:
            chosen.append(events)
        if len(chosen) == count:
            break
    return chosen, num_runs


def show_run(console: Console, question: str, events: Iterable[Event]) -> None:
    """Print a run; drafts of a built-in task get a grade."""
    console.rule(style="dim")
    console.print(Text(escape_lines(question)), soft_wrap=True)
    task = parse_task(question)
    with Trace(console) as trace:
        for node, update in events:
            if node == _END:
                trace.end(update["stop_reason"], update["best_round"], update["usage"])
                is_last_draft = update["best_round"] == len(update["rounds"]) - 1
                if task is not None and not is_last_draft:
                    print_grade(console, task, update["answer"])
                continue
            trace.show(node, update)
            rounds = update.get("rounds", [])
            if task is not None and rounds and node in ("generate", "refine"):
                print_grade(console, task, rounds[-1].answer)


def print_grade(console: Console, task: Task, answer: str) -> None:
    """Print whether an answer is correct."""
    if task.is_correct(answer):
        grade = Text("  ✓ correct", style="green")
    else:
        num_flaws = len(task.flaws(answer))
        noun = "flaw" if num_flaws == 1 else "flaws"
        grade = Text(f"  ✗ wrong, {num_flaws} {noun}", style="red")
    console.print(grade.append(f"  {_ORACLE_NOTE}", "dim"), soft_wrap=True)


def question_of(events: Sequence[Event]) -> str:
    """Return the question of a finished run."""
    return events[-1].update["question"]
