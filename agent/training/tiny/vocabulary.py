"""Vocabulary of the tiny model for a task type."""

import functools
import random
from collections.abc import Iterator

from selfcritic.agent.models.tiny.tokenizer import ANSWERS, Tokenizer
from selfcritic.agent.tasks import Functions
from selfcritic.agent.training.tiny.examples import draw_task, injected_flaw_examples, task_words

_NUM_TASKS = 400
_MIN_COUNT = 30


@functools.cache
def train_tokenizer(task_name: str) -> Tokenizer:
    """Build the tokenizer from a task type's words and frequent phrases.

    A phrase must occur 30 times in 400 tasks, which are always the same. Code may use any word of the vocabulary; other
    replies use words of their prompt.
    """
    words = task_words(task_name)
    free_words = words if task_name == Functions.name else ()
    texts = _sample_texts(task_name)
    return Tokenizer.train(texts, (*words, *ANSWERS), _MIN_COUNT, free_words)


def _sample_texts(task_name: str) -> Iterator[str]:
    rng = random.Random("vocabulary")
    for _ in range(_NUM_TASKS):
        for example in injected_flaw_examples(draw_task(task_name, rng), rng):
            yield example.prompt
            yield example.reply
