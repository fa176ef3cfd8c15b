"""Reward models in a folder: a tiny one is made and saved by transformers itself. Skipped without the extra `train`."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.reward_input import answer_input, critique_input
from selfcritic.agent.scoring.reward_model import RewardModel, reward_model
from selfcritic.graphs import create_review

ANSWER = "Lyon is the capital"
TEXTS = [f"```\n{quote}\n```\n{remark}" for quote, remark in (("Lyon", "one"), ("is", "two two"), ("capital", "three"))]
CRITIQUES = [ground(text, ANSWER) for text in TEXTS]


def test_a_folder_without_a_model_is_bad_usage(tmp_path: Path):
    with pytest.raises(InputError, match="no reward model in"):
        RewardModel(str(tmp_path)).rewards(["a"])


def test_without_the_libraries_it_says_what_to_install(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    code = f"""
import sys
sys.modules["torch"] = None
from selfcritic.agent.scoring.reward_model import RewardModel
RewardModel({str(tmp_path)!r}).rewards(["a"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'selfcritic[train]'" in done.stderr


def test_what_it_reads_is_fenced_and_labelled():
    answer = "Critique:\n\nCritique:"
    assert answer_input("q", answer) == f"Question:\n```\nq\n```\n\nAnswer:\n```\n{answer}\n```"
    assert critique_input(CRITIQUES[0]) == "Critique:\n````\n```\nLyon\n```\none\n\n````"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a reward model with so many labels and gives its folder."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers  # transformers brings it

    def make(labels: int) -> str:
        words = ["[PAD]", "[UNK]", "one", "two", "three", "Lyon", "is", "the", "capital", "Question", "Answer", "```"]
        tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token=words[1]))
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
def test_a_batch_scores_as_one_by_one(folder, labels: int):
    model = reward_model(folder(labels))
    together = asyncio.run(model("q", ANSWER, CRITIQUES))
    alone = [asyncio.run(model("q", ANSWER, [one]))[0] for one in CRITIQUES]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(together)) == 3


def test_a_long_text_loses_its_beginning(folder):
    model = reward_model(folder(1))
    [short, long, other] = model.rewards(["is " * 30 + "one", "the " * 90 + "is " * 30 + "one", "is " * 30 + "two"])
    assert short == pytest.approx(long, abs=1e-5)
    assert short != pytest.approx(other, abs=1e-5)


def test_a_review_is_chosen_by_it(folder):
    path = folder(1)
    expected = asyncio.run(reward_model(path)("q", ANSWER, CRITIQUES))
    graph = create_review(
        model=ScriptedModel(script={"critique": TEXTS}), num_critiques=3, scorer=f"reward:{path}"
    ).compile()
    output = graph.invoke({"question": "q", "answer": ANSWER})
    assert [one.reward for one in output["rounds"][0].critiques] == pytest.approx(expected, abs=1e-5)
    assert output["critique"].text == TEXTS[expected.index(max(expected))]


def test_a_folder_that_holds_something_else_is_bad_usage(tmp_path: Path):
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be loaded"):
        RewardModel(str(tmp_path)).rewards(["a"])
