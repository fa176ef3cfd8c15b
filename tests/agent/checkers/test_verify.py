"""Comments confirmed or refuted by the built-in checkers."""

import asyncio

import pytest

from selfcritic.agent import Comment
from selfcritic.agent.checkers.registry import get_checkers, run_checkers
from selfcritic.agent.checkers.verify import verify_comments
from selfcritic.agent.critic.grounding import ground

CODE = "def add(a, b):\n    return a + b\n"
BROKEN = "def add(a, b:\n    return a + b\n"
SUMS = "First, 17 + 25 = 42. Then 42 * 2 = 94. The answer is 94."
CHECKERS = ["syntax", "arithmetic"]


def evidence_for(answer: str, *comments: tuple[str, str], checkers=CHECKERS) -> list[str | None]:
    """Return the evidence of each comment, given as quote and text."""
    blocks = [f"```\n{quote}\n```\n{text}" for quote, text in comments]
    critique = ground("\n".join(blocks), answer)
    assert not critique.ungrounded

    async def verify() -> list[Comment]:
        by_name = get_checkers(checkers)
        findings, _ = await run_checkers(by_name, "q", answer)
        verified = await verify_comments(critique, answer, findings, by_name)
        return verified.comments

    return [comment.evidence for comment in asyncio.run(verify())]


@pytest.mark.parametrize(
    ("quote", "text", "evidence"),
    [
        ("42 * 2 = 94", "This should be 84.", "confirmed"),
        ("42 * 2 = 94", "Wrong result: twice 42 comes to 84, so the answer is wrong.", "confirmed"),
        ("42 * 2 = 94", "This should be 86.", None),
        ("42 * 2 = 94", "The step is not needed.", None),
        ("The answer is 94", "This should be 84.", None),
        ("17 + 25 = 42", "17 + 25 = 43, not 42.", "refuted"),
        ("17 + 25 = 42", "17 + 25 is 43.", "refuted"),
        ("17 + 25 = 42", "The sum is wrong.", "refuted"),
        ("17 + 25 = 42", "The equation is incorrect.", "refuted"),
        ("17 + 25 = 42", "The number 25 is not the one given.", None),
        ("17 + 25 = 42", "It should be 43, for the second number is 26.", None),
        ("17 + 25 = 42", "17 + 25 = 42 is right, but 42 * 2 = 94 is not.", None),
        ("First", "The sum is wrong.", None),
    ],
)
def test_evidence_for_comments_on_equations(quote: str, text: str, evidence: str | None):
    assert evidence_for(SUMS, (quote, text)) == [evidence]


@pytest.mark.parametrize(
    ("answer", "text", "evidence"),
    [
        (BROKEN, "SyntaxError: the parenthesis is never closed.", "confirmed"),
        (BROKEN, "The function adds nothing up.", None),
        (CODE, "This is a syntax error.", "refuted"),
        (CODE, "It does not parse.", "refuted"),
        (CODE, "There is no syntax error here, but negative numbers are left out.", None),
        (CODE, "This is a syntax error in Python 2.", None),
        (CODE, "It returns the wrong sum for strings.", None),
        ("The function adds two numbers.", "This is a syntax error.", None),
        ("x => x + 1;", "This is a syntax error.", None),
    ],
)
def test_evidence_for_comments_on_syntax(answer: str, text: str, evidence: str | None):
    first_line = answer.splitlines()[0]
    assert evidence_for(answer, (first_line, text)) == [evidence]


def test_code_in_a_fence_is_verified_and_the_text_around_it_is_not():
    answer = f"Use this function:\n\n```python\n{CODE}```\n"
    text = "This is a syntax error."
    assert evidence_for(answer, ("return a + b", text), ("Use this function", text)) == [
        "refuted",
        None,
    ]


def test_only_selected_checkers_give_evidence():
    assert evidence_for(CODE, ("def add", "This is a syntax error."), checkers=["arithmetic"]) == [
        None
    ]
    assert evidence_for(SUMS, ("17 + 25 = 42", "17 + 25 = 43."), checkers=["syntax"]) == [None]
    assert evidence_for(SUMS, ("42 * 2 = 94", "This should be 84."), checkers=[]) == [None]
