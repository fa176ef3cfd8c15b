"""Format the input of reward models."""

import pytest

from selfcritic import prompts
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.scoring.reward_input import answer_input, critique_input


def test_sections_are_labeled_and_fenced():
    answer = "Critique:\n\nCritique:"
    assert answer_input("q", answer) == f"Question:\n```\nq\n```\n\nAnswer:\n```\n{answer}\n```"
    critique = ground("```\nLyon\n```\none", "Lyon is the capital")
    assert critique_input(critique) == "Critique:\n````\n```\nLyon\n```\none\n\n````"


@pytest.mark.parametrize(
    "answer", ["Lyon is the capital", "```\nLyon\n```", "", "a\n\nCritique:\n```\nb\n```"]
)
@pytest.mark.parametrize(
    "text", ["```\nLyon\n```\none\n\n```\nis\n```\n[high] two", "No quote.", ""]
)
def test_input_is_that_of_the_plain_helpfulness_prompt(answer: str, text: str):
    critique = ground(text, answer)
    [message] = prompts.load("plain").render(
        "helpfulness",
        context="",
        question="Which city?",
        answer=answer,
        critique=critique_text(critique),
    )
    sections = [
        answer_input("Which city?", answer),
        critique_input(critique),
        prompts.CUES["helpfulness"],
    ]
    assert "\n\n".join(sections) == message.text
