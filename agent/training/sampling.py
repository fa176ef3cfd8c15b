"""Stage 2: sample critiques of flawed answers; killed, it resumes after the last complete record."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.files import append_record, read_answers
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.models.hugging_face.chat import FENCE
from selfcritic.agent.models.hugging_face.engine import Engine, SamplingOptions
from selfcritic.agent.models.hugging_face.memory import OutOfMemoryError

SAMPLES_FILE = "samples.jsonl"
FORCED = f"{FENCE}\n"
"""Start of a critique that must quote first."""


@dataclass(frozen=True)
class CritiqueOptions:
    """How critiques are sampled."""

    samples: int = 4
    """Critiques of each answer (paper 2)."""
    max_tokens: int = 256
    temperature: float = 1.0
    seed: int = 0
    batch_size: int = 8
    """Answers at once."""
    forced: int = 2
    """Critiques among them that must start with a quote, as those of FSBS do: the reward model reads these, too."""


def sample_critiques(
    engine: Engine,
    records: Sequence[AnswerRecord],
    critic: str,
    options: CritiqueOptions,
    file: Path | None = None,
) -> list[AnswerRecord]:
    """Return records with sampled critiques added; records that do not fit the model's context are left out.

    Args:
        engine: The critic.
        records: Records with answers.
        critic: Name of the critic in the samples.
        options: How critiques are sampled.
        file: Ledger of finished records; those in it are not sampled again.

    Raises:
        OutOfMemoryError: A batch does not fit in memory.
    """
    finished: dict[str, AnswerRecord] = {}
    if file is not None and file.is_file() and file.stat().st_size:
        for record in read_answers(file, ignore_partial_line=True):
            finished[record.id] = record
    remaining = []
    for record in records:
        if record.id not in finished and _fits(engine, record, options):
            remaining.append(record)
    for start in range(0, len(remaining), options.batch_size):
        batch = remaining[start : start + options.batch_size]
        try:
            sampled = _sample_batch(engine, batch, critic, options)
        except OutOfMemoryError:
            raise OutOfMemoryError(
                f"Memory ran out for {len(batch)} answers with {options.samples} samples of {options.max_tokens} "
                "tokens. Lower --batch-size, --samples or --max-tokens and use another --out, or free memory and "
                "rerun the command."
            ) from None
        for record in sampled:
            finished[record.id] = record
            if file is not None:
                append_record(file, record)
    return [finished[record.id] for record in records if record.id in finished]


def _fits(engine: Engine, record: AnswerRecord, options: CritiqueOptions) -> bool:
    length = len(critique_prompt(engine, record, FORCED)) + options.max_tokens
    return length <= engine.context_size


def _sample_batch(
    engine: Engine, records: Sequence[AnswerRecord], critic: str, options: CritiqueOptions
) -> list[AnswerRecord]:
    seed = random.Random(f"{options.seed} {records[0].id}").randrange(2**31)
    sampling = SamplingOptions(
        max_tokens=options.max_tokens, temperature=options.temperature, seed=seed
    )
    num_forced = min(options.forced, options.samples)
    critiques = [list(record.critiques) for record in records]
    for prefix, count in (("", options.samples - num_forced), (FORCED, num_forced)):
        if not count:
            continue
        prompts = [critique_prompt(engine, record, prefix) for record in records]
        for index, samples in enumerate(engine.sample(prompts, count, sampling)):
            for sample in samples:
                number = len(critiques[index]) - len(records[index].critiques) + 1
                name = f"{critic}-{number}"
                critique = to_sample(name, critic, prefix + sample.text, records[index].answer)
                tokens = {"tokens": len(sample.token_ids)}
                critiques[index].append(critique.model_copy(update=tokens))
    results = []
    for record, sampled in zip(records, critiques, strict=True):
        results.append(record.model_copy(update={"critiques": sampled}))
    return results


def critique_prompt(engine: Engine, record: AnswerRecord, prefix: str = "") -> list[int]:
    """Return the tokens that ask for a critique of a record's answer."""
    messages = engine.chat.messages(
        "critique", question=record.question, answer=record.answer, context=record.context
    )
    return engine.chat.prompt_ids(messages, prefix)


def to_sample(name: str, critic: str, text: str, answer: str) -> CritiqueSample:
    """Return a critique with its quotes located in the answer."""
    critique = ground(text, answer)
    return CritiqueSample(
        id=name, critic=critic, **critique.model_dump(exclude={"text"}), text=text
    )
