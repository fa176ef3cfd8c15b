"""Load a transformers folder once, and sample replies from it.

torch, transformers and peft (for adapters) are imported by the first `get_engine`.
"""

import functools
import importlib
import math
import textwrap
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from selfcritic.agent.errors import InputError, ModelError
from selfcritic.agent.models.hugging_face.chat import Chat
from selfcritic.agent.models.hugging_face.folder import (
    ADAPTER_FILE,
    FolderInfo,
    check_tokenizer,
    read_info,
)
from selfcritic.agent.models.hugging_face.memory import OutOfMemoryError, is_memory_error
from selfcritic.agent.models.hugging_face.token_rules import PromptOnlyTokens

_TOP_LOGPROBS = 20
_MAX_ERROR = 200  # characters of an error of transformers
_MISSING_EXTRA = "Models in a folder need {name}: pip install 'selfcritic[train]'."


@dataclass(frozen=True)
class SamplingOptions:
    """How replies are sampled."""

    max_tokens: int = 512
    temperature: float = 1.0
    """0 returns the most likely reply."""
    top_p: float = 1.0
    top_k: int = 0
    """0 for no limit."""
    seed: int | None = None
    with_logprobs: bool = False
    lora_scale: float = 1.0
    """Strength of the folder's adapter; 0 is the base."""


@dataclass(frozen=True)
class Sample:
    """A sampled reply."""

    text: str
    token_ids: list[int]
    """Without the token that ended it."""
    is_truncated: bool
    """Whether it stopped at `max_tokens`."""
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    """Logprobs of its tokens in OpenAI's form."""


class Engine:
    """A causal model in memory, with its tokenizer."""

    def __init__(self, model: Any, chat: Chat, *, has_adapter: bool = False) -> None:
        self.model = model
        self.chat = chat
        self.has_adapter = has_adapter
        self._lock = Lock()

    @property
    def context_size(self) -> float:
        """Tokens of a prompt with its reply; infinite if the model names no limit."""
        return getattr(self.model.config, "max_position_embeddings", None) or math.inf

    def sample(
        self, prompts: Sequence[Sequence[int]], n: int, options: SamplingOptions
    ) -> list[list[Sample]]:
        """Sample n replies to each prompt of token ids, in one batch; with temperature 0, they are equal.

        Raises:
            ModelError: A prompt and its reply do not fit the model's context, or memory runs out.
        """
        import torch

        max_tokens = self._limit_tokens(prompts, options)
        num_samples = n if options.temperature > 0 else 1
        tokenizer = self.chat.tokenizer
        batch = tokenizer.pad(
            {"input_ids": [list(prompt) for prompt in prompts]},
            padding=True,
            padding_side="left",
            return_tensors="pt",
        ).to(self.model.device)
        recorder = _LogprobRecorder() if options.with_logprobs else None
        try:
            with self._lock, torch.inference_mode(), _seeded(options.seed), self._scaled(options):
                sequences = self.model.generate(
                    **batch,
                    generation_config=self._generation_config(num_samples, max_tokens, options),
                    logits_processor=self._processors(recorder),
                )
        except (RuntimeError, MemoryError) as error:
            if not is_memory_error(error):
                raise
            raise OutOfMemoryError(
                f"Memory ran out for {len(prompts)} prompts with {n} replies of {options.max_tokens} tokens. "
                "Lower max_tokens, or the number of replies at once."
            ) from None
        replies = sequences[:, batch["input_ids"].shape[1] :].tolist()
        samples = [self._read_reply(ids, row, recorder) for row, ids in enumerate(replies)]
        results = []
        for start in range(0, len(samples), num_samples):
            group = samples[start : start + num_samples]
            results.append(group * (n // num_samples))
        return results

    def _limit_tokens(self, prompts: Sequence[Sequence[int]], options: SamplingOptions) -> int:
        """Return how many tokens a reply may have, so that the longest prompt fits with it."""
        context = self.context_size
        longest = max(len(prompt) for prompt in prompts)
        if longest >= context:
            raise ModelError(
                f"A prompt of {longest} tokens does not fit the model's context of {context} tokens. "
                "Shorten the input, or use a model with a longer context.",
                is_rejection=True,
            )
        return int(min(options.max_tokens, context - longest))

    def _generation_config(self, n: int, max_tokens: int, options: SamplingOptions) -> Any:
        import transformers

        tokenizer = self.chat.tokenizer
        values: dict[str, Any] = {
            "max_new_tokens": max_tokens,
            "num_return_sequences": n,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": self._end_tokens(),
            "do_sample": options.temperature > 0,
        }
        if options.temperature > 0:
            values["temperature"] = options.temperature
            values["top_p"] = options.top_p
            values["top_k"] = options.top_k
        return transformers.GenerationConfig(**values)

    def _end_tokens(self) -> list[int]:
        """Return the tokens that end a reply: the tokenizer's, and those that the model names."""
        named = self.model.generation_config.eos_token_id
        if named is None:
            named = []
        elif isinstance(named, int):
            named = [named]
        return list(dict.fromkeys([self.chat.tokenizer.eos_token_id, *named]))

    def _processors(self, recorder: "_LogprobRecorder | None") -> Any:
        import transformers

        processors: list[Any] = []
        if self.chat.info.prompt_only_tokens:
            processors.append(PromptOnlyTokens(self.chat.info.prompt_only_tokens))
        if recorder is not None:
            processors.append(recorder)
        return transformers.LogitsProcessorList(processors)

    def _read_reply(self, ids: list[int], row: int, recorder: "_LogprobRecorder | None") -> Sample:
        ends = set(self._end_tokens())
        length = len(ids)
        is_truncated = True
        for position, token_id in enumerate(ids):
            if token_id in ends:
                length = position
                is_truncated = False
                break
        logprobs = []
        if recorder is not None:
            logprobs = recorder.read(row, ids[:length], self.chat.tokenizer)
        return Sample(self.chat.decode(ids[:length]), ids[:length], is_truncated, logprobs)

    @contextmanager
    def _scaled(self, options: SamplingOptions) -> Any:
        """Set the strength of the adapter for one call. Raises InputError without one."""
        if options.lora_scale == 1:
            yield
            return
        if not self.has_adapter:
            raise InputError(f"lora_scale is {options.lora_scale}, but the model has no adapter.")
        helpers = importlib.import_module("peft.helpers")
        if options.lora_scale == 0:
            with self.model.disable_adapter():
                yield
            return
        with helpers.rescale_adapter_scale(self.model, options.lora_scale):
            yield


class _LogprobRecorder:
    """A logits processor that keeps the best logprobs of each step."""

    def __init__(self) -> None:
        self._steps: list[tuple[Any, Any]] = []

    def __call__(self, _input_ids: Any, scores: Any) -> Any:
        import torch

        logprobs = torch.log_softmax(scores.float(), dim=-1)
        self._steps.append(logprobs.topk(min(_TOP_LOGPROBS, logprobs.shape[-1]), dim=-1))
        return scores

    def read(self, row: int, ids: Sequence[int], tokenizer: Any) -> list[dict[str, Any]]:
        """Return the logprobs of a reply's tokens in OpenAI's form."""
        entries = []
        for (values, indices), token_id in zip(self._steps, ids, strict=False):
            entry: dict[str, Any] = {"token": tokenizer.decode([token_id]), "top_logprobs": []}
            for value, index in zip(values[row].tolist(), indices[row].tolist(), strict=True):
                option = {"token": tokenizer.decode([index]), "logprob": value}
                entry["top_logprobs"].append(option)
                if index == token_id:
                    entry["logprob"] = value
            entries.append(entry)
        return entries


@contextmanager
def _seeded(seed: int | None) -> Any:
    """Make torch's random numbers repeatable, and restore their state."""
    import torch

    if seed is None:
        yield
        return
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed % 2**63)
        yield


@functools.lru_cache(maxsize=4)
def get_engine(folder: str) -> Engine:
    """Return the shared engine of a folder.

    Raises:
        InputError: The folder has no causal model with a chat template, or a package is missing.
    """
    transformers = import_package("transformers")
    torch = import_package("torch")
    info = read_info(folder) or FolderInfo(prompts="default")
    has_adapter = (Path(folder) / ADAPTER_FILE).is_file()
    tokenizer = load_tokenizer(folder)
    check_tokenizer(folder, info, tokenizer)
    try:
        if has_adapter:
            model = _load_adapter(folder)
        else:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype="auto"
            )
    except load_errors() as error:
        raise InputError(
            f"The model in '{folder}' cannot be loaded: {describe_load_error(error)}"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        model = model.float()  # bfloat16 is slow on most CPUs
    return Engine(model.eval().to(device), Chat(tokenizer, info), has_adapter=has_adapter)


def _load_adapter(folder: str) -> Any:
    peft = import_package("peft")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft reads a renamed attribute
        return peft.AutoPeftModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype="auto"
        )


def load_tokenizer(folder: str) -> Any:
    """Load the fast tokenizer of a folder or of a model's name.

    Raises:
        InputError: There is no tokenizer, it has no chat template, or it has no end token.
    """
    transformers = import_package("transformers")
    transformers.logging.disable_progress_bar()
    is_folder = Path(folder).is_dir()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=is_folder)
    except (OSError, ValueError) as error:
        raise InputError(
            f"The tokenizer of '{folder}' cannot be loaded: {describe_load_error(error)} Pass a model that "
            "transformers saved, with config.json and tokenizer.json."
        ) from error
    if not tokenizer.chat_template:
        raise InputError(
            f"'{folder}' has no chat template, so it is not known how it reads messages. Use the instruction-tuned "
            "version of the model, or add a chat_template.jinja to the folder."
        )
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"The tokenizer of '{folder}' has no end token. Set eos_token in tokenizer_config.json."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_errors() -> tuple[type[Exception], ...]:
    """Return the types of errors that damaged or missing files of a model cause."""
    return OSError, ValueError, import_package("safetensors").SafetensorError


def describe_load_error(error: Exception) -> str:
    """Return the start of an error of transformers in one line; some have many lines of advice."""
    return textwrap.shorten(str(error).rstrip(".") + ".", _MAX_ERROR, placeholder=" …")


def import_package(name: str) -> Any:
    """Import a package of the extra `train`; raises InputError if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(_MISSING_EXTRA.format(name=name)) from error
