"""What a reward model reads: a question, an answer and a critique of it, as text."""

from selfcritic import prompts
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.schemas import Critique

_ROLE: prompts.PromptName = "helpfulness"


def answer_input(question: str, draft: str) -> str:
    """The question and the answer, each in a labelled fence: the plain prompt set's serial form (paper 1)."""
    text = prompts.load("plain").render(_ROLE, context="", question=question, answer=draft, critique="")[-1].text
    return text[: text.rindex("\n\nCritique:")]


def critique_input(critique: Critique) -> str:
    """The critique, labelled and fenced in the same way."""
    text = (
        prompts.load("plain")
        .render(_ROLE, context="", question="", answer="", critique=critique_text(critique))[-1]
        .text
    )
    return text[text.index("\n\nCritique:") :].strip().removesuffix(prompts.CUES[_ROLE]).rstrip()
