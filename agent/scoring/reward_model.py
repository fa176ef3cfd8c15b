"""Score critiques with a reward model saved in a folder by transformers.

The model is an `AutoModelForSequenceClassification`; the extra `train` installs the libraries. torch and transformers
are imported at the first score. Nothing is downloaded, and no code in the folder is run. A folder of
`selfcritic train reward` names the form of its text in `selfcritic.json`; other models read the form of `reward_input`.
"""

import asyncio
import functools
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.chat import Chat
from selfcritic.agent.models.hugging_face.engine import describe_load_error, load_errors
from selfcritic.agent.models.hugging_face.folder import (
    INFO_FILE,
    FolderInfo,
    check_tokenizer,
    has_weights,
    read_info,
)
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.reward_input import answer_input, critique_section
from selfcritic.agent.scoring.reward_text import reward_ids

_BATCH_SIZE = 8
_MAX_TOKENS = 4096  # unless the tokenizer has a lower limit


@dataclass(frozen=True)
class _Loaded:
    tokenizer: Any
    model: Any
    chat: Chat | None
    """The form of the text, if `selfcritic train reward` wrote the folder."""


class RewardModel:
    """A scorer that uses the logits of a classification model.

    The score is the only logit, or the last label's logit minus the first one's.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock = Lock()
        self._loaded: _Loaded | None = None

    async def __call__(
        self, question: str, draft: str, critiques: Sequence[Critique]
    ) -> list[float]:
        """Score critiques in batches, in a thread."""
        texts = [critique_text(critique) for critique in critiques]
        return await asyncio.to_thread(self.score, question, draft, texts)

    def score(self, question: str, draft: str, critiques: Sequence[str]) -> list[float]:
        """Score the texts of critiques of one answer."""
        loaded = self._load_once()
        if loaded.chat is not None:
            rows = []
            for critique in critiques:
                rows.append(reward_ids(loaded.chat, question, draft, critique))
            return self._score_rows(rows)
        prefix = answer_input(question, draft)
        return self.rewards([f"{prefix}\n\n{critique_section(text)}" for text in critiques])

    def rewards(self, texts: Sequence[str]) -> list[float]:
        """Score texts as they are."""
        tokenizer = self._load_once().tokenizer
        return self._score_rows([tokenizer(text)["input_ids"] for text in texts])

    def _score_rows(self, rows: Sequence[list[int]]) -> list[float]:
        """Score rows of tokens, and truncate long ones.

        A long row loses its beginning, because the critique is at the end.
        """
        loaded = self._load_once()
        max_length = min(loaded.tokenizer.model_max_length, _MAX_TOKENS)
        rewards: list[float] = []
        with self._lock:
            for start in range(0, len(rows), _BATCH_SIZE):
                batch = [row[-max_length:] for row in rows[start : start + _BATCH_SIZE]]
                rewards += score_batch(loaded.model, loaded.tokenizer, batch)
        return rewards

    def _load_once(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self.folder)
            return self._loaded


def score_batch(model: Any, tokenizer: Any, rows: Sequence[list[int]]) -> list[float]:
    """Return the scores of a batch of token rows."""
    torch = importlib.import_module("torch")
    batch = tokenizer.pad(
        {"input_ids": list(rows)}, padding=True, padding_side="right", return_tensors="pt"
    )
    with torch.inference_mode():
        logits = model(**batch.to(model.device)).logits.float()
    scores = logits[:, -1]
    if logits.shape[1] > 1:
        scores = scores - logits[:, 0]
    values: list[float] = scores.tolist()
    return values


@functools.lru_cache(maxsize=4)
def reward_model(folder: str) -> RewardModel:
    """Return the shared model of a folder."""
    return RewardModel(folder)


def check_folder(folder: str) -> FolderInfo | None:
    """Return the description of a reward model's folder, without loading the weights.

    Raises:
        InputError: The folder has no reward model, or a package is missing.
    """
    path = Path(folder)
    if not (path / "config.json").is_file() or not has_weights(path):
        raise InputError(
            f"There is no reward model in '{folder}': the folder must contain config.json and weights."
        )
    info = read_info(folder)
    if info is not None and info.kind != "reward":
        raise InputError(
            f"'{folder}' is not a reward model: {INFO_FILE} has kind={info.kind!r}. "
            "Pass the model folder of `selfcritic train reward`."
        )
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"Reward models in a folder need {package}: pip install 'selfcritic[train]'."
            )
    return info


def _load(folder: str) -> _Loaded:
    info = check_folder(folder)
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True
        )
    except load_errors() as error:
        raise InputError(
            f"The reward model in '{folder}' cannot be loaded: {describe_load_error(error)}"
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id  # transformers needs it for batches
    check_tokenizer(folder, info, tokenizer)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _Loaded(tokenizer, model.eval().to(device), _chat_of(tokenizer, info))


def _chat_of(tokenizer: Any, info: FolderInfo | None) -> Chat | None:
    return None if info is None else Chat(tokenizer, info)
