"""What requests in plain words are made of."""

import re

from selfcritic.agent.errors import InputError

_POLITE = """
a all an and answer are at be by calculate can compute could determine do does equal equals evaluate find following for
from get give given hello help hey hi how i if in integers into is it items just kindly know like list listed many math
me much my name names need number numbers of only out please question reply result show step tell thank thanks that the
them these they this those to together two up us value want what what's what’s whats with word words work working would
write you your
"""
POLITE = frozenset(_POLITE.split())
"""Words of a request that say nothing of the task."""

_ORDERS = frozenset(["alphabetical", "alphabetically", "alphabetise", "alphabetize", "alphabetized", "a-z", "z"])
_ASKING = _ORDERS | POLITE | frozenset(["arrange", "arranged", "order", "ordered", "put", "sort", "sorted"])
_MOST = 2000  # words and commas to be sorted
_LONGEST = 10_000  # characters of a request without a colon or a second line
_THANKS = re.compile(r"(?<=[.!?])\s+(?:please|thanks|thank you)[.!\s]*\Z", re.IGNORECASE)


def words_to_sort(question: str) -> str:
    """What a request for alphabetical order lists: behind a colon, below the first line, or amid the request."""
    question = _THANKS.sub("", question.strip())
    mark = next((mark for mark in (":", "\n") if mark in question), None)
    asking, _, listed = question.partition(mark) if mark else ("", "", "")
    if not mark and len(question) <= _LONGEST:
        said = re.finditer(r"\S+", question)
        other = [word for word in said if word[0].lower().strip(",.?!") not in _ASKING]
        start, end = (other[0].start(), other[-1].end()) if other else (0, 0)
        asking, listed = question[:start] + question[end:], question[start:end]
    words = {*re.findall(r"[^\W\d](?:[\w'’-]*\w)?", asking.lower())}
    orders = words & _ORDERS or (words & {"sort", "order", "arrange"} and words & {"words", "names"})
    if not orders or not words <= _ASKING:
        return ""
    if len(re.findall(r"\w+|[,;]", listed)) > _MOST:
        raise InputError(f"alphabetize: give at most {_MOST} words and commas")
    return listed
