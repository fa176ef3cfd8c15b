"""Give the tiny model's vocabulary the form of a transformers tokenizer.

The token ids are those of `agent.models.tiny.tokenizer`. A piece of text that is in the vocabulary is one token, and
any other is spelled by characters: BPE without merges does that. A word list's separator ", " is removed between two
words and restored by the decoder. Special tokens in a text are read as such, which the original does not do.
"""

from typing import Any

from tokenizers import Regex, Tokenizer, decoders
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Sequence, Split
from transformers import PreTrainedTokenizerFast

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.tiny.tokenizer import END, PAD, REPLY, UNKNOWN
from selfcritic.agent.models.tiny.tokenizer import Tokenizer as TinyTokenizer

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{ message['content'] }}<end>{%- endgeneration -%}"
    "{%- else -%}{{ message['content'] }}<reply>{%- endif -%}"
    "{%- endfor -%}"
)
"""A prompt ends in `<reply>`, and a reply in `<end>`."""

_MAX_LENGTH = 2048
_TASK_NAMES = "tiny_task_names"
_NUM_WORDS = "tiny_num_words"
_FREE_WORDS = "tiny_free_words"
_WORD_START, _WORD_END = "\x01", "\x02"


def spare_names(tokenizer: TinyTokenizer, vocab_size: int) -> list[str]:
    """Return the names of the unused ids that pad a vocabulary."""
    num_spare = vocab_size - len(tokenizer.names)
    return [f"<spare {index}>" for index in range(num_spare)]


def build_fast_tokenizer(tokenizer: TinyTokenizer, vocab_size: int, task_names: list[str]) -> Any:
    """Return a fast tokenizer with a chat template."""
    names = [*tokenizer.names, *spare_names(tokenizer, vocab_size)]
    ids = {name: number for number, name in enumerate(names)}
    fast = Tokenizer(
        BPE(vocab=ids, merges=[], unk_token=UNKNOWN, ignore_merges=True, fuse_unk=False)
    )
    fast.pre_tokenizer = _pre_tokenizer(tokenizer.words)
    fast.decoder = _decoder()
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token=PAD,
        bos_token=REPLY,
        eos_token=END,
        unk_token=UNKNOWN,
        chat_template=CHAT_TEMPLATE,
        model_max_length=_MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        **{
            _TASK_NAMES: task_names,
            _NUM_WORDS: len(tokenizer.words),
            _FREE_WORDS: list(tokenizer.free_words),
        },
    )


def _pre_tokenizer(words: tuple[str, ...]) -> Any:
    """Split a text into words, digits and the parts between them."""
    if not words:
        return Split(Regex("[0-9]"), "isolated")
    alternatives = "|".join(sorted(words, key=len, reverse=True))
    word = rf"(?<![A-Za-z])(?:{alternatives})(?![A-Za-z])"
    # Oniguruma allows alternatives of different lengths only at the top level of a lookbehind.
    words_before = [rf"[^A-Za-z]{name}, " for name in words]
    words_before += [rf"\A{name}, " for name in words]
    after_word = "|".join(words_before)
    separator = rf", (?<={after_word})(?=(?:{alternatives})(?![A-Za-z]))"
    return Sequence(
        [Split(Regex(separator), "removed"), Split(Regex(rf"{word}|[0-9]"), "isolated")]
    )


def _decoder() -> Any:
    """Mark words, join all tokens, and put the separator where two words meet."""
    return decoders.Sequence(
        [
            decoders.Replace(Regex(r"\A(?=[A-Za-z]{2,}\z)"), _WORD_START),
            decoders.Replace(Regex(r"(?<=[A-Za-z][A-Za-z])\z"), _WORD_END),
            decoders.Fuse(),
            decoders.Replace(_WORD_END + _WORD_START, ", "),
            decoders.Replace(_WORD_START, ""),
            decoders.Replace(_WORD_END, ""),
        ]
    )


def read_tiny_tokenizer(fast: Any) -> tuple[TinyTokenizer, list[str]]:
    """Return the tiny model's tokenizer and task names that a fast tokenizer was built from.

    Raises:
        InputError: it was not built by `build_fast_tokenizer`.
    """
    task_names = fast.init_kwargs.get(_TASK_NAMES)
    num_words = fast.init_kwargs.get(_NUM_WORDS)
    if task_names is None or num_words is None:
        raise InputError(
            f"'{fast.name_or_path}' has no tokenizer of a tiny model: create the folder with `to_llama`."
        )
    empty = TinyTokenizer((), ())
    ids = fast.get_vocab()
    names = sorted(ids, key=ids.__getitem__)[len(empty.names) :]
    words = tuple(names[:num_words])
    phrases = [name for name in names[num_words:] if not name.startswith("<spare ")]
    free_words = tuple(fast.init_kwargs.get(_FREE_WORDS, ()))
    return TinyTokenizer(words, tuple(phrases), free_words), list(task_names)
