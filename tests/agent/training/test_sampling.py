"""Tests of sampling critiques, without a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.models.hugging_face.engine import Sample
from selfcritic.agent.models.hugging_face.memory import OutOfMemoryError
from selfcritic.agent.training.sampling import CritiqueOptions, sample_critiques
from tests.support.small_llama import flawed_sums


class FakeChat:
    def messages(self, name: str, **data: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": data["answer"]}]

    def prompt_ids(self, messages: list[dict[str, str]], prefix: str = "") -> list[int]:
        return [*messages[0]["content"].encode(), *prefix.encode()]


class FakeEngine:
    """Replies with a quote of the prompt."""

    def __init__(self, context_size: int = 1000) -> None:
        self.chat = FakeChat()
        self.context_size = context_size
        self.num_prompts = 0

    def sample(self, prompts: Sequence[list[int]], n: int, options: Any) -> list[list[Sample]]:
        self.num_prompts += len(prompts)
        replies = []
        for prompt in prompts:
            answer, is_forced, _ = bytes(prompt).decode().partition("```\n")
            text = f"{answer}\n```\nIt is wrong."
            replies.append([Sample(text if is_forced else "Nothing.", [1, 2], False)] * n)
        return replies


RECORDS = [record.model_copy(update={"critiques": []}) for record in flawed_sums() if record.bugs][
    :5
]


def test_some_critiques_must_start_with_a_quote():
    options = CritiqueOptions(samples=3, forced=2)
    sampled = sample_critiques(FakeEngine(), RECORDS, "m", options)
    assert len(sampled) == len(RECORDS)
    for record in sampled:
        assert [critique.id for critique in record.critiques] == ["m-1", "m-2", "m-3"]
        assert [len(critique.comments) for critique in record.critiques] == [0, 1, 1]
        assert record.critiques[1].text.startswith("```\n")
        assert record.critiques[1].tokens == 2


class FullEngine(FakeEngine):
    """Runs out of memory."""

    def sample(self, prompts: Sequence[list[int]], n: int, options: Any) -> list[list[Sample]]:
        raise OutOfMemoryError("Memory ran out for 8 prompts.")


def test_a_lack_of_memory_names_the_options_to_lower():
    with pytest.raises(
        OutOfMemoryError,
        match=r"Lower --batch-size, --samples or --max-tokens and use another --out, or free memory and rerun",
    ):
        sample_critiques(FullEngine(), RECORDS, "m", CritiqueOptions())


def test_finished_records_are_not_sampled_again(tmp_path: Path):
    file = tmp_path / "samples.jsonl"
    options = CritiqueOptions(samples=2, forced=0, batch_size=2)
    sampled = sample_critiques(FakeEngine(), RECORDS, "m", options, file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:3]) + lines[3][:20])
    engine = FakeEngine()
    assert sample_critiques(engine, RECORDS, "m", options, file) == sampled
    assert engine.num_prompts == 2


def test_answers_that_do_not_fit_are_left_out():
    options = CritiqueOptions(max_tokens=8)
    assert sample_critiques(FakeEngine(context_size=9), RECORDS, "m", options) == []
    assert len(sample_critiques(FakeEngine(), RECORDS, "m", options)) == len(RECORDS)
