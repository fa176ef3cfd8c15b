"""Comments confirmed and refuted by the checkers that ship; what they cannot know stays unmarked."""

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


def marks(answer: str, *comments: tuple[str, str], checkers=CHECKERS) -> list[str | None]:
    async def mark() -> list[Comment]:
        named = get_checkers(checkers)
        findings = await run_checkers(named, "q", answer)
        text = "\n".join(f"```\n{quote}\n```\n{said}" for quote, said in comments)
        critique = ground(text, answer)
        assert not critique.ungrounded
        return (await verify_comments(critique, answer, findings, named)).comments

    return [comment.evidence for comment in asyncio.run(mark())]


@pytest.mark.parametrize(
    ("quote", "said", "mark"),
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
def test_sums(quote: str, said: str, mark: str | None):
    assert marks(SUMS, (quote, said)) == [mark]


@pytest.mark.parametrize(
    ("answer", "said", "mark"),
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
def test_syntax(answer: str, said: str, mark: str | None):
    assert marks(answer, (answer.splitlines()[0], said)) == [mark]


def test_code_in_a_fence_is_looked_at_and_the_prose_around_it_is_not():
    answer = f"Use this function:\n\n```python\n{CODE}```\n"
    said = "This is a syntax error."
    assert marks(answer, ("return a + b", said), ("Use this function", said)) == ["refuted", None]


def test_nothing_is_marked_by_checkers_that_did_not_look():
    assert marks(CODE, ("def add", "This is a syntax error."), checkers=["arithmetic"]) == [None]
    assert marks(SUMS, ("17 + 25 = 42", "17 + 25 = 43."), checkers=["syntax"]) == [None]
    assert marks(SUMS, ("42 * 2 = 94", "This should be 84."), checkers=[]) == [None]
