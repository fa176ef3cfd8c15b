"""Comments that repeat the prompt's example are dropped."""

import pytest

from selfcritic import prompts
from selfcritic.agent.critic.examples import prompt_examples
from selfcritic.agent.critic.grounding import ground

ANSWER = "The capital of Australia is Sydney."


@pytest.mark.parametrize("prompt_set", ["default", "zh"])
def test_drops_a_comment_with_the_examples_quote_or_text(prompt_set: str):
    examples = prompt_examples(prompts.load(prompt_set))
    example = examples[0]
    for quote, text in (
        (example.quote, example.text),
        (ANSWER, example.text),
        (example.quote, "It is Canberra."),
    ):
        critique = ground(f"```\n{quote}\n```\n[high] {text}", ANSWER, examples=examples)
        assert (critique.comments, critique.ungrounded) == ([], [])
    critique = ground(f"```\n{ANSWER}\n```\n[high] It is Canberra.", ANSWER, examples=examples)
    assert [comment.text for comment in critique.comments] == ["It is Canberra."]
