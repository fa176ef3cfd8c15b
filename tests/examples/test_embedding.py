"""Run the examples that embed the loop or customize it."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from selfcritic.prompts import CUES

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """Return a function that runs an example and returns its printed lines."""

    def run_example(name: str) -> list[str]:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_example


def test_chat_answers_every_turn(run):
    first_question, first_answer, second_question, second_answer = run("embed_in_chat.py")
    assert first_question == "What is 4,387 + 2,965?"
    assert first_answer.startswith("  7352  (accepted, ")
    assert second_question.startswith("Sort these words alphabetically:")
    assert second_answer.startswith("  apple, fig, pear, plum  (")


def test_tool_call_returns_the_answer(run):
    assert run("as_tool.py") == ["content='7352' name='answer_carefully' tool_call_id='1'"]


def test_middleware_fixes_the_agents_answer(run):
    agent_answer, final_answer, stop_reason = run("middleware.py")
    assert agent_answer.startswith("agent's answer: ")
    assert agent_answer != "agent's answer: 7352"
    assert final_answer == "final answer: 7352"
    assert stop_reason.startswith("accepted after ")


def test_custom_node_replaces_the_critic(run):
    *drafts, stop_reason = run("own_nodes.py")
    assert "is out of order: it belongs" in drafts[0]
    assert drafts[-1] == "apple, fig, kiwi, pear, plum"
    assert stop_reason == "accepted; roles with a model: generator, judge, refiner"


def test_custom_prompt_is_sent_to_the_model(run):
    generate, classify, *_, answer = run("own_prompts.py")
    assert generate.startswith("end of the prompt: You write letters for a bank. ")
    assert classify == f"end of the prompt: {CUES['classify']}"
    assert answer == "answer: Your rate is 5.4%."


def test_custom_checker_and_scorer_are_used(run):
    *drafts, stop_reason = run("own_checker.py")
    assert "| adds_up: The numbers add up to 7352. | -2.0 -1.0" in drafts[0]
    assert (drafts[-1], stop_reason) == ("7352 | |", "stopped for accepted with 7352")
