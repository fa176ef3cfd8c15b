"""Open the base of a training: any causal model with a fast tokenizer and a chat template."""

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.chat import Chat
from selfcritic.agent.models.hugging_face.engine import import_package, load_tokenizer
from selfcritic.agent.models.hugging_face.folder import (
    ADAPTER_FILE,
    FolderInfo,
    check_tokenizer,
    hash_tokenizer,
    identify_base,
    read_info,
    write_info,
)
from selfcritic.agent.models.hugging_face.memory import is_memory_error
from selfcritic.agent.training.stage_files import weight_errors
from selfcritic.prompts import available

_PAD_TOKENS = ("<|endoftext|>", "<|finetune_right_pad_id|>", "<pad>", "[PAD]", "<|pad|>", "<unk>")
"""Tokens that a model can be padded with, if its own pad token also ends replies."""


@dataclass(frozen=True)
class Base:
    """A model to train, with the form of its prompts."""

    model: str
    """Folder, or name of a model that transformers can find."""
    chat: Chat

    @property
    def info(self) -> FolderInfo:
        """Description of the folders that are trained from this base."""
        return self.chat.info

    def load_causal_model(self, *, lora_rank: int = 0) -> Any:
        """Load the language model.

        Raises:
            InputError: The weights cannot be loaded, or do not fit the tokenizer.
        """
        transformers = import_package("transformers")
        model = self._load(transformers.AutoModelForCausalLM, lora_rank)
        self._check_vocabulary(model)
        return model

    def load_reward_model(self, *, lora_rank: int = 0) -> Any:
        """Load the model with a head of one score, which starts as the verdict: the logit of Yes minus that of No."""
        torch = import_package("torch")
        transformers = import_package("transformers")
        causal = self.load_causal_model(lora_rank=lora_rank)
        yes, no = (self.chat.reply_ids(word, is_complete=False)[0] for word in ("Yes", "No"))
        if yes == no:
            raise InputError(
                f"The tokenizer of '{self.model}' starts Yes and No with the same token, so it has no verdict to "
                "start a reward model from. Use another base."
            )
        rows = causal.get_output_embeddings().weight.detach().float()
        direction = rows[yes] - rows[no]
        del causal, rows
        gc.collect()
        model = self._load(transformers.AutoModelForSequenceClassification, lora_rank, num_labels=1)
        with torch.no_grad():
            model.score.weight.copy_(direction[None])
        return model

    def _load(self, model_class: Any, lora_rank: int, **options: Any) -> Any:
        torch = import_package("torch")
        transformers = import_package("transformers")
        dtype = torch.float32
        if lora_rank and torch.cuda.is_available():
            dtype = torch.bfloat16  # the frozen weights of LoRA
        transformers.logging.set_verbosity_error()  # reports the new head, which is expected
        try:
            model = model_class.from_pretrained(
                self.model, local_files_only=Path(self.model).is_dir(), dtype=dtype, **options
            )
        except weight_errors() as error:
            if is_memory_error(error):
                raise
            raise InputError(f"The model '{self.model}' cannot be loaded: {error}") from error
        model.config.pad_token_id = self.chat.tokenizer.pad_token_id
        return model

    def _check_vocabulary(self, model: Any) -> None:
        num_rows = model.get_input_embeddings().weight.shape[0]
        largest = max(self.chat.tokenizer.get_vocab().values())
        if largest >= num_rows:
            raise InputError(
                f"The tokenizer of '{self.model}' has the token {largest}, but the model has only {num_rows}. "
                "Use the tokenizer that belongs to the model."
            )

    def save_info(self, folder: Path, kind: Literal["model", "adapter", "reward"]) -> None:
        """Add the tokenizer and the description to a folder of weights."""
        self.chat.tokenizer.save_pretrained(folder)
        write_info(folder, self.info.model_copy(update={"kind": kind}))


def open_base(model: str, prompts: str | None = None) -> Base:
    """Open a base for training.

    Args:
        model: Folder of a model, or its name.
        prompts: Prompt set to train on; by default that of the folder, else "plain".

    Raises:
        InputError: It is no causal model with a chat template, or `prompts` contradicts the folder.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        model = str(path.resolve())
        _check_folder(path)
    elif path.is_absolute() or model.startswith((".", "~")):
        raise InputError(f"--base {model} does not exist.")
    saved = read_info(path)
    prompts = _choose_prompts(prompts, saved, model)
    tokenizer = load_tokenizer(model)
    check_tokenizer(model, saved, tokenizer)
    _set_pad_token(tokenizer, model)
    info = FolderInfo(
        prompts=prompts,
        base=identify_base(model),
        tokenizer=hash_tokenizer(tokenizer),
        prompt_only_tokens=[] if saved is None else saved.prompt_only_tokens,
    )
    return Base(model, Chat(tokenizer, info))


def _check_folder(path: Path) -> None:
    if (path / ADAPTER_FILE).is_file():
        raise InputError(
            f"--base {path} is an adapter. Pass the merged model that was saved next to it, in the folder `model`."
        )
    if not (path / "config.json").is_file():
        raise InputError(
            f"--base {path} has no config.json: pass a folder that transformers saved."
        )


def _choose_prompts(prompts: str | None, saved: FolderInfo | None, model: str) -> str:
    if saved is not None and saved.kind == "reward":
        raise InputError(f"--base {model} is a reward model. Pass a language model.")
    if prompts is not None and prompts not in available():
        raise InputError(f"--prompts {prompts} does not exist. Use one of: {available()}.")
    if saved is None:
        return prompts or "plain"
    if prompts is not None and prompts != saved.prompts:
        raise InputError(
            f"--prompts {prompts} contradicts --base {model}, which was trained on the set {saved.prompts!r}. "
            "Leave --prompts out."
        )
    return saved.prompts


def _set_pad_token(tokenizer: Any, model: str) -> None:
    """Choose a pad token that does not end replies: a reward model reads the last token that is no padding."""
    if tokenizer.pad_token_id != tokenizer.eos_token_id:
        return
    vocabulary = tokenizer.get_vocab()
    for token in _PAD_TOKENS:
        if token in vocabulary and vocabulary[token] != tokenizer.eos_token_id:
            tokenizer.pad_token = token
            return
    raise InputError(
        f"The tokenizer of '{model}' pads with its end token {tokenizer.eos_token!r}, and has no other token for it. "
        "Set pad_token in tokenizer_config.json to a token that replies never contain."
    )


def check_same_base(reward: FolderInfo | None, base: Base, folder: Path | str) -> None:
    """Raise InputError if a reward model was trained from another base."""
    if reward is None:
        raise InputError(
            f"--reward {folder} has no selfcritic.json, so its base is unknown. "
            "Pass the model folder of `selfcritic train reward`."
        )
    if reward.kind != "reward":
        raise InputError(f"--reward {folder} is not a reward model, but a {reward.kind}.")
    if reward.base != base.info.base or reward.tokenizer != base.info.tokenizer:
        raise InputError(
            f"--reward {folder} was trained from another base ({reward.base}) than --base ({base.info.base}). "
            "Train both from the same base."
        )
    if reward.prompts != base.info.prompts:
        raise InputError(
            f"--reward {folder} reads the prompt set {reward.prompts!r}, but --base was trained on "
            f"{base.info.prompts!r}. Train both on the same set."
        )
