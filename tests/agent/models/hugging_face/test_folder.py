"""Tests of descriptions of trained folders, without torch."""

import json
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from selfcritic.agent.errors import InputError, UnknownModelError
from selfcritic.agent.models import load
from selfcritic.agent.models.hugging_face.chat import Chat, convert_prompt, fence_end, split_prefix
from selfcritic.agent.models.hugging_face.folder import (
    FolderInfo,
    check_tokenizer,
    hash_all_weights,
    identify_base,
    read_info,
    write_info,
)
from selfcritic.agent.training.base import Base, check_same_base, open_base
from selfcritic.prompts import load as load_prompts


class FakeTokenizer:
    chat_template = "x"

    def get_vocab(self) -> dict[str, int]:
        return {"a": 0}


def save_config(folder: Path, **values: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))


def test_a_description_round_trips(tmp_path: Path):
    info = FolderInfo(kind="reward", prompts="tiny", base="b", prompt_only_tokens=[3])
    assert read_info(tmp_path) is None
    write_info(tmp_path, info)
    assert read_info(tmp_path) == info


def test_a_description_of_another_version_is_refused(tmp_path: Path):
    (tmp_path / "selfcritic.json").write_text('{"schema_version": 2}')
    with pytest.raises(InputError, match=r"not a description of a trained folder.*schema_version"):
        read_info(tmp_path)


def test_a_base_is_its_shape_and_weights(tmp_path: Path):
    for name, weights in (("a", b"1"), ("b", b"2")):
        save_config(tmp_path / name, model_type="llama", num_hidden_layers=2, hidden_size=8)
        (tmp_path / name / "model.safetensors").write_bytes(weights)
    first = identify_base(str(tmp_path / "a"))
    assert first.startswith("llama 2 x 8 ")
    assert first != identify_base(str(tmp_path / "b"))
    assert identify_base("org/name") == "org/name"
    write_info(tmp_path / "b", FolderInfo(base=first))
    assert identify_base(str(tmp_path / "b")) == first


def test_all_bytes_of_all_weights_are_hashed(tmp_path: Path):
    weights = [tmp_path / f"model-0000{part}-of-00002.safetensors" for part in (1, 2)]
    for path in weights:
        path.write_bytes(b"1" * 2**21)
    (tmp_path / "training_args.bin").write_bytes(b"output_dir")
    first = hash_all_weights(tmp_path)
    (tmp_path / "training_args.bin").unlink()
    assert hash_all_weights(tmp_path) == first
    weights[0].write_bytes(b"2" + b"1" * (2**21 - 1))
    assert hash_all_weights(tmp_path) != first


def test_a_changed_tokenizer_is_refused():
    check_tokenizer("f", None, FakeTokenizer())
    with pytest.raises(InputError, match="tokenizer or the chat template in 'f' is not the one"):
        check_tokenizer("f", FolderInfo(tokenizer="other"), FakeTokenizer())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "other"}, "trained from another base"),
        ({"tokenizer": "other"}, "trained from another base"),
        ({"prompts": "tiny"}, "reads the prompt set 'tiny'"),
        ({"kind": "model"}, "not a reward model, but a model"),
    ],
    ids=["base", "tokenizer", "prompts", "kind"],
)
def test_a_reward_of_another_base_is_refused(changes: dict[str, str], message: str):
    info = FolderInfo(base="b", tokenizer="t")
    base = Base("m", Chat(None, info))
    reward = info.model_copy(update={"kind": "reward"})
    check_same_base(reward, base, "r")
    with pytest.raises(InputError, match=message):
        check_same_base(reward.model_copy(update=changes), base, "r")
    with pytest.raises(InputError, match="its base is unknown"):
        check_same_base(None, base, "r")


def test_bases_that_cannot_be_trained_are_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"--base .*missing does not exist"):
        open_base(str(tmp_path / "missing"))
    with pytest.raises(InputError, match=r"has no config.json"):
        open_base(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="is an adapter"):
        open_base(str(tmp_path))


def test_prompt_sets_must_fit_the_base(tmp_path: Path):
    save_config(tmp_path)
    write_info(tmp_path, FolderInfo(prompts="plain"))
    with pytest.raises(InputError, match="--prompts zh contradicts --base"):
        open_base(str(tmp_path), "zh")
    with pytest.raises(InputError, match="--prompts klingon does not exist"):
        open_base(str(tmp_path), "klingon")
    write_info(tmp_path, FolderInfo(kind="reward"))
    with pytest.raises(InputError, match="is a reward model"):
        open_base(str(tmp_path))


def test_specs_of_folders_are_checked(tmp_path: Path):
    with pytest.raises(UnknownModelError, match=r"no config.json or adapter_config.json"):
        load(f"hf:{tmp_path}")
    save_config(tmp_path)
    with pytest.raises(UnknownModelError, match=r"has no weights \(\*.safetensors or \*.bin\)"):
        load(f"hf:{tmp_path}")
    (tmp_path / "model.safetensors").touch()
    assert load(f"hf:{tmp_path}?lora_scale=1").lora_scale == 1
    with pytest.raises(UnknownModelError, match=r"lora_scale .* has no adapter_config.json"):
        load(f"hf:{tmp_path}?lora_scale=0")
    (tmp_path / "adapter_config.json").write_text("{}")
    model = load(f"hf:{tmp_path}?lora_scale=0.5&seed=3")
    assert model.lora_scale == 0.5
    assert model.model_name.endswith("?lora_scale=0.5")
    with pytest.raises(UnknownModelError, match="lora_scale"):
        load(f"hf:{tmp_path}?lora_scale=-1")
    with pytest.raises(UnknownModelError, match="use the form 'hf:FOLDER"):
        load("hf")
    write_info(tmp_path, FolderInfo(kind="reward"))
    with pytest.raises(UnknownModelError, match="--scorer reward:"):
        load(f"hf:{tmp_path}")


def test_prompts_are_converted_to_the_set_of_the_training():
    data = {"question": "What is 2 + 2?", "answer": "5"}
    default = load_prompts("default").render("critique", "code", **data, context="c")
    [plain] = convert_prompt(default, FolderInfo(prompts="plain"))
    [expected] = load_prompts("plain").render("critique", **data, context="c")
    assert plain.text == expected.text
    assert convert_prompt([plain], FolderInfo(prompts="plain")) == [plain]
    other = [HumanMessage("Hello")]
    assert convert_prompt(other, FolderInfo(prompts="plain")) == other


def test_a_prefill_is_split_off():
    messages = [HumanMessage("q"), AIMessage("a\n\n```")]
    assert split_prefix(messages) == ([messages[0]], "a\n\n```")
    assert split_prefix(messages[:1]) == ([messages[0]], "")
    assert fence_end("a\n\n```") == "\n"
    assert fence_end("a") == ""
