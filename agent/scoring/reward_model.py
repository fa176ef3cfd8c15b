"""Score critiques with a reward model saved in a folder by transformers.

The model is an `AutoModelForSequenceClassification`; the extra `train` installs the libraries. torch and transformers
are imported at the first score. Nothing is downloaded, and no code in the folder is run.
"""

import asyncio
import functools
import importlib
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.reward_input import answer_input, critique_input

_BATCH_SIZE = 8
_MAX_TOKENS = 4096  # unless the tokenizer has a lower limit


class RewardModel:
    """A scorer that uses the logits of a classification model.

    The score is the only logit, or the last label's logit minus the first one's.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock = Lock()
        self._loaded: tuple[Any, Any, Any] | None = None

    async def __call__(
        self, question: str, draft: str, critiques: Sequence[Critique]
    ) -> list[float]:
        """Score critiques in batches, in a thread."""
        prefix = answer_input(question, draft)
        texts = [f"{prefix}\n\n{critique_input(critique)}" for critique in critiques]
        return await asyncio.to_thread(self.rewards, texts)

    def rewards(self, texts: Sequence[str]) -> list[float]:
        """Score texts, and truncate long ones.

        A long text loses its beginning, because the critique is at the end.
        """
        torch, tokenizer, model = self._load_once()
        max_length = min(tokenizer.model_max_length, _MAX_TOKENS)
        rewards: list[float] = []
        with self._lock, torch.inference_mode():
            for start in range(0, len(texts), _BATCH_SIZE):
                batch = list(texts[start : start + _BATCH_SIZE])
                tokens = tokenizer(
                    batch, return_tensors="pt", padding=True, truncation=True, max_length=max_length
                )
                logits = model(**tokens.to(model.device)).logits.float()
                batch_rewards = logits[:, -1]
                if logits.shape[1] > 1:
                    batch_rewards = batch_rewards - logits[:, 0]
                rewards += batch_rewards.tolist()
        return rewards

    def _load_once(self) -> tuple[Any, Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self.folder)
            return self._loaded


@functools.lru_cache(maxsize=4)
def reward_model(folder: str) -> RewardModel:
    """Return the shared model of a folder."""
    return RewardModel(folder)


def _load(folder: str) -> tuple[Any, Any, Any]:
    """Return torch, the tokenizer and the model."""
    if not (Path(folder) / "config.json").is_file():
        raise InputError(
            f"There is no reward model in '{folder}': the folder must contain config.json and weights."
        )
    try:
        torch = importlib.import_module("torch")
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise InputError(
            "Reward models in a folder need an extra: pip install 'selfcritic[train]'."
        ) from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, truncation_side="left"
        )
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise InputError(f"The reward model in '{folder}' cannot be loaded: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id  # transformers needs it for batches
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch, tokenizer, model.eval().to(device)
