"""Score with a tiny reward model saved by transformers; mostly skipped without the extra `train`."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.reward_model import RewardModel, reward_model
from selfcritic.graphs import create_review

ANSWER = "Lyon is the capital"
TEXTS = [
    f"```\n{quote}\n```\n{remark}"
    for quote, remark in (("Lyon", "one"), ("is", "two two"), ("capital", "three"))
]
CRITIQUES = [ground(text, ANSWER) for text in TEXTS]


def test_rejects_a_folder_without_a_model(tmp_path: Path):
    with pytest.raises(InputError, match="no reward model in"):
        RewardModel(str(tmp_path)).rewards(["a"])


def test_missing_libraries_name_the_extra_to_install(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    code = f"""
import sys
sys.modules["torch"] = None
from selfcritic.agent.scoring.reward_model import RewardModel
RewardModel({str(tmp_path)!r}).rewards(["a"])
"""
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "pip install 'selfcritic[train]'" in process.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that saves a reward model with some number of labels and returns its folder."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers  # a dependency of transformers

    def make(labels: int) -> str:
        words = [
            "[PAD]",
            "[UNK]",
            "one",
            "two",
            "three",
            "Lyon",
            "is",
            "the",
            "capital",
            "Question",
            "Answer",
            "```",
        ]
        tokenizer = Tokenizer(
            models.WordLevel({word: index for index, word in enumerate(words)}, unk_token=words[1])
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        path = str(tmp_path_factory.mktemp("reward"))
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token=words[1], eos_token=words[0], model_max_length=24
        ).save_pretrained(path)
        torch.manual_seed(labels)
        config = transformers.LlamaConfig(
            vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            num_labels=labels, max_position_embeddings=64, bos_token_id=None, eos_token_id=0,
        )  # fmt: skip
        transformers.LlamaForSequenceClassification(config).save_pretrained(path)
        return path

    return make


@pytest.mark.parametrize("labels", [1, 2])
def test_batches_score_like_single_critiques(folder, labels: int):
    model = reward_model(folder(labels))
    batch = asyncio.run(model("q", ANSWER, CRITIQUES))
    single = [asyncio.run(model("q", ANSWER, [critique]))[0] for critique in CRITIQUES]
    assert batch == pytest.approx(single, abs=1e-5)
    assert len(set(batch)) == 3


def test_truncates_the_beginning_of_a_long_text(folder):
    model = reward_model(folder(1))
    [short, long, other] = model.rewards(
        ["is " * 30 + "one", "the " * 90 + "is " * 30 + "one", "is " * 30 + "two"]
    )
    assert short == pytest.approx(long, abs=1e-5)
    assert short != pytest.approx(other, abs=1e-5)


def test_review_selects_by_the_reward(folder):
    path = folder(1)
    expected = asyncio.run(reward_model(path)("q", ANSWER, CRITIQUES))
    graph = create_review(
        model=ScriptedModel(script={"critique": TEXTS}), num_critiques=3, scorer=f"reward:{path}"
    ).compile()
    output = graph.invoke({"question": "q", "answer": ANSWER})
    assert [critique.reward for critique in output["rounds"][0].critiques] == pytest.approx(
        expected, abs=1e-5
    )
    assert output["critique"].text == TEXTS[expected.index(max(expected))]


def test_rejects_a_folder_without_weights(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"must contain config.json and weights"):
        RewardModel(str(tmp_path)).rewards(["a"])


def test_rejects_a_folder_that_cannot_be_loaded(tmp_path: Path):
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match="cannot be loaded"):
        RewardModel(str(tmp_path)).rewards(["a"])
