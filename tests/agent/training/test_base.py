"""Tests of opening bases, on a random model."""

import json
from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError
from tests.support.small_llama import CHAT_TEMPLATE, INSTALL, save_small_llama, train_tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _requires_transformers():
    for name in ("torch", "transformers"):
        pytest.importorskip(name, reason=INSTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_llama(tmp_path_factory.mktemp("base"))


def save_tokenizer(folder: Path, **changes: str | None) -> str:
    (folder / "config.json").write_text("{}")
    tokenizer = train_tokenizer(CHAT_TEMPLATE)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_the_untrained_reward_is_the_log_odds_of_the_verdict(folder: Path):
    import torch

    from selfcritic.agent.scoring.reward_model import score_batch
    from selfcritic.agent.scoring.reward_text import reward_ids
    from selfcritic.agent.training.base import open_base

    base = open_base(str(folder))
    rows = [reward_ids(base.chat, "1 + 1?", answer, "```\n3\n```\nNo.") for answer in ("3", "31")]
    yes, no = (base.chat.reply_ids(word, is_complete=False)[0] for word in ("Yes", "No"))
    causal = base.load_causal_model().eval()
    expected = []
    for row in rows:
        logits = causal(torch.tensor([row])).logits[0, -1].detach()
        expected.append(float(logits[yes] - logits[no]))
    reward = base.load_reward_model().eval()
    assert score_batch(reward, base.chat.tokenizer, rows) == pytest.approx(expected, abs=1e-5)


def test_a_prefix_is_tokenized_apart(folder: Path):
    from selfcritic.agent.training.base import open_base

    chat = open_base(str(folder)).chat
    messages = chat.messages("critique", question="1 + 1?", answer="3")
    whole = chat.prompt_ids(messages, "```\n")
    assert whole == chat.prompt_ids(messages) + chat.reply_ids("```\n", is_complete=False)
    assert chat.reply_ids("3")[-1] == chat.tokenizer.eos_token_id
    assert chat.decode(chat.reply_ids("It is 3.")) == "It is 3."


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path):
    from selfcritic.agent.training.base import open_base

    with pytest.raises(InputError, match="has no chat template"):
        open_base(save_tokenizer(tmp_path, chat_template=None))


def test_the_end_token_is_not_used_as_padding(tmp_path: Path):
    from selfcritic.agent.training.base import open_base

    name = save_tokenizer(tmp_path, pad_token="<|im_end|>")  # noqa: S106 - a token of a tokenizer
    tokenizer = open_base(name).chat.tokenizer
    assert tokenizer.pad_token == "<|pad|>"  # noqa: S105
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_tokenizer_larger_than_the_model_is_refused(folder: Path, tmp_path: Path):
    from selfcritic.agent.training.base import open_base

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    token = {**tokenizer["added_tokens"][0], "id": 500, "content": "<|extra|>"}
    tokenizer["added_tokens"].append(token)
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    base = open_base(str(tmp_path))
    with pytest.raises(InputError, match=r"has the token \d+, but the model has only 420"):
        base.load_causal_model()


def test_a_template_that_rejects_system_messages_is_explained(tmp_path: Path):
    from selfcritic.agent.training.base import open_base

    template = "{{ raise_exception('no system messages') }}"
    base = open_base(save_tokenizer(tmp_path, chat_template=template))
    with pytest.raises(InputError, match="chat template rejects the prompt: no system messages"):
        base.chat.prompt_ids([{"role": "user", "content": "q"}])


def test_rows_that_are_too_long_are_counted(folder: Path):
    from selfcritic.agent.training.base import open_base
    from selfcritic.agent.training.encoding import encode_examples
    from selfcritic.agent.training.sft_examples import Example

    chat = open_base(str(folder)).chat
    short = Example("classify", {"question": "1 + 1?", "answer": "2"}, "No")
    long = Example("classify", {"question": "1 + 1?", "answer": "2 " * 300}, "No")
    encoded = encode_examples(chat, [short, long, short], 200)
    assert (encoded.kept, encoded.num_too_long) == ([0, 2], 1)
    [row, _] = encoded.rows
    learned = [token for token in row["labels"] if token != -100]
    assert chat.decode(learned) == "No"
    assert learned[-1] == chat.tokenizer.eos_token_id
    with pytest.raises(InputError, match="All 1 examples are longer than --max-length 200"):
        encode_examples(chat, [long], 200)
