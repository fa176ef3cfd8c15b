"""Tokenizer of the tiny model: one token per known word, digit and common phrase.

A phrase is text between words that occurs in many training examples, such as `" is out of order: it belongs at "`.
Other text is spelled by characters. The separator ", " between two words is implicit, so that a list has as many tokens
as words. For any text of known characters, `decode(encode(text)) == text`.
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
"""Padding; start of the reply; end of the reply; a character outside the vocabulary."""

ANSWERS = ("Yes", "No")
"""The words of a verdict, which a reply may use with any prompt."""

_CHARACTERS = ("\n", *map(chr, range(32, 127)))
_WORD_OR_DIGIT = re.compile(r"[A-Za-z]+|[0-9]")
_IMPLICIT_SEPARATOR = ", "


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary of special tokens, characters, words and phrases; ids follow this order."""

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    free_words: tuple[str, ...] = ()
    """Words that any reply may use, such as those of a programming language."""

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        words: Sequence[str],
        min_count: int,
        free_words: Sequence[str] = (),
    ) -> Self:
        """Build a vocabulary of `words` and of the phrases that occur `min_count` times."""
        known_words = frozenset(words)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_phrases(text, known_words))
        phrases = []
        for phrase, count in counts.items():
            if count >= min_count and len(phrase) > 1 and phrase != _IMPLICIT_SEPARATOR:
                phrases.append(phrase)
        return cls(tuple(words), tuple(sorted(phrases)), tuple(free_words))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a vocabulary that `save` wrote.

        Raises:
            InputError: the file is missing or is not a vocabulary.
        """
        try:
            payload = json.loads(path.read_text("utf-8"))
            free_words = tuple(payload.get("free_words", ()))
            return cls(tuple(payload["words"]), tuple(payload["phrases"]), free_words)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"The vocabulary '{path}' cannot be read: {error}") from error

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON."""
        payload = {"words": self.words, "phrases": self.phrases}
        if self.free_words:
            payload["free_words"] = self.free_words
        path.write_text(json.dumps(payload, indent=1), "utf-8")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return all tokens, sorted by id."""
        return (*SPECIAL, *_CHARACTERS, *self.words, *self.phrases)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Map each token to its id."""
        return {name: token_id for token_id, name in enumerate(self.names)}

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(self.words)

    def is_known(self, word: str) -> bool:
        """Whether a word has a token and may occur in a task."""
        return word in self._words and word not in ANSWERS

    def words_in(self, tokens: Iterable[str]) -> frozenset[str]:
        """Return the words among tokens."""
        return self._words.intersection(tokens)

    def suppressed_tokens(self, prompt_words: frozenset[str]) -> list[list[str]]:
        """List the words that a reply cannot use, each as a one-token sequence."""
        allowed = {*prompt_words, *self.free_words, *ANSWERS}
        return [[word] for word in self.words if word not in allowed]

    def encode(self, text: str) -> list[str]:
        """Split a text into tokens; unknown characters become `UNKNOWN`."""
        parts = _split(text, self._words)
        tokens: list[str] = []
        for index, part in enumerate(parts):
            if part in self.ids and part not in SPECIAL:
                tokens.append(part)
            elif part == _IMPLICIT_SEPARATOR and self._is_between_words(parts, index):
                continue
            else:
                tokens += [character if character in self.ids else UNKNOWN for character in part]
        return tokens

    def _is_between_words(self, parts: Sequence[str], index: int) -> bool:
        if index == 0 or index == len(parts) - 1:
            return False
        return parts[index - 1] in self._words and parts[index + 1] in self._words

    def decode(self, tokens: Sequence[str], previous: str = "") -> str:
        """Join tokens that follow the token `previous`; special tokens have no text."""
        pieces = []
        for token in tokens:
            if token in self._words and previous in self._words:
                pieces.append(_IMPLICIT_SEPARATOR)
            if token not in SPECIAL:
                pieces.append(token)
            previous = token
        return "".join(pieces)


def _split(text: str, words: frozenset[str]) -> list[str]:
    """Split a text into words, digits and the parts between them."""
    parts: list[str] = []
    end = 0
    for match in _WORD_OR_DIGIT.finditer(text):
        if match[0] not in words and not match[0].isdigit():
            continue
        if match.start() > end:
            parts.append(text[end : match.start()])
        parts.append(match[0])
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    return parts


def _phrases(text: str, words: frozenset[str]) -> list[str]:
    return [part for part in _split(text, words) if part not in words and not part.isdigit()]
