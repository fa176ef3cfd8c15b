"""Create comments on spans of an answer and locate their quotes."""

from collections.abc import Iterator

from selfcritic.agent.schemas import Comment

_MAX_WIDENING = 80  # characters added to the left of a quote
_MAX_OPENING = 80  # characters quoted from the first line


def comment_on(answer: str, start: int, end: int, text: str) -> Comment:
    """Comment on a span, widening the quote to make it unambiguous.

    A quote is unambiguous if it occurs first where it was taken from. It grows to the left by at most 80 characters. If
    that does not make it unambiguous, the quote is the span alone.
    """
    for candidate in _candidate_starts(answer, start):
        if answer.find(answer[candidate:end]) == candidate:
            start = candidate
            break
    return Comment(quote=answer[start:end], text=text, start=start, end=end)


def _candidate_starts(answer: str, start: int) -> Iterator[int]:
    """Yield `start`, then the start of each word to its left."""
    yield start
    leftmost = max(start - _MAX_WIDENING, 0)
    for index in range(start - 1, leftmost - 1, -1):
        if index == 0 or answer[index - 1].isspace():
            yield index


def remark_opening(answer: str, text: str) -> Comment:
    """Comment on a whole answer by quoting the start of its first line.

    The quote has at most 80 characters. It is empty if the answer is blank.
    """
    start = len(answer) - len(answer.lstrip())
    if start == len(answer):
        return Comment(quote="", text=text, start=0, end=0)
    opening = answer[start : start + _MAX_OPENING]
    quote = opening.splitlines()[0].rstrip()
    return Comment(quote=quote, text=text, start=start, end=start + len(quote))


def is_quoted(comment: Comment, answer: str) -> bool:
    """Check whether the answer contains the quote.

    An empty quote requires a blank answer.
    """
    if not comment.quote:
        return not answer.strip()
    return comment.quote in answer


def overlaps(comment: Comment, answer: str, start: int, end: int) -> bool:
    """Check whether the quote overlaps the span from `start` to `end`.

    If the quote is not found at `comment.start`, any occurrence of it counts.
    """
    quote = comment.quote
    if not quote:
        return False
    quote_start = comment.start
    if quote_start is not None and quote_start >= 0 and answer.startswith(quote, quote_start):
        return quote_start < end and start < quote_start + len(quote)
    search_start = max(start - len(quote) + 1, 0)
    search_end = end + len(quote) - 1
    return answer.find(quote, search_start, search_end) >= 0
