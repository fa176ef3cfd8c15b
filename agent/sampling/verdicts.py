"""Read Yes/No verdicts: from logprobs, else from the text.

Words of many languages are understood. A Yes or No inside a sentence is never a verdict.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from selfcritic.agent.models.logprobs import Token
from selfcritic.agent.models.normalize import answer_tokens
from selfcritic.agent.sampling.verdict_words import CJK_NOUNS, YES_AND_NO
from selfcritic.agent.schemas import JudgeMethod

_MIN_MASS = 0.01
"""Minimum P(Yes) + P(No) of a token whose logprobs are a verdict."""


def _verdicts() -> dict[str, bool]:
    verdicts: dict[str, bool] = {}
    for yes_words, no_words in YES_AND_NO.values():
        verdicts |= dict.fromkeys(yes_words, True) | dict.fromkeys(no_words, False)
    return verdicts


_VERDICTS = _verdicts()
# The longest first: 没有 begins with 没.
_WORDS = "|".join(sorted(_VERDICTS, key=len, reverse=True))
_WORD = f"(?P<word>{_WORDS})"
_NOUN = f"(?:{'|'.join(CJK_NOUNS)})"
_CJK = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_MARKUP_CHARS = r"\s*_#>~`'\"“”‘’„«»「」『』《》【】()（）\[\]{}.,:;!?。，：；！？、\-"
_MARKUP = f"[{_MARKUP_CHARS}]*+"
_SHORT_MARKUP = f"[{_MARKUP_CHARS}]{{0,20}}"  # bounded: it is next to another repetition

_FIRST_WORD = re.compile(_MARKUP + _WORD, re.IGNORECASE)
_ENDS_LATIN_WORD = re.compile(rf"(?!(?!{_CJK})\w|[-'’/]\w)")  # "Yes有错误" has the word Yes
_ENDS_CJK_WORD = re.compile(rf"{_NOUN}|(?!\w)")
_IDIOM = re.compile(r"\s+(?:doubt|question|wonder|matter|one|longer|idea|way)\b", re.IGNORECASE)
_OPPOSITE = re.compile(
    r"[\s*_,/;:.、，和或]{0,5}(?:(?:or|and|but|also|oder|und|aber|ou|et|mais|或|但)\b[\s,]{0,3})?"
    + _WORD
    + r"(?=[\s*_\"'.,:;!?。，！？)]|\Z)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:answer|verdict|critiqueable|helpful|flaw|conclusion|decision|judge?ment|result|antwort|urteil"
    r"|réponse|respuesta|risposta|ответ|答案|回答|判断|判斷|结论|結論)"
    r"[*_\"'`>]{0,4}\s{0,4}(?:is\b|lautet\b|est\b|es\b|是|为|為)?\s{0,4}[:：>=]?"
    + _SHORT_MARKUP
    + _WORD
    + f"{_NOUN}?"
    + rf"(?={_SHORT_MARKUP}(?:\Z|\n|</)|[*_`\"'”）)]{{0,4}}[.,;!。，；！])",
    re.IGNORECASE,
)
_BOX = re.compile(rf"\\boxed\{{\s*(?:\\text\{{)?\s*{_WORD}\s*\}}", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?。！？]++[\s*_)\"'”」]*+|\n++")
_SINGLE_WORD = re.compile(f"{_MARKUP}{_WORD}{_NOUN}?{_MARKUP}", re.IGNORECASE)
_TRAILING = " \t\r\n.!?。！？*_`\"'”」)"
_JSON_OBJECT = re.compile(r"\{[^{}]*+\}")
_SURROUNDING_MARKUP = re.compile(rf"\A{_MARKUP}|(?<![{_MARKUP_CHARS}]){_MARKUP}\Z")


@dataclass(frozen=True)
class YesProbability:
    """P(Yes) and how it was measured."""

    probability: float
    judged_by: JudgeMethod
    votes: int | None = None
    """Votes sampled, readable or not."""
    votes_read: int | None = None


@dataclass(frozen=True)
class Vote:
    """A Yes or No in a reply's text."""

    is_yes: bool
    start: int
    """Offset of the word in the text."""


def read_vote(text: str) -> Vote | None:
    """Return the verdict of a reply's text, None if it has no clear one.

    It is the first word, a word after a label such as "Answer:", in \\boxed{} or in a JSON object, or the last sentence
    if this is a single word.
    """
    first = _first_word(text)
    last = _last_word(text)
    if first is not None and last is not None and first.is_yes != last.is_yes:
        return None
    labeled = _labeled_word(text)
    if first is not None and labeled is not None and first.is_yes != labeled.is_yes:
        return None
    return first or labeled or last or _json_verdict(text)


def count_votes(texts: Sequence[str]) -> YesProbability:
    """Return the share of Yes; an unreadable vote counts as half a Yes."""
    read = [vote for vote in map(read_vote, texts) if vote is not None]
    num_yes = sum(vote.is_yes for vote in read)
    num_unread = len(texts) - len(read)
    probability = (num_yes + num_unread / 2) / len(texts)
    return YesProbability(probability, "votes", votes=len(texts), votes_read=len(read))


def read_logprobs(reply: AIMessage) -> "LogprobVerdict | None":
    """Return P(Yes) / (P(Yes) + P(No)) from a reply's logprobs, None if they have no verdict.

    Reads the first token of the answer that is not markup, no matter which token was sampled. If Yes and No have too
    little probability there, it reads the token where the text has its verdict.
    """
    tokens = answer_tokens(reply)
    position = _first_content_token(tokens)
    if position is not None:
        probability = _p_yes(tokens[position])
        if probability is not None:
            return LogprobVerdict(probability, position)
    vote = read_vote("".join(token.text for token in tokens))
    if vote is None:
        return None
    offset = 0
    for position, token in enumerate(tokens):
        if offset <= vote.start < offset + len(token.text):
            probability = _p_yes(token)
            if probability is None:
                return None
            return LogprobVerdict(probability, position)
        offset += len(token.text)
    return None


def _first_content_token(tokens: Sequence[Token]) -> int | None:
    """Return the position of the first token that is not markup.

    If the length limit left only markup, it is the first token: its alternatives are still a verdict.
    """
    for position, token in enumerate(tokens):
        if any(character.isalnum() for character in token.text):
            return position
    return 0 if tokens else None


@dataclass(frozen=True)
class LogprobVerdict:
    """P(Yes), and the position of the token that it was read from."""

    probability: float
    position: int


def _p_yes(token: Token) -> float | None:
    """Return P(Yes) among Yes and No, or None if their mass is too small."""
    mass = {True: 0.0, False: 0.0}
    for text, probability in token.options.items():
        word = _SURROUNDING_MARKUP.sub("", text).casefold()
        is_yes = _VERDICTS.get(word)
        if is_yes is not None:
            mass[is_yes] += probability
    total = mass[True] + mass[False]
    if total < _MIN_MASS:
        return None
    return mass[True] / total


def _vote(match: re.Match[str]) -> Vote:
    return Vote(_VERDICTS[match["word"].casefold()], match.start("word"))


def _first_word(text: str) -> Vote | None:
    """Return the verdict that begins the text, unless its opposite or an idiom follows."""
    match = _FIRST_WORD.match(text)
    if match is None:
        return None
    end = _ENDS_LATIN_WORD
    if re.match(_CJK, match["word"]):
        end = _ENDS_CJK_WORD
    if not end.match(text, match.end()) or _IDIOM.match(text, match.end()):
        return None
    vote = _vote(match)
    opposite = _OPPOSITE.match(text, match.end())
    if opposite is not None and _vote(opposite).is_yes != vote.is_yes:
        return None
    return vote


def _labeled_word(text: str) -> Vote | None:
    """Return the verdict after the last label, or in the last box."""
    matches = [*_LABEL.finditer(text), *_BOX.finditer(text)]
    if not matches:
        return None
    return _vote(max(matches, key=lambda match: match.start()))


def _last_word(text: str) -> Vote | None:
    """Return the last sentence's verdict if the sentence is a single word."""
    start = 0
    for sentence_end in _SENTENCE_END.finditer(text, 0, len(text.rstrip(_TRAILING))):
        start = sentence_end.end()
    match = _SINGLE_WORD.fullmatch(text, start)
    if match is None:
        return None
    return _vote(match)


def _json_verdict(text: str) -> Vote | None:
    """Return the single verdict among the values of a JSON object in the text."""
    match = _JSON_OBJECT.search(text)
    if match is None:
        return None
    try:
        values = list(json.loads(match[0]).values())
    except json.JSONDecodeError:
        return None
    verdicts = [verdict for verdict in map(_value_verdict, values) if verdict is not None]
    if len(verdicts) != 1:
        return None
    return Vote(verdicts[0], match.start())


def _value_verdict(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _VERDICTS.get(value.strip().rstrip(".。").casefold())
    return None
