"""Parse requests in plain words."""

import re
from typing import NamedTuple

from selfcritic.agent.errors import InputError

_STOPWORD_TEXT = """
a all an and answer are at be by calculate can compute could determine do does equal equals evaluate find following for
from get give given hello help hey hi how i if in integers into is it items just kindly know like list listed many math
me much my name names need number numbers of only out please question reply result show step tell thank thanks that the
them these they this those to together two up us value want what what's what’s whats with word words work working would
write you your
"""
STOPWORDS = frozenset(_STOPWORD_TEXT.split())
"""Words of a request that do not describe the task."""

_ORDER_WORDS = frozenset(
    ["alphabetical", "alphabetically", "alphabetise", "alphabetize", "alphabetized", "a-z", "z"]
)
_REQUEST_WORDS = (
    _ORDER_WORDS
    | STOPWORDS
    | frozenset(["arrange", "arranged", "order", "ordered", "put", "sort", "sorted"])
)
_MAX_ITEMS = 2000  # words and commas to sort
_MAX_CHARS = 10_000  # of a request without a colon or a second line
_THANKS = re.compile(r"(?<=[.!?])\s+(?:please|thanks|thank you)[.!\s]*\Z", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d](?:[\w'’-]*\w)?")
_ITEM = re.compile(r"\w+|[,;]")


class _Request(NamedTuple):
    instruction: str
    listed: str


def words_to_sort(question: str) -> str:
    """Return the words that a request for alphabetical order lists.

    They follow a colon or the first line, or they are inside the instruction. Returns "" for any other text.

    Raises:
        InputError: The list is too long.
    """
    request = _split_request(_THANKS.sub("", question.strip()))
    words = set(_WORD.findall(request.instruction.lower()))
    if not words <= _REQUEST_WORDS or not _asks_for_order(words):
        return ""
    if len(_ITEM.findall(request.listed)) > _MAX_ITEMS:
        raise InputError(
            f"The list to alphabetize is too long: use at most {_MAX_ITEMS} words and commas."
        )
    return request.listed


def _split_request(question: str) -> _Request:
    for separator in (":", "\n"):
        if separator in question:
            instruction, _, listed = question.partition(separator)
            return _Request(instruction, listed)
    if len(question) > _MAX_CHARS:
        return _Request("", "")
    return _split_sentence(question)


def _split_sentence(question: str) -> _Request:
    """Split off the span of words that are not instructions."""
    listed = []
    for match in re.finditer(r"\S+", question):
        word = match[0].lower().strip(",.?!")
        if word not in _REQUEST_WORDS:
            listed.append(match)
    if not listed:
        return _Request(question, "")
    start = listed[0].start()
    end = listed[-1].end()
    return _Request(question[:start] + question[end:], question[start:end])


def _asks_for_order(words: set[str]) -> bool:
    if words & _ORDER_WORDS:
        return True
    has_verb = bool(words & {"sort", "order", "arrange"})
    has_object = bool(words & {"words", "names"})
    return has_verb and has_object
