"""Vocabulary of the tiny model for a task type."""

import random
from collections.abc import Iterator

from selfcritic.agent.models.tiny.tokenizer import ANSWERS, Tokenizer
from selfcritic.agent.training.tiny.examples import draw_task, injected_flaw_examples, task_words

_NUM_TASKS = 400
_MIN_COUNT = 30


def train_tokenizer(task_name: str) -> Tokenizer:
    """Build the tokenizer from a task type's words and frequent phrases.

    A phrase must occur 30 times in 400 tasks, which are always the same.
    """
    words = (*task_words(task_name), *ANSWERS)
    return Tokenizer.train(_sample_texts(task_name), words, min_count=_MIN_COUNT)


def _sample_texts(task_name: str) -> Iterator[str]:
    rng = random.Random("vocabulary")
    for _ in range(_NUM_TASKS):
        for example in injected_flaw_examples(draw_task(task_name, rng), rng):
            yield example.prompt
            yield example.reply
