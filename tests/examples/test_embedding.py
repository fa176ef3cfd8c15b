"""The examples of embedding, each run as a person runs it, offline."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Runs an example as `python examples/NAME` does, and gives the lines that it prints."""

    def lines(name: str) -> list[str]:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return lines


def test_a_chat_answers_turn_after_turn(run):
    first, answer, second, sorted_words = run("embed_in_chat.py")
    assert (first, second.split(":")[0]) == ("What is 4,387 + 2,965?", "Sort these words alphabetically")
    assert answer.startswith("  7352  (accepted, ")
    assert sorted_words.startswith("  apple, fig, pear, plum  (")


def test_a_tool_call_gets_the_answer(run):
    assert run("as_tool.py") == ["content='7352' name='answer_with_care' tool_call_id='1'"]


def test_the_middleware_mends_what_the_agent_said(run):
    said, after, find_stop_reason = run("middleware.py")
    assert said != "the agent said: 7352"
    assert after == "after critique: 7352"
    assert find_stop_reason.startswith("stopped for accepted after ")


def test_own_critiques_take_the_critics_place(run):
    *drafts, find_stop_reason = run("own_nodes.py")
    assert "is out of order: it belongs" in drafts[0]
    assert drafts[-1] == "apple, fig, kiwi, pear, plum"
    assert find_stop_reason == "stopped for accepted; asked were: generator, judge, refiner"


def test_own_prompts_are_what_the_model_is_asked(run):
    drafting, judging, *_, answer = run("own_prompts.py")
    assert drafting == "the model was asked: you write letters for a bank"
    assert judging == "the model was asked: judge whether this answer has a flaw that can be pointed at"
    assert answer == "the answer: Your rate is 5.4%."


def test_own_checkers_and_scorers_are_asked(run):
    *drafts, find_stop_reason = run("own_checker.py")
    assert "| adds_up: The numbers add up to 7352. | -2.0 -1.0" in drafts[0]
    assert (drafts[-1], find_stop_reason) == ("7352 | |", "stopped for accepted with 7352")
