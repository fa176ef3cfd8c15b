"""Format a question, an answer and a critique for a reward model.

The format is that of the prompt set "plain", which has the serial form of paper 1.
"""

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.schemas import Critique
from selfcritic.prompts import fence_for


def answer_input(question: str, draft: str) -> str:
    """Return the question and the answer, each in a labeled fence."""
    return f"{_section('Question', question)}\n\n{_section('Answer', draft)}"


def critique_input(critique: Critique) -> str:
    """Return the critique in a labeled fence."""
    return critique_section(critique_text(critique))


def critique_section(text: str) -> str:
    """Return the text of a critique in a labeled fence."""
    return _section("Critique", text)


def _section(label: str, text: str) -> str:
    fence = fence_for(text)
    return f"{label}:\n{fence}\n{text}\n{fence}"
