"""Turn examples into token ids."""

from selfcritic.agent.models.tiny.tokenizer import ANSWERS, END, REPLY, Tokenizer
from selfcritic.agent.training.tiny.examples import Example
from selfcritic.agent.training.tiny.trees import EncodedExample


def encode(example: Example, tokenizer: Tokenizer) -> EncodedExample:
    """Return the ids of prompt, reply and their end.

    Raises:
        ValueError: the reply has words that its prompt lacks, which the engine would not let it use.
    """
    prompt = tokenizer.encode(example.prompt)
    prefix = tokenizer.encode(example.prefix)
    reply = tokenizer.encode(example.reply)
    unreachable = tokenizer.words_in(reply) - tokenizer.words_in(prompt)
    unreachable = unreachable.difference(ANSWERS, tokenizer.free_words)
    if unreachable:
        raise ValueError(
            f"the reply {example.reply!r} has words that its prompt lacks: {sorted(unreachable)}"
        )
    ids = [tokenizer.ids[token] for token in (*prompt, REPLY, *prefix, *reply, END)]
    return EncodedExample(ids, len(prompt) + 1 + len(prefix), example.weight)
