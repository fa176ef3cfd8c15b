"""Sample critiques from a critic for many answers at once."""

from collections.abc import Sequence

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.models.tiny.engine import Completion, Engine
from selfcritic.agent.schemas import Critique
from selfcritic.agent.training.tiny.examples import render_prompt


def critique_prompt(record: AnswerRecord) -> str:
    """Return the prompt that asks for a critique of an answer."""
    return render_prompt("critique", record.question, answer=record.answer)


def sample_critiques(
    engine: Engine, records: Sequence[AnswerRecord], critic: str, n: int, seed: int
) -> list[list[CritiqueSample]]:
    """Sample n critiques of each answer at temperature 1."""
    prompts = [critique_prompt(record) for record in records]
    pools = []
    for record, replies in zip(records, engine.complete(prompts, n, seed), strict=True):
        pools.append(ground_replies(record, replies, critic))
    return pools


def ground_replies(
    record: AnswerRecord, replies: Sequence[Completion], critic: str, prefix: str = ""
) -> list[CritiqueSample]:
    """Locate the quotes of replies that continue a prefix; equal texts are read once."""
    grounded: dict[str, Critique] = {}
    samples = []
    for number, reply in enumerate(replies):
        text = prefix + reply.text
        if text not in grounded:
            grounded[text] = ground(text, record.answer, is_truncated=reply.is_truncated)
        samples.append(to_sample(grounded[text], critic, number))
    return samples


def to_sample(critique: Critique, critic: str, number: int) -> CritiqueSample:
    """Return a critique with its critic and an id."""
    fields = {name: getattr(critique, name) for name in Critique.model_fields}
    return CritiqueSample.model_validate(
        {**fields, "id": f"{critic}/{number}", "critic": critic, "calls": 1}
    )
