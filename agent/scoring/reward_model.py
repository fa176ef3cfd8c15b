"""A reward model in a folder, as transformers saves it: `AutoModelForSequenceClassification`, extra `train`.

torch and transformers are imported when the first critique is scored. Nothing is downloaded, and no code that lies in
the folder is run.
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

_BATCH = 8
_LONGEST = 4096  # tokens, where the tokenizer names no length of its own


class RewardModel:
    """Scores by the one logit of the model, or by that of the last label less that of the first."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._loading = Lock()
        self._loaded: tuple[Any, Any, Any] | None = None

    async def __call__(self, question: str, draft: str, critiques: Sequence[Critique]) -> list[float]:
        """The rewards, in batches; the work is done in a thread."""
        asked = answer_input(question, draft)
        return await asyncio.to_thread(self.rewards, [f"{asked}\n\n{critique_input(one)}" for one in critiques])

    def rewards(self, texts: Sequence[str]) -> list[float]:
        """The rewards of texts; one that is too long loses its beginning, for the critique stands at the end."""
        torch, tokenizer, model = self._ready()
        rewards: list[float] = []
        with self._loading, torch.inference_mode():
            for at in range(0, len(texts), _BATCH):
                read = tokenizer(
                    list(texts[at : at + _BATCH]),
                    return_tensors="pt",
                    padding=True,
                    truncation=True,
                    max_length=min(tokenizer.model_max_length, _LONGEST),
                ).to(model.device)
                logits = model(**read).logits.float()
                rewards += (logits[:, -1] - (logits[:, 0] if logits.shape[1] > 1 else 0.0)).tolist()
        return rewards

    def _ready(self) -> tuple[Any, Any, Any]:
        with self._loading:
            if self._loaded is None:
                self._loaded = _load(self.folder)
            return self._loaded


@functools.lru_cache(maxsize=4)
def reward_model(folder: str) -> RewardModel:
    """One model for all who name the same folder."""
    return RewardModel(folder)


def _load(folder: str) -> tuple[Any, Any, Any]:
    if not (Path(folder) / "config.json").is_file():
        raise InputError(f"There is no reward model in '{folder}': it must hold a config.json and its weights.")
    try:
        torch = importlib.import_module("torch")
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise InputError("For reward models in a folder install the extra: pip install 'selfcritic[train]'.") from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, truncation_side="left")
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(f"The reward model in '{folder}' cannot be loaded: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id  # else batches are refused
    return torch, tokenizer, model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
