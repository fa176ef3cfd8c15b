"""Read the logprobs of any chat model's reply.

Clients use different forms: OpenAI's `{"content": [...]}`, a plain list (Ollama), alternatives as a mapping, or the
lists of the old completions API. A malformed entry is skipped, so no form raises.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MIN_LOGPROB = -10_000.0
"""Its probability is 0."""
_SPACE_MARKS = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})
"""Space and newline in the vocabularies of byte-level BPE and SentencePiece."""


@dataclass(frozen=True)
class Token:
    """A sampled token and its most probable alternatives."""

    text: str
    options: Mapping[str, float]
    """Probability by text, the sampled token included if its probability is known."""


def read_tokens(metadata: Mapping[str, Any]) -> list[Token]:
    """Return the tokens in a reply's `response_metadata`; empty without logprobs."""
    logprobs = metadata.get("logprobs")
    if isinstance(logprobs, Mapping):
        if isinstance(logprobs.get("tokens"), list):
            return _read_completion(logprobs)
        logprobs = logprobs.get("content")
    if not isinstance(logprobs, list):
        return []
    return [_read_token(entry) for entry in logprobs if isinstance(entry, Mapping)]


def _read_token(entry: Mapping[str, Any]) -> Token:
    options: dict[str, float] = {}
    alternatives = entry.get("top_logprobs")
    if isinstance(alternatives, Mapping):
        for text, logprob in alternatives.items():
            _add_option(options, _decode(text, None), logprob)
    elif isinstance(alternatives, list):
        for alternative in alternatives:
            if isinstance(alternative, Mapping):
                text = _decode(alternative.get("token"), alternative.get("bytes"))
                _add_option(options, text, alternative.get("logprob"))
    text = _decode(entry.get("token"), entry.get("bytes"))
    if text not in options:
        _add_option(options, text, entry.get("logprob"))
    return Token(text, options)


def _read_completion(logprobs: Mapping[str, Any]) -> list[Token]:
    """Read the form of OpenAI's completions API: parallel lists."""
    texts = logprobs["tokens"]
    sampled = _padded(logprobs.get("token_logprobs"), len(texts))
    alternatives = _padded(logprobs.get("top_logprobs"), len(texts))
    return [
        _read_token({"token": text, "logprob": logprob, "top_logprobs": options})
        for text, logprob, options in zip(texts, sampled, alternatives, strict=True)
    ]


def _padded(values: Any, length: int) -> Sequence[Any]:
    """Return exactly `length` values, None for missing ones."""
    items = values[:length] if isinstance(values, list) else []
    return [*items, *[None] * (length - len(items))]


def _add_option(options: dict[str, float], text: str, logprob: Any) -> None:
    """Add the probability of a text; two tokens may decode to the same text."""
    is_number = isinstance(logprob, int | float) and not isinstance(logprob, bool)
    # NaN is not at most 0; math.exp raises for integers without a float.
    if is_number and (logprob <= 0 or logprob > 0):
        options[text] = options.get(text, 0.0) + math.exp(max(_MIN_LOGPROB, min(logprob, 0.0)))


def _decode(text: Any, token_bytes: Any) -> str:
    """Return a token's text; `bytes` has it for tokens that are no whole characters."""
    if isinstance(token_bytes, list):
        try:
            return bytes(token_bytes).decode()
        except (TypeError, ValueError):
            pass  # not bytes, or part of a character: `text` is all there is
    if not isinstance(text, str):
        return ""
    return _decode_byte_level(text).translate(_SPACE_MARKS)


def _decode_byte_level(text: str) -> str:
    """Decode a token of byte-level BPE, such as "æĺ¯" for "是"; return other text unchanged."""
    if text.isascii():
        return text
    codes = [_BYTES.get(character) for character in text]
    if None in codes:
        return text
    try:
        return bytes(code for code in codes if code is not None).decode()
    except UnicodeDecodeError:
        return text


def _byte_alphabet() -> dict[str, int]:
    """Return the byte of each character in the alphabet of byte-level BPE."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = {chr(code): code for code in printable}
    others = [code for code in range(256) if code not in printable]
    for index, code in enumerate(others):
        alphabet[chr(256 + index)] = code
    return alphabet


_BYTES = _byte_alphabet()
