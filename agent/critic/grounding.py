"""Locate the quotes of a critique in the answer."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

from rapidfuzz import fuzz

from selfcritic.agent.critic.facts import numbers
from selfcritic.agent.critic.folding import fold_text
from selfcritic.agent.critic.format import parse
from selfcritic.agent.critic.location import Span, locate
from selfcritic.agent.schemas import SEVERITIES, Comment, Critique, Severity

_SEVERITIES: tuple[Severity | None, ...] = (None, *SEVERITIES)
_SAME_COMMENT = 95.0  # minimum similarity, of 100
_MAX_COMPARISONS = 100  # per comment, with others on the same words: keeps the time linear


def place_comment(comment: Comment, span: Span, answer: str) -> Comment:
    """Copy a comment so that it quotes a span of the answer."""
    place = {
        "quote": span.cut(answer),
        "start": span.start,
        "end": span.end,
    }
    return comment.model_copy(update=place)


def ground(text: str, answer: str) -> Critique:
    """Parse a critique and locate its quotes in the answer.

    Each located comment quotes the answer's words. The others are in `ungrounded`, and duplicates are merged.
    """
    parsed = parse(text)
    located: list[Comment] = []
    ungrounded: list[Comment] = []
    for comment in parsed.comments:
        span = locate(comment.quote, answer)
        if span is None:
            ungrounded.append(comment)
        else:
            located.append(place_comment(comment, span, answer))
    return Critique(
        text=text,
        comments=_merge_duplicates(located),
        ungrounded=ungrounded,
        unparsed=parsed.unparsed,
    )


def _merge_duplicates(comments: Sequence[Comment]) -> list[Comment]:
    """Merge nearly equal comments on the same words.

    The first one is kept, with the highest severity.
    """
    merged: list[Comment] = []
    groups: defaultdict[tuple[object, ...], dict[str, Comment]] = defaultdict(dict)
    for comment in comments:
        text = fold_text(comment.text).casefold()
        # "It should be 13" and "it should be 14" are similar, but different comments.
        group = groups[comment.start, comment.end, *numbers(text)]
        original = _find_duplicate(text, group)
        if original is None:
            group[text] = comment
            merged.append(comment)
        else:
            original.severity = max(original.severity, comment.severity, key=_SEVERITIES.index)
    return merged


def _find_duplicate(text: str, comments: dict[str, Comment]) -> Comment | None:
    if text in comments:
        return comments[text]
    for other_text in islice(reversed(comments), _MAX_COMPARISONS):
        if fuzz.ratio(other_text, text) >= _SAME_COMMENT:
            return comments[other_text]
    return None
