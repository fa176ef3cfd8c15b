"""Run the tiny model with ctranslate2, on one thread and without torch."""

import math
import random
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from selfcritic.agent.errors import InputError, UnknownModelError
from selfcritic.agent.models.tiny.tokenizer import ANSWERS, END, REPLY, Tokenizer

WEIGHTS_FILE = "model.bin"
VOCABULARY_FILE = "tokens.json"
TASK_NAMES_FILE = "families.txt"

MAX_REPLY_TOKENS = 200
_MAX_BATCH_SIZE = 32
_MAX_LOG_ODDS = 50.0

_seed_lock = threading.Lock()
"""ctranslate2 has one seed per process, which a generator reads when it first samples."""


@dataclass(frozen=True)
class Completion:
    """A sampled reply."""

    text: str
    p_yes: float
    """P(Yes) / (P(Yes) + P(No)) at the first token."""
    is_truncated: bool
    """Whether it stopped at the maximum length."""


def check_folder(folder: Path) -> None:
    """Raise UnknownModelError if a folder has no tiny model."""
    if not (folder / WEIGHTS_FILE).is_file():
        raise UnknownModelError(
            f"'{folder}' has no tiny model: create one with `selfcritic train tiny`."
        )


class Engine:
    """A loaded model folder.

    Each call creates its own generator, because only a new generator reads the seed.
    """

    def __init__(self, folder: Path) -> None:
        check_folder(folder)
        self.folder = folder
        self.tokenizer = Tokenizer.load(folder / VOCABULARY_FILE)
        self.tasks = (folder / TASK_NAMES_FILE).read_text("utf-8").split()
        self._ctranslate2 = _import_ctranslate2()

    def complete(
        self,
        prompts: Sequence[str],
        n: int = 1,
        seed: int | None = None,
        temperature: float = 1.0,
        prefix: str = "",
    ) -> list[list[Completion]]:
        """Sample `n` continuations of `prefix` for each prompt.

        A reply only uses words from its prompt. Replies are in random order. Temperature 0 returns the most likely
        reply n times.
        """
        encoded = [self._encode(prompt, prefix) for prompt in prompts]
        groups: dict[frozenset[str], list[int]] = {}
        for index, tokens in enumerate(encoded):
            words = self.tokenizer.words_in(tokens)
            groups.setdefault(words, []).append(index)
        num_samples = n if temperature else 1
        completions: dict[int, list[Completion]] = {}
        if seed is None:
            seed = secrets.randbits(31)
        with _seed_lock:
            generator = self._create_generator(seed)
            for words, indexes in groups.items():
                results = generator.generate_batch(
                    [encoded[index] for index in indexes],
                    max_batch_size=_MAX_BATCH_SIZE,
                    include_prompt_in_result=False,
                    num_hypotheses=num_samples,
                    return_logits_vocab=True,
                    return_end_token=True,
                    **self._sampling_options(words, temperature),
                )
                for index, result in zip(indexes, results, strict=True):
                    completions[index] = self._read_result(result, encoded[index][-1])
        order = random.Random(seed)
        for index in sorted(completions):
            order.shuffle(completions[index])  # ctranslate2 sorts them by likelihood
        repeats = 1 if temperature else n
        return [completions[index] * repeats for index in range(len(encoded))]

    def stream(
        self, prompt: str, seed: int | None, temperature: float = 1.0, prefix: str = ""
    ) -> Iterator[str]:
        """Sample one reply as `complete` does, and yield its text token by token."""
        tokens = self._encode(prompt, prefix)
        options = self._sampling_options(self.tokenizer.words_in(tokens), temperature)
        if seed is None:
            seed = secrets.randbits(31)
        with _seed_lock:
            steps = self._create_generator(seed).generate_tokens(tokens, **options)
            first_step = list(islice(steps, 1))
        previous = tokens[-1]
        for step in chain(first_step, steps):
            text = self.tokenizer.decode([step.token], previous)
            if text:
                yield text
            previous = step.token

    def _encode(self, prompt: str, prefix: str) -> list[str]:
        return [*self.tokenizer.encode(prompt), REPLY, *self.tokenizer.encode(prefix)]

    def _create_generator(self, seed: int) -> Any:
        self._ctranslate2.set_random_seed(seed % 2**31)
        return self._ctranslate2.Generator(
            str(self.folder), device="cpu", inter_threads=1, intra_threads=1
        )

    def _sampling_options(self, words: frozenset[str], temperature: float) -> dict[str, Any]:
        """Return ctranslate2's options for a prompt with these words."""
        return {
            "max_length": MAX_REPLY_TOKENS,
            "sampling_topk": 0 if temperature else 1,
            "sampling_temperature": temperature or 1.0,
            "suppress_sequences": self.tokenizer.suppressed_tokens(words),
            "end_token": END,
        }

    def _read_result(self, result: Any, previous_token: str) -> list[Completion]:
        completions = []
        for sequence, logits in zip(result.sequences, result.logits, strict=True):
            text = self.tokenizer.decode(sequence, previous_token)
            p_yes = 0.5
            if sequence:
                # In a batch with shorter prompts, `logits` starts with the prompt's last tokens.
                p_yes = self._p_yes(logits[-len(sequence)])
            is_truncated = not sequence or sequence[-1] != END
            completions.append(Completion(text, p_yes, is_truncated))
        return completions

    def _p_yes(self, logits: Any) -> float:
        import numpy

        values = numpy.array(logits)
        yes, no = (self.tokenizer.ids[word] for word in ANSWERS)
        log_odds = float(values[yes] - values[no])
        log_odds = max(min(log_odds, _MAX_LOG_ODDS), -_MAX_LOG_ODDS)
        return 1 / (1 + math.exp(-log_odds))


def _import_ctranslate2() -> Any:
    try:
        import ctranslate2
    except ImportError as error:
        raise InputError(
            "The tiny model needs ctranslate2: pip install 'selfcritic[tiny]'."
        ) from error
    return ctranslate2
