"""Tests of the chat model of a transformers folder, on a random model."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from selfcritic.agent.errors import InputError, ModelError
from selfcritic.agent.models.hugging_face.engine import load_tokenizer
from selfcritic.agent.models.hugging_face.memory import OutOfMemoryError
from selfcritic.agent.models.hugging_face.model import HuggingFaceModel
from tests.support.small_llama import INSTALL, save_small_llama

pytestmark = pytest.mark.slow
QUESTION: list[BaseMessage] = [HumanMessage("Compute 7 + 5.")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    for name in ("torch", "transformers"):
        pytest.importorskip(name, reason=INSTALL)
    return str(save_small_llama(tmp_path_factory.mktemp("model")))


def texts(model: HuggingFaceModel, **options: object) -> list[str]:
    result = model.generate([QUESTION], **options)
    return [generation.text for generation in result.generations[0]]


def count_tokens(reply: AIMessage, kind: str) -> int:
    usage: Any = reply.usage_metadata
    return int(usage[kind])


def test_n_replies_come_from_one_call_and_a_seed_repeats_them(folder: str):
    model = HuggingFaceModel(folder=folder, max_tokens=6)
    first = texts(model, n=3, seed=1)
    assert len(set(first)) == 3
    assert texts(model, n=3, seed=1) == first
    assert texts(model, n=3, seed=2) != first


@pytest.mark.parametrize(
    "error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError()]
)
def test_a_lack_of_memory_is_explained(
    folder: str, error: Exception, monkeypatch: pytest.MonkeyPatch
):
    def run_out(**options: object) -> None:
        raise error

    model = HuggingFaceModel(folder=folder)
    monkeypatch.setattr(model.engine.model, "generate", run_out)
    with pytest.raises(OutOfMemoryError, match=r"Memory ran out for 1 prompts .* Lower max_tokens"):
        texts(model)


def test_a_model_without_an_adapter_refuses_a_strength(folder: str):
    with pytest.raises(InputError, match=r"lora_scale is 0\.5, but the model has no adapter"):
        texts(HuggingFaceModel(folder=folder), lora_scale=0.5)


def test_an_empty_config_is_described_in_one_line(tmp_path: Path):
    pytest.importorskip("transformers", reason=INSTALL)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"cannot be loaded: .* transformers saved") as raised:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_the_seed_also_depends_on_the_prompt(folder: str):
    model = HuggingFaceModel(folder=folder, max_tokens=6, seed=1)
    replies = {model.invoke(f"Compute {number} + 5.").text for number in range(3)}
    assert len(replies) == 3


def test_temperature_0_returns_the_most_likely_reply(folder: str):
    model = HuggingFaceModel(folder=folder, max_tokens=4, temperature=0)
    one, other = texts(model, n=2)
    assert one == other
    assert texts(model) == [one]


def test_counts_tokens_and_reports_the_length_limit(folder: str):
    reply = HuggingFaceModel(folder=folder, max_tokens=3, seed=1).invoke(QUESTION)
    assert count_tokens(reply, "output_tokens") == 3
    assert count_tokens(reply, "input_tokens") > 10
    assert reply.response_metadata["finish_reason"] == "length"
    assert reply.response_metadata["cost_usd"] == 0


def test_a_reply_continues_a_prefill_after_the_line_of_a_fence(folder: str):
    model = HuggingFaceModel(folder=folder, max_tokens=3, temperature=0)
    plain = model.invoke([*QUESTION, AIMessage("It is")])
    fenced = model.invoke([*QUESTION, AIMessage("```")])
    assert not plain.text.startswith("It is")
    assert fenced.text.startswith("\n")
    shorter = count_tokens(model.invoke(QUESTION), "input_tokens")
    assert count_tokens(plain, "input_tokens") > shorter


def test_stops_at_a_stop_sequence(folder: str):
    model = HuggingFaceModel(folder=folder, max_tokens=8, seed=1)
    [whole] = texts(model)
    [cut] = texts(model, stop=[whole[2:4]])
    assert cut == whole[: whole.index(whole[2:4])]


def test_a_prompt_longer_than_the_context_is_explained(folder: str):
    model = HuggingFaceModel(folder=folder, max_tokens=8)
    with pytest.raises(ModelError, match="does not fit the model's context of 512 tokens"):
        model.invoke("7 " * 600)


def test_logprobs_have_the_sampled_token_and_its_alternatives(folder: str):
    model = HuggingFaceModel(folder=folder, max_tokens=2, temperature=0)
    reply = model.invoke(QUESTION, logprobs=True)
    first, *_ = reply.response_metadata["logprobs"]["content"]
    assert len(first["top_logprobs"]) == 20
    assert first["logprob"] == max(option["logprob"] for option in first["top_logprobs"])


def test_a_folder_with_broken_weights_is_explained(folder: str, tmp_path: Path):
    for path in Path(folder).iterdir():
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            content = content[: len(content) // 2]
        (tmp_path / path.name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be loaded"):
        HuggingFaceModel(folder=str(tmp_path)).invoke(QUESTION)
