"""Locate the quotes of a critique in the answer."""

import asyncio
import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from rapidfuzz import fuzz

from selfcritic.agent.critic.facts import numbers
from selfcritic.agent.critic.folding import fold_text
from selfcritic.agent.critic.format import Parsed, parse
from selfcritic.agent.critic.labels import without_issue_label
from selfcritic.agent.critic.layouts import read_layouts
from selfcritic.agent.critic.location import Span, fuzzy_cost, locate
from selfcritic.agent.critic.rewrapping import rewrapped_texts, unwrap
from selfcritic.agent.critic.severity import split_severity_line
from selfcritic.agent.schemas import SEVERITIES, Comment, Critique, Severity
from selfcritic.prompts import CUES, VARIABLES, is_label

_SEVERITIES: tuple[Severity | None, ...] = (None, *SEVERITIES)
_SAME_COMMENT = 95.0  # minimum similarity, of 100
_MAX_COMPARISONS = 100  # per comment, with others on the same words: keeps the time linear
_MAX_FUZZY_COST = 5 * 10**11  # of all quotes of a critique: seconds in the worst case
_MAX_OTHER_LAYOUT = 100_000  # characters; no model writes a longer critique
_ENDS = (".", "!", "?", "。", "！", "？", "؟", ")", "]", "}", "|", '"', "”", "»", "」", "`", "*")
_THINKING_START = re.compile(r"\s*<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_THINKING_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_MAX_INLINE = 30_000  # characters of a critique and its answer that are read without a thread
_END_LENGTH = 2_000  # characters at the end of a reply that are compared with its last comment


def place_comment(comment: Comment, span: Span, answer: str) -> Comment:
    """Copy a comment so that it quotes a span of the answer."""
    place = {
        "quote": span.cut(answer),
        "start": span.start,
        "end": span.end,
    }
    return comment.model_copy(update=place)


def ground(
    text: str, answer: str, *, examples: Sequence[Comment] = (), is_truncated: bool = False
) -> Critique:
    """Parse a critique and locate its quotes in the answer.

    Each located comment quotes the answer's words. The others are in `ungrounded`, and duplicates are merged. Other
    layouts (see `layouts`) are read only if the text has no located comment in CriticGPT's format.

    Args:
        text: The critic's reply.
        answer: The reviewed answer.
        examples: Comments of the prompt's example; a comment that repeats one is dropped.
        is_truncated: Whether the reply was cut off; a last comment without an end is dropped.
    """
    reader = _Reader(answer, examples)
    reply = text
    if "</think" not in answer:
        reply = _without_thinking(text)
    parsed = reader.read(reply)
    comments = [_without_labels(comment) for comment in parsed.comments]
    if is_truncated:
        comments = _without_cut_comment(text, comments)
    located: list[Comment] = []
    ungrounded: list[Comment] = []
    for comment in comments:
        span = reader.locate(comment.quote)
        if span is None:
            ungrounded.append(comment)
        else:
            located.append(place_comment(comment, span, answer))
    return Critique(
        text=text,
        comments=_merge_duplicates(located),
        ungrounded=ungrounded,
        unparsed=parsed.unparsed,
        is_truncated=is_truncated,
    )


async def ground_async(
    text: str, answer: str, *, examples: Sequence[Comment] = (), is_truncated: bool = False
) -> Critique:
    """Ground a critique as `ground` does; long texts in a thread, off the event loop."""
    locate_quotes = functools.partial(ground, examples=examples, is_truncated=is_truncated)
    if len(text) + len(answer) <= _MAX_INLINE:
        return locate_quotes(text, answer)
    return await asyncio.to_thread(locate_quotes, text, answer)


def _without_labels(comment: Comment) -> Comment:
    severity, text = split_severity_line(comment.text)
    text = without_issue_label(text).strip()
    if not text:
        return comment
    update = {"text": text, "severity": comment.severity or severity}
    return comment.model_copy(update=update)


class _Reader:
    """Reads the critiques of one answer."""

    def __init__(self, answer: str, examples: Sequence[Comment]) -> None:
        self._answer = answer
        self._example_quotes = {_plain_example(example.quote) for example in examples}
        self._example_texts = {_plain_example(example.text) for example in examples}
        self._spans: dict[str, Span | None] = {}
        self._exact: dict[str, bool] = {}
        self._cost_left = _MAX_FUZZY_COST

    def read(self, text: str) -> Parsed:
        """Return the comments of the first layout with a located one, else those of the format asked for."""
        asked = self._parse(text, self.is_located)
        if any(self.is_located(comment.quote) for comment in asked.comments):
            return asked
        if len(text) > _MAX_OTHER_LAYOUT:
            return asked
        for rewritten in rewrapped_texts(text):
            parsed = self._parse(rewritten, self.is_in_answer)
            if any(self.is_in_answer(comment.quote) for comment in parsed.comments):
                return parsed
        comments = self._read_layouts(text, asked.unparsed)
        unwrapped = unwrap(text)
        if not comments and not asked.comments and unwrapped is not None:
            comments = self._read_layouts(unwrapped, unwrapped)
        if not comments:
            return asked
        return Parsed([*asked.comments, *comments], "")

    def _read_layouts(self, text: str, unparsed: str) -> list[Comment]:
        return self._without_prompt(read_layouts(text, unparsed, self.is_in_answer))

    def locate(self, quote: str) -> Span | None:
        """Locate a quote, with typos."""
        if quote not in self._spans:
            self._spans[quote] = self._locate_uncached(quote)
        return self._spans[quote]

    def _locate_uncached(self, quote: str) -> Span | None:
        span = locate(quote, self._answer, allow_fuzzy=False)
        cost = fuzzy_cost(quote, self._answer)
        if span is not None or cost > self._cost_left:
            return span
        self._cost_left -= cost
        return locate(quote, self._answer)

    def is_located(self, quote: str) -> bool:
        """Whether a quote is in the answer, with typos."""
        return self.locate(quote) is not None

    def is_in_answer(self, quote: str) -> bool:
        """Whether a quote is in the answer, apart from its typography."""
        if quote not in self._exact:
            self._exact[quote] = locate(quote, self._answer, allow_fuzzy=False) is not None
        return self._exact[quote]

    def _parse(self, text: str, is_located: Callable[[str], bool]) -> Parsed:
        parsed = parse(text, is_located)
        return Parsed(self._without_prompt(parsed.comments), parsed.unparsed)

    def _without_prompt(self, comments: Sequence[Comment]) -> list[Comment]:
        """Drop comments that repeat the prompt: its example, or only one of its labels."""
        kept: list[Comment] = []
        for comment in comments:
            text = _plain(comment.text)
            is_example = text in self._example_texts or (
                _plain(comment.quote) in self._example_quotes and not self.is_located(comment.quote)
            )
            is_prompt_label = text in _PROMPT_LABELS or is_label(comment.text)
            if not is_example and not is_prompt_label:
                kept.append(comment)
        return kept


def _without_thinking(text: str) -> str:
    """Remove a model's thinking: all up to its closing tag, or all after an opening tag."""
    ends = [tag.end() for tag in _THINKING_END.finditer(text)]
    if ends:
        text = text[ends[-1] :]
    if _THINKING_START.match(text):
        return ""
    return text


def _plain(text: str) -> str:
    return fold_text(text).strip(" *_#:.").casefold()


_plain_example = functools.lru_cache(maxsize=64)(_plain)
"""`_plain` for the prompt's examples, which are the same for all critiques."""


_PROMPT_LABELS = {
    _plain(label)
    for label in (
        *CUES.values(),
        *itertools.chain(*VARIABLES.values()),
        "Critiqueable",
        "Helpful",
        "Instruction",
    )
}
"""Cues and section labels of the prompts, which some models repeat."""


def _without_cut_comment(text: str, comments: Sequence[Comment]) -> list[Comment]:
    """Drop the last comment if the text ends with it, but not at the end of a sentence."""
    if not comments:
        return []
    end = _plain_end(text)
    last = comments[-1]
    is_cut = end.endswith(_plain_end(last.text)) and not text.rstrip().endswith(_ENDS)
    if is_cut:
        return list(comments[:-1])
    return list(comments)


def _plain_end(text: str) -> str:
    return "".join(text[-_END_LENGTH:].split()).strip("*_`|")


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
    for other_text in itertools.islice(reversed(comments), _MAX_COMPARISONS):
        if fuzz.ratio(other_text, text) >= _SAME_COMMENT:
            return comments[other_text]
    return None
