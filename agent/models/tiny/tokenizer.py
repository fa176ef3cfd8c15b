r"""Text ⇄ tokens of the tiny model: a word or a digit is one token, and so is a phrase that prompts repeat.

The phrases are what stands between words in many documents (`" is out of order: it belongs right after "`); all else
is spelt by characters. Between two word tokens ", " goes without saying, so that a list is as long as its words.
Every text of known characters comes back as it was: `decode(encode(text)) == text`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from selfcritic.agent.errors import InputError

PAD, REPLY, END, UNKNOWN = "<pad>", "<reply>", "<end>", "<unknown>"
SPECIAL = (PAD, REPLY, END, UNKNOWN)
"""Padding; where the prompt ends and the reply begins; where the reply ends; what is in no vocabulary."""

ANSWERS = ("Yes", "No")
"""What a verdict says, whatever stands in the prompt."""

_CHARACTERS = ("\n", *map(chr, range(32, 127)))
_LETTERS = re.compile(r"[A-Za-z]+|[0-9]")
_SAID_WITHOUT = ", "


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary: special tokens, characters, words, phrases; a token's id is its place in it."""

    words: tuple[str, ...]
    phrases: tuple[str, ...]

    @classmethod
    def train(cls, texts: Iterable[str], words: Sequence[str], at_least: int) -> Self:
        """Make a token of every text between words that stands so often in the texts."""
        found = Counter(gap for text in texts for gap in _gaps(text, frozenset(words)))
        phrases = sorted(gap for gap, times in found.items() if times >= at_least and len(gap) > 1)
        return cls(tuple(words), tuple(phrase for phrase in phrases if phrase != _SAID_WITHOUT))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a vocabulary that `save` wrote."""
        try:
            told = json.loads(path.read_text("utf-8"))
            return cls(tuple(told["words"]), tuple(told["phrases"]))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"The vocabulary '{path}' cannot be read: {error}") from error

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON."""
        path.write_text(json.dumps({"words": self.words, "phrases": self.phrases}, indent=1), "utf-8")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All tokens, in the order of their ids."""
        return (*SPECIAL, *_CHARACTERS, *self.words, *self.phrases)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each token."""
        return {name: at for at, name in enumerate(self.names)}

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(self.words)

    def words_in(self, tokens: Iterable[str]) -> frozenset[str]:
        """The words among tokens."""
        return self._words.intersection(tokens)

    def unsaid(self, words: frozenset[str]) -> list[list[str]]:
        """The words that a reply to a prompt with these words does not have, each as a sequence of tokens."""
        return [[word] for word in self.words if word not in words and word not in ANSWERS]

    def encode(self, text: str) -> list[str]:
        """The tokens of a text; a character outside the vocabulary is UNKNOWN."""
        parts = _parts(text, self._words)
        tokens: list[str] = []
        for at, part in enumerate(parts):
            if part in self.ids and part not in SPECIAL:
                tokens.append(part)
            elif part != _SAID_WITHOUT or not self._is_between_words(parts, at):
                tokens += [character if character in self.ids else UNKNOWN for character in part]
        return tokens

    def _is_between_words(self, parts: Sequence[str], at: int) -> bool:
        return 0 < at < len(parts) - 1 and {parts[at - 1], parts[at + 1]} <= self._words

    def decode(self, tokens: Sequence[str], before: str = "") -> str:
        """The text of tokens that follow the token `before`; special tokens are silent."""
        text = ""
        for token in tokens:
            gap = _SAID_WITHOUT if token in self._words and before in self._words else ""
            text += gap + ("" if token in SPECIAL else token)
            before = token
        return text


def _parts(text: str, words: frozenset[str]) -> list[str]:
    """The words and digits of a text and what stands between them."""
    parts, end = [], 0
    for match in _LETTERS.finditer(text):
        if match[0] in words or match[0].isdigit():
            parts += [text[end : match.start()], match[0]] if match.start() > end else [match[0]]
            end = match.end()
    return [*parts, text[end:]] if end < len(text) else parts


def _gaps(text: str, words: frozenset[str]) -> list[str]:
    return [part for part in _parts(text, words) if part not in words and not part.isdigit()]
