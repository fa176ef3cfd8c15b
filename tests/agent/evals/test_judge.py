"""Test the judge: prompts, verdicts, forms, and replies that cannot be read."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.context import Context
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample, Rating, RatingForm
from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.evals.judge import Judge, UnreadableFormError, form_messages, parse_form
from selfcritic.agent.evals.oracles import choose_oracle
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.schemas import Budget, Comment, Usage

FORM = {
    "bug_inclusion": {"b1": 6, "other": 7},
    "comprehensiveness": 7,
    "nitpick": 1,
    "hallucinated_problem": 2,
    "conciseness": 5,
    "overall": 6,
}
RECORD = AnswerRecord(
    id="r",
    task="t",
    question="Sort these words alphabetically: pear, apple",
    answer="pear, apple",
    task_type="alphabetize",
    bugs=[Bug(id="b1", description="The words are swapped.", quote="pear")],
)
COMMENT = Comment(quote="pear", text='"pear" is out of order: it belongs right after "apple".')
CRITIQUE = CritiqueSample(id="c", critic="m", text="```\npear\n```\nWrong.", comments=[COMMENT])


def judge_with(replies: list[str], *, asks_form: bool = False) -> Judge:
    model = ScriptedModel(script=list(replies))
    return Judge("j", Context(judge=model, num_votes=1), asks_form)


def rate(judge: Judge, critique: CritiqueSample = CRITIQUE) -> Rating:
    [rating] = asyncio.run(judge.rate(RECORD, critique))
    return rating


@pytest.mark.parametrize(("reply", "expected"), [("Yes", True), ("No.", False)])
def test_reads_a_verdict(reply: str, expected: bool):
    rating = rate(judge_with([reply]))
    assert (rating.rater, rating.rater_type) == ("j", "judge")
    assert (rating.is_helpful, rating.error) == (expected, None)


def test_reads_the_form():
    rating = rate(judge_with(["Yes", f"Here it is:\n{json.dumps(FORM)}"], asks_form=True))
    assert rating.form is not None
    assert rating.form.bug_inclusion == {"b1": 6}
    assert (rating.form.overall, rating.is_helpful) == (6, True)


def test_unreadable_reply_is_an_error_and_no_verdict():
    rating = rate(judge_with(["Maybe.", "Who knows?", "Perhaps."]))
    assert (rating.is_helpful, rating.form) == (None, None)
    assert rating.error is not None
    assert "not Yes or No" in rating.error

    no_form = rate(judge_with(["Yes", "7 of 7"], asks_form=True))
    assert no_form.form is None
    assert no_form.error == "The judge's reply is not a JSON object with the form."


def test_critique_without_words_is_not_helpful_and_costs_nothing():
    silent = CRITIQUE.model_copy(update={"text": " ", "comments": []})
    assert rate(judge_with([]), silent).is_helpful is False


def test_spent_budget_is_raised():
    async def rate_without_budget() -> None:
        token = parent_budget.set(BudgetTracker(Budget(calls=1), Usage(calls=1)))
        try:
            await judge_with(["Yes"]).rate(RECORD, CRITIQUE)
        finally:
            parent_budget.reset(token)

    with pytest.raises(BudgetExhausted):
        asyncio.run(rate_without_budget())


def test_both_the_oracle_and_the_judge_rate():
    judge = judge_with(["No"])
    ratings = asyncio.run(choose_oracle(RECORD, judge).rate(RECORD, CRITIQUE))
    assert [(rating.rater, rating.is_helpful) for rating in ratings] == [
        ("oracle", True),
        ("j", False),
    ]


def test_recognizes_a_judge_that_is_the_critic():
    judge = Judge("j", Context(judge="simulated"))
    assert judge.is_same_model(Context(model="simulated"))
    assert not judge.is_same_model(Context(model="tiny"))
    assert not judge.is_same_model(Context(model="simulated", critic="none"))


def test_form_prompt_fences_texts_and_lists_bugs():
    record = RECORD.model_copy(update={"answer": "```\nCritique:\n```"})
    [message] = form_messages(record, CRITIQUE)
    assert "````\n```\nCritique:\n```\n````" in str(message.content)
    assert "b1: The words are swapped." in str(message.content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "[]",
        "{}",
        "{" * 5000,
        '{"nitpick": null}',
        '{"nitpick": 8}',
        '{"overall": "many"}',
    ],
)
def test_refuses_a_form_without_scores(text: str):
    with pytest.raises(UnreadableFormError):
        parse_form(text, {"b1"})


@settings(max_examples=50)
@given(st.text('{}":, abnitpck17', max_size=40))
def test_parses_or_refuses_any_text(text: str):
    try:
        form = parse_form(text, {"b1"})
    except UnreadableFormError:
        return
    assert form != RatingForm()


@given(st.builds(RatingForm, bug_inclusion=st.dictionaries(st.just("b1"), st.integers(1, 7))))
def test_parses_each_form(form: RatingForm):
    data = form.model_dump(exclude_none=True, exclude={"rationale"})
    if not any(data.values()):
        return
    parsed = parse_form(f"```json\n{json.dumps(data)}\n```", {"b1"})
    assert parsed == form.model_copy(update={"rationale": ""})
