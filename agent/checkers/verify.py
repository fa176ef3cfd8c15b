"""What the checkers know of a critic's comments: confirmed, refuted, or nothing.

Confirmed: a comment whose quote overlaps that of a finding, and which says the same: it names what the finding names
and the quoted words do not, such as the right sum, or it is worded nearly alike.

Refuted, only where a checker has looked at the very thing that the comment claims:
- a syntax error, where the answer's code is Python that this Python parses, by the checker `syntax`;
- an equation that the comment itself writes down and that is false, and is not one that it quotes, by `arithmetic`;
- that a quoted equation is wrong, in so many words, where `arithmetic` reads that equation and finds it right.

Everything else stays unmarked. What a comment says of a missing case, of a wrong approach, of a rule of the question,
or of a type or a test that a checker did not object to, no checker here can refute: that it found nothing does not mean
that it looked.
"""

import ast
import asyncio
import re
from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.protocols import CheckerFunction
from selfcritic.agent.schemas import Comment, Critique

_ALIKE = 80.0
_TERM = re.compile(r"(?<![\w.])-?\d[\d.,]*(?<![.,])|`[^`\s]+`|'[^'\s]+'|\"[^\"\s]+\"|\b[A-Z]{1,4}\d{2,4}\b")
_SYNTAX = re.compile(
    r"\b(?:syntax ?error|invalid syntax|indentation ?error|(?:does not|doesn't|cannot|won't) parse)", re.IGNORECASE
)
_DENIED = re.compile(r"\b(?:no|not|never|without|isn't|if)\b[^.]{0,20}\Z", re.IGNORECASE)
_VERSION = re.compile(r"\bpython\s*\d", re.IGNORECASE)
_FALSE_SUM = re.compile(
    r"\b(?:this|the)? ?(?:arithmetic|calculation|sum|product|difference|quotient|equation|computation)s?\b"
    r"[^.]{0,20}\b(?:is|are)\b (?:\w+ )?(?:wrong|false|incorrect|miscalculated)",
    re.IGNORECASE,
)
_SAYS_EQUAL = re.compile(r"(?<=[\d)])\s+(?:is|equals|makes|gives|comes to)\s+(?=[-$]?\d)", re.IGNORECASE)
_LAST_DIGIT = re.compile(r"\d(?=\D*\Z)")
_LONGEST = 100_000  # characters of code that are parsed here


async def verify_comments(
    critique: Critique, answer: str, findings: Sequence[Comment], checkers: Mapping[str, CheckerFunction]
) -> Critique:
    """The critique with its comments marked; one that is confirmed is not looked at further."""
    comments = [await _marked(comment, answer, findings, checkers) for comment in critique.comments]
    return critique.model_copy(update={"comments": comments})


async def _marked(
    comment: Comment, answer: str, findings: Sequence[Comment], checkers: Mapping[str, CheckerFunction]
) -> Comment:
    if any(comment.overlaps(finding) and _agree(comment, finding) for finding in findings):
        return comment.model_copy(update={"evidence": "confirmed"})
    if ("syntax" in checkers and await _syntax_refuted(comment, answer, findings)) or (
        "arithmetic" in checkers and await _sum_refuted(comment, answer, checkers["arithmetic"])
    ):
        return comment.model_copy(update={"evidence": "refuted"})
    return comment


def _agree(comment: Comment, finding: Comment) -> bool:
    """Whether a comment says what a finding says."""
    if finding.source == "syntax" and finding.severity == "high" and _claims_syntax_error(comment):
        return True
    terms = {term.strip("`'\"") for term in _TERM.findall(finding.text)}
    telling = {term for term in terms if term not in finding.quote}
    if telling:
        return any(re.search(rf"(?<![\w.]){re.escape(term)}(?!\.?\w)", comment.text) for term in telling)
    return fuzz.token_sort_ratio(comment.text.casefold(), finding.text.casefold()) >= _ALIKE


def _claims_syntax_error(comment: Comment) -> bool:
    claim = _SYNTAX.search(comment.text)
    return claim is not None and not _DENIED.search(comment.text[: claim.start()]) and not _VERSION.search(comment.text)


async def _syntax_refuted(comment: Comment, answer: str, findings: Sequence[Comment]) -> bool:
    if not _claims_syntax_error(comment) or any(finding.source == "syntax" for finding in findings):
        return False
    from selfcritic.agent.checkers.python_source import find_python

    code = find_python(answer)
    return code is not None and comment.quote in code.text and await asyncio.to_thread(_parses, code.text)


def _parses(code: str) -> bool:
    try:
        ast.parse(code[: _LONGEST + 1])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return len(code) <= _LONGEST


async def _sum_refuted(comment: Comment, answer: str, arithmetic: CheckerFunction) -> bool:
    stated = _SAYS_EQUAL.sub(" = ", comment.text)
    if any(false.quote not in answer for false in await call_async(arithmetic, "", stated)):
        return True
    return _FALSE_SUM.search(comment.text) is not None and await _is_true(comment.quote, arithmetic)


async def _is_true(equation: str, arithmetic: CheckerFunction) -> bool:
    """Whether the checker reads an equation and finds it right: it objects as soon as the last digit is another."""
    altered = _LAST_DIGIT.sub(lambda digit: str((int(digit[0]) + 5) % 10), equation)
    if altered == equation or equation.count("=") != 1:
        return False
    return bool(await call_async(arithmetic, "", altered)) and not await call_async(arithmetic, "", equation)
