"""The tiny model's inference: a folder of ctranslate2's files, asked in texts; one thread, no torch."""

import math
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from selfcritic.agent.errors import InputError, UnknownModelError
from selfcritic.agent.models.tiny.tokenizer import ANSWERS, END, REPLY, Tokenizer

_LONGEST = 200
"""Tokens of a reply, at most."""


_SEEDING = threading.Lock()
"""The seed is the whole process's, and a generator takes it when it first draws: none may come between."""


@dataclass(frozen=True)
class Completion:
    """One sampled reply: its text, and the first token's P(Yes) over Yes and No."""

    text: str
    p_yes: float


class Engine:
    """Loaded once; every seeded call gets a generator of its own, since only a fresh one takes a seed."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "model.bin").is_file():
            raise UnknownModelError(f"'{folder}' holds no tiny model: `selfcritic train tiny` makes one.")
        self.folder = folder
        self.tokens = Tokenizer.load(folder / "tokens.json")
        self.families = (folder / "families.txt").read_text("utf-8").split()
        self._ctranslate2 = _ctranslate2()

    def complete(
        self,
        prompts: Sequence[str],
        n: int = 1,
        seed: int | None = None,
        temperature: float = 1.0,
        prefix: str = "",
    ) -> list[list[Completion]]:
        """Draw n replies to each prompt, each continuing the prefix; temperature 0 takes the likeliest token.

        A reply has no word that does not stand in its prompt.
        """
        asked = [[*self.tokens.encode(prompt), REPLY, *self.tokens.encode(prefix)] for prompt in prompts]
        together: dict[frozenset[str], list[int]] = {}
        for at, tokens in enumerate(asked):
            together.setdefault(self.tokens.words_in(tokens), []).append(at)
        replies: dict[int, list[Completion]] = {}
        with _SEEDING:
            generator = self._generator(seed)
            for words, places in together.items():
                results = generator.generate_batch(
                    [asked[at] for at in places],
                    max_batch_size=32,
                    include_prompt_in_result=False,
                    num_hypotheses=n if temperature else 1,
                    return_logits_vocab=True,
                    return_end_token=True,
                    **self._sampling(words, temperature),
                )
                for at, result in zip(places, results, strict=True):
                    replies[at] = self._completions(result, asked[at][-1]) * (1 if temperature else n)
        return [replies[at] for at in range(len(asked))]

    def _generator(self, seed: int | None) -> Any:
        self._ctranslate2.set_random_seed((secrets.randbits(31) if seed is None else seed) % 2**31)
        return self._ctranslate2.Generator(str(self.folder), device="cpu", inter_threads=1, intra_threads=1)

    def _sampling(self, words: frozenset[str], temperature: float) -> dict[str, Any]:
        """How a reply to a prompt with these words is drawn."""
        return {
            "max_length": _LONGEST,
            "sampling_topk": 0 if temperature else 1,
            "sampling_temperature": temperature or 1.0,
            "suppress_sequences": self.tokens.unsaid(words),
            "end_token": END,
        }

    def _completions(self, result: Any, before: str) -> list[Completion]:
        yes, no = (self.tokens.ids[word] for word in ANSWERS)
        completions = []
        for sequence, logits in zip(result.sequences, result.logits, strict=True):
            # Beside a shorter prompt, the logits begin with those of the prompt's own last tokens.
            first = self._numbers(logits[-len(sequence)]) if sequence else None
            odds = 0.0 if first is None else float(first[yes] - first[no])
            completions.append(Completion(self.tokens.decode(sequence, before), _logistic(odds)))
        return completions

    def stream(self, prompt: str, seed: int | None, temperature: float = 1.0, prefix: str = "") -> Iterator[str]:
        """Draw one reply as `complete` does, and hand out its pieces as they are drawn."""
        asked = [*self.tokens.encode(prompt), REPLY, *self.tokens.encode(prefix)]
        before = asked[-1]
        with _SEEDING:
            steps = self._generator(seed).generate_tokens(
                asked,
                **self._sampling(self.tokens.words_in(asked), temperature),
            )
            begun = list(islice(steps, 1))
        for step in chain(begun, steps):
            if piece := self.tokens.decode([step.token], before):
                yield piece
            before = step.token

    @staticmethod
    def _numbers(view: Any) -> Any:
        import numpy

        return numpy.array(view)


def _logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-max(min(odds, 50.0), -50.0)))


def _ctranslate2() -> Any:
    try:
        import ctranslate2
    except ImportError as error:
        raise InputError("The tiny model needs ctranslate2: pip install 'selfcritic[tiny]'.") from error
    return ctranslate2
