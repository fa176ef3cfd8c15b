"""Mark a critic's comments as confirmed or refuted by the checkers.

A comment is confirmed if its quote overlaps that of a finding and both make the same point. They do if the comment
contains a term that the finding adds to its quote, such as the correct sum, or if their wording is nearly identical.

A comment is refuted only if a checker has looked at exactly what it claims:

- It claims a syntax error, and the answer's code parses in this version of Python (`syntax`).
- It contains a false equation that it does not quote from the answer (`arithmetic`).
- It claims that a quoted equation is wrong, and that equation is right (`arithmetic`).

All other comments stay unmarked. A comment about a missing case, a wrong approach, a rule in the question,
a type or a test is never refuted: a missing finding does not prove that a checker looked.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.protocols import CheckerFunction
from selfcritic.agent.schemas import Comment, Critique

_MIN_SIMILARITY = 80.0
_MAX_PARSED_CHARS = 100_000
_TERM = re.compile(
    r"(?<![\w.])-?\d[\d.,]*(?<![.,])|`[^`\s]+`|'[^'\s]+'|\"[^\"\s]+\"|\b[A-Z]{1,4}\d{2,4}\b"
)
_SYNTAX_CLAIM = re.compile(
    r"\b(?:syntax ?error|invalid syntax|indentation ?error|(?:does not|doesn't|cannot|won't) parse)",
    re.IGNORECASE,
)
_NEGATION_BEFORE = re.compile(r"\b(?:no|not|never|without|isn't|if)\b[^.]{0,20}\Z", re.IGNORECASE)
_PYTHON_VERSION = re.compile(r"\bpython\s*\d", re.IGNORECASE)
_FALSE_EQUATION_CLAIM = re.compile(
    r"\b(?:this|the)? ?(?:arithmetic|calculation|sum|product|difference|quotient|equation|computation)s?\b"
    r"[^.]{0,20}\b(?:is|are)\b (?:\w+ )?(?:wrong|false|incorrect|miscalculated)",
    re.IGNORECASE,
)
_EQUALS_IN_WORDS = re.compile(
    r"(?<=[\d)])\s+(?:is|equals|makes|gives|comes to)\s+(?=[-$]?\d)", re.IGNORECASE
)
_LAST_DIGIT = re.compile(r"\d(?=\D*\Z)")


async def verify_comments(
    critique: Critique,
    answer: str,
    findings: Sequence[Comment],
    checkers: Mapping[str, CheckerFunction],
) -> Critique:
    """Return the critique with `evidence` set on its comments.

    `findings` are from the same checkers on the same answer. Confirmation is tried first.
    """
    if not checkers and not findings:
        return critique
    comments = [await _verify(comment, answer, findings, checkers) for comment in critique.comments]
    return critique.model_copy(update={"comments": comments})


async def _verify(
    comment: Comment,
    answer: str,
    findings: Sequence[Comment],
    checkers: Mapping[str, CheckerFunction],
) -> Comment:
    if any(
        comment.overlaps(finding) and _makes_same_point(comment, finding) for finding in findings
    ):
        return comment.model_copy(update={"evidence": "confirmed"})
    if await _is_refuted(comment, answer, findings, checkers):
        return comment.model_copy(update={"evidence": "refuted"})
    return comment


def _makes_same_point(comment: Comment, finding: Comment) -> bool:
    is_syntax_error = finding.source == "syntax" and finding.severity == "high"
    if is_syntax_error and _claims_syntax_error(comment):
        return True

    terms = {term.strip("`'\"") for term in _TERM.findall(finding.text)}
    new_terms = [term for term in terms if term not in finding.quote]
    if new_terms:
        return any(_contains_term(comment.text, term) for term in new_terms)
    similarity = fuzz.token_sort_ratio(comment.text.casefold(), finding.text.casefold())
    return similarity >= _MIN_SIMILARITY


def _contains_term(text: str, term: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(term)}(?!\.?\w)", text) is not None


async def _is_refuted(
    comment: Comment,
    answer: str,
    findings: Sequence[Comment],
    checkers: Mapping[str, CheckerFunction],
) -> bool:
    if "syntax" in checkers and await _is_syntax_claim_refuted(comment, answer, findings):
        return True
    return "arithmetic" in checkers and await _is_equation_claim_refuted(
        comment, answer, checkers["arithmetic"]
    )


def _claims_syntax_error(comment: Comment) -> bool:
    claim = _SYNTAX_CLAIM.search(comment.text)
    if claim is None or _PYTHON_VERSION.search(comment.text):
        return False
    text_before = comment.text[: claim.start()]
    return not _NEGATION_BEFORE.search(text_before)


async def _is_syntax_claim_refuted(
    comment: Comment, answer: str, findings: Sequence[Comment]
) -> bool:
    if not _claims_syntax_error(comment):
        return False
    if any(finding.source == "syntax" for finding in findings):
        return False
    # Imported here because it compiles large patterns that most runs do not need.
    from selfcritic.agent.checkers.python_source import find_python, is_valid_python

    code = find_python(answer)
    if code is None or comment.quote not in code.text or len(code.text) > _MAX_PARSED_CHARS:
        return False
    return await asyncio.to_thread(is_valid_python, code.text)


async def _is_equation_claim_refuted(
    comment: Comment, answer: str, arithmetic: CheckerFunction
) -> bool:
    text = _EQUALS_IN_WORDS.sub(" = ", comment.text)
    false_equations = await _check_equations(text, arithmetic)
    if any(equation.quote not in answer for equation in false_equations):
        return True
    if not _FALSE_EQUATION_CLAIM.search(comment.text):
        return False
    return await _is_true_equation(comment.quote, arithmetic)


async def _is_true_equation(equation: str, arithmetic: CheckerFunction) -> bool:
    """Return whether the checker understands the equation and accepts it.

    It understands the equation if it objects to a version with a different last digit.
    """
    altered = _LAST_DIGIT.sub(_change_digit, equation)
    if altered == equation or equation.count("=") != 1:
        return False
    if not await _check_equations(altered, arithmetic):
        return False
    return not await _check_equations(equation, arithmetic)


async def _check_equations(text: str, arithmetic: CheckerFunction) -> list[Comment]:
    findings = await call_async(arithmetic, "", text)
    return [Comment.model_validate(finding) for finding in findings]


def _change_digit(digit: re.Match[str]) -> str:
    return str((int(digit[0]) + 5) % 10)
