"""The simulated model's rates, recovered from its behaviour within their intervals: each option, each family."""

import asyncio
import math
import random
from statistics import NormalDist, fmean

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from selfcritic import prompts
from selfcritic.agent import load
from selfcritic.agent.critic.format import parse, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import UnknownTaskError
from selfcritic.agent.models.simulated import SimulatedModel
from selfcritic.agent.models.simulated import probability_of_yes as opinion_to_probability
from selfcritic.agent.sampling.sampler import probability_of_yes
from selfcritic.agent.tasks import TASKS, Functions, Task
from selfcritic.prompts import PromptName

SIZES = {"addition": 5, "alphabetize": 7, "three_sat": 5, "functions": 2}
families = pytest.mark.parametrize("family", TASKS, ids=lambda family: family.name)
CERTAIN = {
    "draft_error_rate": 0.0,
    "miss_rate": 0.0,
    "false_alarm_rate": 0.0,
    "judge_error_rate": 0.0,
    "refine_error_rate": 0.0,
}


def model(**rates: float) -> SimulatedModel:
    return SimulatedModel(seed=7, **(CERTAIN | rates))


def tasks(family: type[Task]) -> list[Task]:
    rng = random.Random(f"rates {family.name}")
    count = 40 if family is Functions else 150  # each flawed function runs in a sandbox
    return [family.generate(rng, SIZES[family.name]) for _ in range(count)]


def ask(role: PromptName, task: Task, name: str = "default", **data: str) -> list[BaseMessage]:
    return prompts.load(name).render(role, context="", question=task.question, **data)


def flawed(task: Task) -> str:
    return task.inject_flaw(task.solution(), random.Random(task.id)).answer


def draw(model: SimulatedModel, messages: list[BaseMessage], n: int = 1) -> list[str]:
    return [generation.text for generation in model.generate([messages], n=n, logprobs=True).generations[0]]


def p_yes(model: SimulatedModel, messages: list[BaseMessage]) -> float:
    probability = probability_of_yes(model.invoke(messages, logprobs=True))
    assert probability is not None
    return probability


def agrees(observed: float, rate: float, n: int) -> bool:
    """Within four standard errors of a rate over n independent draws."""
    return abs(observed - rate) <= 4 * math.sqrt(rate * (1 - rate) / n)


@families
def test_slip_is_the_share_of_flawed_drafts(family: type[Task]):
    n = 4
    rights = [
        task.is_correct(draft)
        for task in tasks(family)
        for draft in draw(model(draft_error_rate=0.3), ask("generate", task), n)
    ]
    assert agrees(1 - fmean(rights), 0.3, len(rights))


@families
def test_miss_and_invent_are_the_error_rates_of_verdicts(family: type[Task]):
    judge = model(miss_rate=0.2, false_alarm_rate=0.1)
    some = tasks(family)
    of_flawed = [ask("classify", task, answer=flawed(task)) for task in some]
    of_right = [ask("classify", task, answer=task.solution()) for task in some]
    # The log-probs average to the rates: over opinions, that are one a draft; and so do the words drawn.
    assert agrees(fmean(p_yes(judge, messages) for messages in of_flawed), 0.8, len(some))
    assert agrees(fmean(p_yes(judge, messages) for messages in of_right), 0.1, len(some))
    assert agrees(fmean(draw(judge, messages)[0] == "Yes" for messages in of_flawed), 0.8, len(some))
    assert agrees(fmean(draw(judge, messages)[0] == "Yes" for messages in of_right), 0.1, len(some))


@families
def test_miss_is_the_share_of_flaws_left_out_of_critiques(family: type[Task]):
    critic = model(miss_rate=0.25)
    seen = []
    for task in tasks(family):
        answer = flawed(task)
        gold = [flaw.comment for flaw in task.flaws(answer)]
        for text in draw(critic, ask("critique", task, answer=answer), 4):
            named = {(comment.quote, comment.text) for comment in ground(text, answer).comments}
            seen += [(comment.quote, comment.text) in named for comment in gold]
    assert agrees(fmean(seen), 0.75, len(seen))


@families
def test_invent_is_the_share_of_critiques_with_a_comment_that_is_not_valid(family: type[Task]):
    critic = model(false_alarm_rate=0.3)
    corruptions = []
    for task in tasks(family):
        answer = flawed(task)
        for text in draw(critic, ask("critique", task, answer=answer), 4):
            critique = ground(text, answer)
            assert not critique.ungrounded
            corruptions.append(not all(task.is_valid(answer, comment) for comment in critique.comments))
    assert agrees(fmean(corruptions), 0.3, len(corruptions))


@families
def test_a_forced_critique_of_a_right_answer_is_invented(family: type[Task]):
    for task in tasks(family)[:20]:
        [text] = draw(model(), ask("critique", task, answer=task.solution()))
        [comment] = parse(text).comments
        assert not task.is_valid(task.solution(), comment)


@families
def test_misjudge_is_the_error_rate_of_verdicts_on_critiques(family: type[Task]):
    judge = model(judge_error_rate=0.2)
    wrong = []
    for task in tasks(family):
        answer = flawed(task)
        valid, invalid = task.flaws(answer)[0].comment, task.false_comment(answer, random.Random(task.id))
        for comment, truth in ((valid, "Yes"), (invalid, "No")):
            [said] = draw(judge, ask("helpfulness", task, answer=answer, critique=render([comment])))
            wrong.append(said != truth)
    assert agrees(fmean(wrong), 0.2, len(wrong))


@families
def test_botch_is_the_share_of_mends_that_fail(family: type[Task]):
    refiner = model(refine_error_rate=0.3)
    failed = []
    for task in tasks(family):
        answer = flawed(task)
        critique = render([flaw.comment for flaw in task.flaws(answer)])
        mended = draw(refiner, ask("refine", task, answer=answer, critique=critique), 4)
        failed += [not task.is_correct(text) for text in mended]
    # A flaw put into a flawed answer may by chance undo the one that is there.
    assert fmean(failed) <= 0.3 + 4 * math.sqrt(0.21 / len(failed))
    assert fmean(failed) >= 0.3 - 4 * math.sqrt(0.21 / len(failed)) - 0.03


@families
def test_direct_refinement_mends_what_is_found(family: type[Task]):
    for task in tasks(family)[:20]:
        assert task.is_correct(draw(model(), ask("refine_directly", task, answer=flawed(task)))[0])


@families
def test_a_bad_critique_is_followed_too(family: type[Task]):
    worse = []
    for task in tasks(family)[:40]:
        comment = task.false_comment(task.solution(), random.Random(task.id))
        [mended] = draw(model(), ask("refine", task, answer=task.solution(), critique=render([comment])))
        worse.append(not task.is_correct(mended))
    assert fmean(worse) >= 0.8


@families
def test_the_plain_prompts_work_as_well(family: type[Task]):
    for task in tasks(family)[:5]:
        assert draw(model(), ask("generate", task, "plain")) == [task.solution()]
        assert draw(model(), ask("classify", task, "plain", answer=flawed(task))) == ["Yes"]


def test_the_area_under_the_curve_is_the_planted_one():
    rng = random.Random(1)
    flawed_ones = [opinion_to_probability(0.8, rng.gauss()) for _ in range(2000)]
    right_ones = [opinion_to_probability(0.1, rng.gauss()) for _ in range(2000)]
    wins = fmean(one > other for one, other in zip(flawed_ones, right_ones, strict=True))
    normal = NormalDist()
    spread = math.hypot(1, 0.5)
    planted = normal.cdf((normal.inv_cdf(0.8) - normal.inv_cdf(0.1)) * spread / math.sqrt(2))
    assert agrees(wins, planted, 2000)


def test_same_seed_same_replies_and_no_seed_fresh_ones():
    messages = ask("generate", TASKS[0].generate(random.Random(1), 8))
    assert draw(model(draft_error_rate=0.9), messages, 5) == draw(model(draft_error_rate=0.9), messages, 5)
    assert len(set(draw(model(draft_error_rate=1.0), messages, 8))) > 1
    fresh = SimulatedModel(draft_error_rate=1.0)
    assert draw(fresh, messages, 5) != draw(fresh, messages, 5)


def test_a_seed_in_the_call_goes_before_the_models_own():
    messages = ask("generate", TASKS[0].generate(random.Random(1), 8))
    one, other = SimulatedModel(seed=1, draft_error_rate=1.0), SimulatedModel(seed=2, draft_error_rate=1.0)
    assert one.invoke(messages, seed=5).text == other.invoke(messages, seed=5).text


def test_an_opinion_of_a_draft_stays_the_same():
    task = TASKS[0].generate(random.Random(1), 8)
    judge = SimulatedModel()
    assert len({p_yes(judge, ask("classify", task, answer="17")) for _ in range(5)}) == 1


@families
def test_a_prefix_is_continued_with_what_it_has_not_said(family: type[Task]):
    for task in tasks(family)[:10]:
        answer = flawed(task)
        first = render([task.flaws(answer)[0].comment])
        [text] = draw(model(), [*ask("critique", task, answer=answer), AIMessage(first + "```")])
        comments = parse(first + "```" + text).comments
        assert (comments[0].quote, comments[0].text) == (parse(first).comments[0].quote, parse(first).comments[0].text)
        assert len(comments) >= 2


def test_streaming_counts_the_same_tokens():
    async def streamed() -> list[AIMessage]:
        return [chunk async for chunk in model().astream("What is 128 + 256?")]

    chunks = asyncio.run(streamed())
    whole = model().invoke("What is 128 + 256?")
    assert "".join(chunk.text for chunk in chunks) == whole.text == "384"
    assert (
        chunks[-1].usage_metadata == whole.usage_metadata == {"input_tokens": 6, "output_tokens": 1, "total_tokens": 7}
    )


@families
def test_examples_are_of_their_family(family: type[Task]):
    assert model().invoke(family.example).text == family.parse(family.example).solution()


@pytest.mark.parametrize("question", ["Why is the sky blue?", "", "What is 7 times 8?", "x" * 500_000])
def test_a_question_outside_the_families_is_a_clear_error(question: str):
    with pytest.raises(UnknownTaskError, match=r"addition .*alphabetize .*three_sat .*functions .*--model"):
        load("simulated").invoke(question)
