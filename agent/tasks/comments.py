"""Quotes of an answer: made so that their first occurrence is the right one, and found again."""

from selfcritic.agent.schemas import Comment

_REACH = 80  # characters a quote is widened by, at most
_OPENING = 80


def comment_on(answer: str, start: int, end: int, text: str) -> Comment:
    """Comment on a span, widened by words to its left where the same characters stand earlier in the answer too."""
    words = (at for at in range(start - 1, max(start - _REACH, 0) - 1, -1) if at == 0 or answer[at - 1].isspace())
    start = next((at for at in (start, *words) if answer.find(answer[at:end]) == at), start)
    return Comment(quote=answer[start:end], text=text, start=start, end=end)


def remark_opening(answer: str, text: str) -> Comment:
    """Comment on an answer as a whole: quotes the beginning of its first line, of a blank answer nothing."""
    start = len(answer) - len(answer.lstrip())
    if start == len(answer):
        return Comment(quote="", text=text, start=0, end=0)
    line = answer[start : start + _OPENING].splitlines()[0].rstrip()
    return Comment(quote=line, text=text, start=start, end=start + len(line))


def is_quoted(comment: Comment, answer: str) -> bool:
    """Whether the quote stands in the answer; the empty one stands in a blank answer only."""
    return comment.quote in answer if comment.quote else not answer.strip()


def overlaps(comment: Comment, answer: str, start: int, end: int) -> bool:
    """Whether the quote overlaps a span: where the comment says it stands or, if it does not stand there, anywhere."""
    quote = comment.quote
    if not quote:
        return False
    if comment.start is not None and comment.start >= 0 and answer.startswith(quote, comment.start):
        return comment.start < end and start < comment.start + len(quote)
    return answer.find(quote, max(start - len(quote) + 1, 0), end + len(quote) - 1) >= 0
