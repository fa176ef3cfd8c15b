"""Records for the desk: a flawed Python answer with three critics."""

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample
from selfcritic.agent.schemas import Comment

ANSWER = '''def median(values: list[float]) -> float:
    """Return the median — 中位数 🎯 — of a list."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return ordered[middle]
    return ordered[middle] + ordered[middle - 1] / 2
'''
FLAW = "ordered[middle] + ordered[middle - 1] / 2"
MARKUP = "<img src=x onerror=window.wasAttacked=1>"


def create_comment(quote: str, text: str) -> Comment:
    """Return a comment on the answer."""
    start = ANSWER.index(quote)
    return Comment(quote=quote, text=text, severity="high", start=start, end=start + len(quote))


def create_sample(identifier: str, critic: str, comment: Comment, reward: float) -> CritiqueSample:
    """Return a critique with one comment."""
    return CritiqueSample(
        id=identifier, critic=critic, text=render([comment]), comments=[comment], reward=reward
    )


def create_record(identifier: str) -> AnswerRecord:
    """Return a record with one bug and the critiques of four critics."""
    start = ANSWER.index(FLAW)
    bug = Bug(
        id="b1",
        description=f"The sum lacks parentheses. {MARKUP}",
        quote=FLAW,
        start=start,
        end=start + len(FLAW),
    )
    return AnswerRecord(
        id=identifier,
        task=f"task of {identifier}",
        question=f"Write a function that returns the median. {MARKUP}",
        answer=ANSWER,
        origin="inserted",
        language="python",
        bugs=[bug],
        critiques=[
            create_sample("c1", "ann", create_comment(FLAW, "Add parentheses."), 0.5),
            create_sample("c2", "model", create_comment(FLAW, f"Half of one. {MARKUP}"), 0.9),
            create_sample("c3", "gold", create_comment(FLAW, "Missing parentheses."), 0.4),
            create_sample("c4", "small", create_comment("sorted(values)", "Slow."), 0.1),
        ],
    )
