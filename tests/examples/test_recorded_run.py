"""Test the recorded run: equal calls of the baselines, and the tables."""

import asyncio
import random
import re

from rich.console import Console
from rich.table import Table

from examples.benchmarks.recorded_run import (
    QUESTIONS,
    answer_questions,
    cost_table,
    measure_quality,
    mechanics_table,
)
from examples.benchmarks.tiny_arms import NUM_REPORTS, run_shipped_model
from selfcritic.agent.tasks import Alphabetize


def text_of(table: Table) -> str:
    console = Console(record=True, width=100, quiet=False)
    console.print(table)
    return console.export_text()


def test_baselines_get_the_calls_of_the_loop():
    rng = random.Random(3)
    tasks = [Alphabetize.generate(rng, size) for size in (4, 20, 28)]
    num_reports = 0

    def report() -> None:
        nonlocal num_reports
        num_reports += 1

    outcomes = run_shipped_model(tasks, report).outcomes
    assert num_reports == NUM_REPORTS * len(tasks)
    max_calls = [outcome.calls for outcome in outcomes["loop"]]
    assert max(max_calls) > 2
    for arm in ("direct, repeated", "best of n"):
        for outcome, calls in zip(outcomes[arm], max_calls, strict=True):
            assert calls - 2 < outcome.calls <= calls
    mean_calls = sum(max_calls) / len(max_calls)
    assert all(abs(outcome.calls - mean_calls) < 2 for outcome in outcomes["best of m"])
    first, loop, best_of_n = (outcomes[arm] for arm in ("first draft", "loop", "best of n"))
    for index, calls in enumerate(max_calls):
        if calls == 2:  # the loop accepted the first draft, which the others share
            assert first[index].is_correct == loop[index].is_correct == best_of_n[index].is_correct


def test_quality_tables_compare_the_arms():
    quality, cost = measure_quality(3, seed=1)
    assert quality.row_count == 6
    assert "tokens out" in text_of(cost)


def test_mechanics_table_counts_rounds_and_stop_reasons():
    questions = ["What is 128 + 256?", "What is 7 + 5?"]
    answered = asyncio.run(answer_questions("simulated?seed=1", questions, seed=1))
    text = text_of(mechanics_table(answered, "simulated"))
    num_rounds = sum(len(item.output["rounds"]) for item in answered)
    assert re.search(rf"drafts and refinements +│ {num_rounds} ", text)
    assert "… with a verdict" in text
    assert "100.0%" in text
    usages = [item.output["usage"] for item in answered]
    assert "requests" in text_of(cost_table({"loop": usages}, "simulated"))


def test_questions_are_distinct():
    questions = QUESTIONS.read_text("utf-8").splitlines()
    assert len(set(questions)) == len(questions) == 50
    assert all(question.strip() == question for question in questions)
