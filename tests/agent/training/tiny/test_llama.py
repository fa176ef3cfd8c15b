"""Tests of the tiny model as a transformers Llama: equal logits, equal tokens, round trip."""

import functools
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError

pytest.importorskip(
    "transformers",
    reason="needs torch, transformers and trl: make train-tools",
)
pytest.importorskip(
    "torch",
    reason="needs torch, transformers and trl: make train-tools",
)

import numpy
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from selfcritic.agent.models.hugging_face.folder import read_info
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.tokenizer import END, REPLY
from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig, export
from selfcritic.agent.training.tiny.examples import draw_task, injected_flaw_examples
from selfcritic.agent.training.tiny.fast_tokenizer import build_fast_tokenizer
from selfcritic.agent.training.tiny.llama import from_llama, to_llama
from selfcritic.agent.training.tiny.vocabulary import train_tokenizer as train_tokenizer_anew
from selfcritic.agent.training.tiny.weights import load_decoder

train_tokenizer = functools.cache(train_tokenizer_anew)


def _write_model(folder: Path, quantization: str | None, task_name: str = "alphabetize") -> Decoder:
    """Write a random model whose logits differ clearly."""
    torch.manual_seed(1)
    tokenizer = train_tokenizer(task_name)
    decoder = Decoder(ModelConfig.from_name("test", len(tokenizer.names)))
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(5)
    export(decoder, tokenizer, [task_name], folder, quantization)
    return decoder


@pytest.fixture(scope="module")
def int8_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "int8"
    _write_model(folder, "int8")
    return folder


@pytest.fixture(scope="module")
def llama_folder(int8_folder: Path) -> Path:
    return to_llama(int8_folder, int8_folder.parent / "llama")


@pytest.fixture(scope="module")
def tokenizer(llama_folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(llama_folder, local_files_only=True)


def _draw_examples(task_name: str, count: int = 4) -> list[tuple[str, str]]:
    rng = random.Random(5)
    examples = []
    for _ in range(count):
        for example in injected_flaw_examples(draw_task(task_name, rng), rng):
            examples.append((example.prompt, example.reply))
    return examples


def test_float32_weights_are_read_exactly(tmp_path: Path):
    decoder = _write_model(tmp_path, None)
    loaded = load_decoder(tmp_path)
    assert loaded.task_names == ["alphabetize"]
    assert loaded.decoder.config == decoder.config
    for name, weight in decoder.state_dict().items():
        assert torch.equal(loaded.decoder.state_dict()[name], weight), name


def test_llama_and_engine_compute_the_same_logits(
    int8_folder: Path, llama_folder: Path, tmp_path: Path
):
    decoder = load_decoder(int8_folder).decoder
    llama = LlamaForCausalLM.from_pretrained(llama_folder)
    engine = Engine(from_llama(llama_folder, tmp_path / "float32", None))
    prompt, reply = _draw_examples("alphabetize", 1)[0]
    tokens = [*engine.tokenizer.encode(prompt), REPLY, *engine.tokenizer.encode(reply), END]
    ids = torch.tensor([[engine.tokenizer.ids[token] for token in tokens]])
    with torch.inference_mode():
        expected = decoder.logits(decoder(ids))
        logits = llama(ids).logits
    assert expected.std() > 0.1
    assert torch.allclose(logits, expected, atol=1e-5)
    exported = numpy.array(engine._create_generator(0).forward_batch([tokens]))
    assert numpy.allclose(exported, expected.numpy(), atol=1e-3)


def test_round_trip_keeps_weights_vocabulary_and_tasks(llama_folder: Path, tmp_path: Path):
    model = LlamaForCausalLM.from_pretrained(llama_folder)
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    saved = tmp_path / "saved"  # as a trainer saves it
    model.save_pretrained(saved)
    tokenizer.save_pretrained(saved)
    loaded = load_decoder(from_llama(saved, tmp_path / "out", None))
    original = load_decoder(llama_folder.parent / "int8")
    assert loaded.tokenizer == original.tokenizer
    assert loaded.task_names == original.task_names
    for name, weight in original.decoder.state_dict().items():
        assert torch.equal(loaded.decoder.state_dict()[name], weight), name


@pytest.mark.parametrize(
    "task_name",
    [
        "alphabetize",
        pytest.param("addition", marks=pytest.mark.slow),
        pytest.param("three_sat", marks=pytest.mark.slow),
    ],
)
def test_token_ids_and_texts_equal_those_of_the_tiny_tokenizer(task_name: str):
    tiny = train_tokenizer(task_name)
    fast = build_fast_tokenizer(tiny, len(tiny.names), [task_name])
    for text in {text for example in _draw_examples(task_name) for text in example}:
        ids = fast.encode(text, add_special_tokens=False)
        assert ids == [tiny.ids[token] for token in tiny.encode(text)]
        assert fast.decode(ids) == text


_TINY = train_tokenizer("alphabetize")
_PIECES = (*_TINY.words[:8], *_TINY.phrases, ", ", " ", "\n", "```", "apples", "é", "7", "Yes")


@settings(max_examples=40)
@given(st.lists(st.sampled_from(_PIECES), max_size=12), st.text(max_size=5))
def test_odd_texts_have_the_same_token_ids(tokenizer: Any, pieces: list[str], tail: str):
    text = "".join(pieces) + tail
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert ids == [_TINY.ids[token] for token in _TINY.encode(text)]


def test_chat_template_renders_prompt_and_reply(tokenizer: Any):
    prompt, reply = _draw_examples("alphabetize", 1)[0]
    messages = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == prompt + REPLY
    messages.append({"role": "assistant", "content": reply})
    whole = tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    expected = [*_TINY.encode(prompt), REPLY, *_TINY.encode(reply), END]
    assert whole["input_ids"] == [_TINY.ids[token] for token in expected]
    assert sum(whole["assistant_masks"]) == len(_TINY.encode(reply)) + 1


def test_folder_describes_its_prompts_and_the_words_that_a_reply_needs_from_them(
    llama_folder: Path,
):
    info = read_info(llama_folder)
    assert info is not None
    assert info.prompts == "tiny"
    names = {_TINY.names[index] for index in info.prompt_only_tokens}
    assert names == set(_TINY.words) - {"Yes", "No"}


def test_folder_without_a_tiny_model_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="Create one with `selfcritic train tiny`"):
        load_decoder_without_weights(tmp_path)
    with pytest.raises(InputError, match="cannot be loaded"):
        from_llama(tmp_path, tmp_path / "out")


def load_decoder_without_weights(folder: Path) -> None:
    train_tokenizer("alphabetize").save(folder / "tokens.json")
    load_decoder(folder)


@pytest.mark.parametrize("damage", ["cut off", "other version", "text"])
def test_damaged_weights_are_refused(int8_folder: Path, tmp_path: Path, damage: str):
    folder = tmp_path / "model"
    shutil.copytree(int8_folder, folder)
    weights = folder / "model.bin"
    payload = weights.read_bytes()
    damaged = {
        "cut off": payload[: len(payload) // 2],
        "other version": b"\x09" + payload[1:],
        "text": b"version https://git-lfs.github.com/spec/v1\n",
    }
    weights.write_bytes(damaged[damage])
    with pytest.raises(InputError, match="has no weights of a tiny model"):
        to_llama(folder, tmp_path / "llama")
    assert not (tmp_path / "llama").exists()


def test_tokenizer_of_another_model_is_refused(llama_folder: Path, tmp_path: Path):
    folder = tmp_path / "other"
    shutil.copytree(llama_folder, folder)
    config = folder / "tokenizer_config.json"
    text = config.read_text("utf-8").replace("tiny_num_words", "other_key")
    config.write_text(text, "utf-8")
    with pytest.raises(InputError, match="has no tokenizer of a tiny model"):
        from_llama(folder, tmp_path / "out")
