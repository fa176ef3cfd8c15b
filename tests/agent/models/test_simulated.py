"""Recover the simulated model's error rates from its replies, for each option and task."""

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
from selfcritic.agent.tasks import TASKS, Functions, Task
from selfcritic.prompts import PromptName
from tests.support.verdicts import probability_of_yes

SIZES = {"addition": 5, "alphabetize": 7, "three_sat": 5, "functions": 2}
all_tasks = pytest.mark.parametrize("task_type", TASKS, ids=lambda task_type: task_type.name)
NO_ERRORS = {
    "draft_error_rate": 0.0,
    "miss_rate": 0.0,
    "false_alarm_rate": 0.0,
    "judge_error_rate": 0.0,
    "refine_error_rate": 0.0,
}


def model(**rates: float) -> SimulatedModel:
    return SimulatedModel(seed=7, **(NO_ERRORS | rates))


def generate_tasks(task_type: type[Task]) -> list[Task]:
    rng = random.Random(f"rates {task_type.name}")
    count = 40 if task_type is Functions else 150  # each flawed function runs in a sandbox
    return [task_type.generate(rng, SIZES[task_type.name]) for _ in range(count)]


def prompt(
    name: PromptName, task: Task, prompt_set: str = "default", **data: str
) -> list[BaseMessage]:
    return prompts.load(prompt_set).render(name, context="", question=task.question, **data)


def flawed(task: Task) -> str:
    return task.inject_flaw(task.solution(), random.Random(task.id)).answer


def sample(model: SimulatedModel, messages: list[BaseMessage], n: int = 1) -> list[str]:
    return [
        generation.text
        for generation in model.generate([messages], n=n, logprobs=True).generations[0]
    ]


def p_yes(model: SimulatedModel, messages: list[BaseMessage]) -> float:
    probability = probability_of_yes(model.invoke(messages, logprobs=True))
    assert probability is not None
    return probability


def is_near(observed: float, rate: float, n: int) -> bool:
    """Whether an observed rate is within four standard errors of a rate, over n independent samples."""
    return abs(observed - rate) <= 4 * math.sqrt(rate * (1 - rate) / n)


@all_tasks
def test_draft_error_rate_is_the_share_of_flawed_drafts(task_type: type[Task]):
    generator = model(draft_error_rate=0.3)
    flaws = []
    for task in generate_tasks(task_type):
        for draft in sample(generator, prompt("generate", task), 4):
            flaws.append(not task.is_correct(draft))
    assert is_near(fmean(flaws), 0.3, len(flaws))


@all_tasks
def test_miss_and_false_alarm_rates_are_the_error_rates_of_verdicts(task_type: type[Task]):
    judge = model(miss_rate=0.2, false_alarm_rate=0.1)
    tasks = generate_tasks(task_type)
    flawed_prompts = [prompt("classify", task, answer=flawed(task)) for task in tasks]
    correct_prompts = [prompt("classify", task, answer=task.solution()) for task in tasks]
    # Both the logprobs (one opinion per draft) and the sampled words average to the rates.
    assert is_near(fmean(p_yes(judge, messages) for messages in flawed_prompts), 0.8, len(tasks))
    assert is_near(fmean(p_yes(judge, messages) for messages in correct_prompts), 0.1, len(tasks))
    assert is_near(
        fmean(sample(judge, messages)[0] == "Yes" for messages in flawed_prompts), 0.8, len(tasks)
    )
    assert is_near(
        fmean(sample(judge, messages)[0] == "Yes" for messages in correct_prompts), 0.1, len(tasks)
    )


@all_tasks
def test_miss_rate_is_the_share_of_flaws_omitted_from_critiques(task_type: type[Task]):
    critic = model(miss_rate=0.25)
    detected = []
    for task in generate_tasks(task_type):
        answer = flawed(task)
        gold = [flaw.comment for flaw in task.flaws(answer)]
        for text in sample(critic, prompt("critique", task, answer=answer), 4):
            reported = {(comment.quote, comment.text) for comment in ground(text, answer).comments}
            detected += [(comment.quote, comment.text) in reported for comment in gold]
    assert is_near(fmean(detected), 0.75, len(detected))


@all_tasks
def test_false_alarm_rate_is_the_share_of_critiques_with_an_invalid_comment(task_type: type[Task]):
    critic = model(false_alarm_rate=0.3)
    false_alarms = []
    for task in generate_tasks(task_type):
        answer = flawed(task)
        for text in sample(critic, prompt("critique", task, answer=answer), 4):
            critique = ground(text, answer)
            assert not critique.ungrounded
            false_alarms.append(
                not all(task.is_valid(answer, comment) for comment in critique.comments)
            )
    assert is_near(fmean(false_alarms), 0.3, len(false_alarms))


@all_tasks
def test_forced_critique_of_a_correct_answer_is_a_false_alarm(task_type: type[Task]):
    for task in generate_tasks(task_type)[:20]:
        [text] = sample(model(), prompt("critique", task, answer=task.solution()))
        [comment] = parse(text).comments
        assert not task.is_valid(task.solution(), comment)


@all_tasks
def test_judge_error_rate_is_the_error_rate_of_verdicts_on_critiques(task_type: type[Task]):
    judge = model(judge_error_rate=0.2)
    errors = []
    for task in generate_tasks(task_type):
        answer = flawed(task)
        valid = task.flaws(answer)[0].comment
        invalid = task.false_comment(answer, random.Random(task.id))
        for comment, truth in ((valid, "Yes"), (invalid, "No")):
            [verdict] = sample(
                judge, prompt("helpfulness", task, answer=answer, critique=render([comment]))
            )
            errors.append(verdict != truth)
    assert is_near(fmean(errors), 0.2, len(errors))


@all_tasks
def test_refine_error_rate_is_the_share_of_failed_refinements(task_type: type[Task]):
    refiner = model(refine_error_rate=0.3)
    failures = []
    for task in generate_tasks(task_type):
        answer = flawed(task)
        critique = render([flaw.comment for flaw in task.flaws(answer)])
        refined = sample(refiner, prompt("refine", task, answer=answer, critique=critique), 4)
        failures += [not task.is_correct(text) for text in refined]
    # A flaw injected into a flawed answer may undo the existing one.
    assert fmean(failures) <= 0.3 + 4 * math.sqrt(0.21 / len(failures))
    assert fmean(failures) >= 0.3 - 4 * math.sqrt(0.21 / len(failures)) - 0.03


@all_tasks
def test_direct_refinement_fixes_detected_flaws(task_type: type[Task]):
    for task in generate_tasks(task_type)[:20]:
        assert task.is_correct(
            sample(model(), prompt("refine_directly", task, answer=flawed(task)))[0]
        )


@all_tasks
def test_refinement_follows_a_bad_critique(task_type: type[Task]):
    failures = []
    for task in generate_tasks(task_type)[:40]:
        comment = task.false_comment(task.solution(), random.Random(task.id))
        [refined] = sample(
            model(), prompt("refine", task, answer=task.solution(), critique=render([comment]))
        )
        failures.append(not task.is_correct(refined))
    assert fmean(failures) >= 0.8


@all_tasks
def test_plain_prompts_work_too(task_type: type[Task]):
    for task in generate_tasks(task_type)[:5]:
        assert sample(model(), prompt("generate", task, "plain")) == [task.solution()]
        assert sample(model(), prompt("classify", task, "plain", answer=flawed(task))) == ["Yes"]


def test_area_under_the_roc_curve_matches_the_theory():
    rng = random.Random(1)
    flawed_scores = [opinion_to_probability(0.8, rng.gauss()) for _ in range(2000)]
    correct_scores = [opinion_to_probability(0.1, rng.gauss()) for _ in range(2000)]
    wins = fmean(f > c for f, c in zip(flawed_scores, correct_scores, strict=True))
    normal = NormalDist()
    spread = math.hypot(1, 0.5)
    expected = normal.cdf((normal.inv_cdf(0.8) - normal.inv_cdf(0.1)) * spread / math.sqrt(2))
    assert is_near(wins, expected, 2000)


def test_seed_makes_replies_reproducible():
    messages = prompt("generate", TASKS[0].generate(random.Random(1), 8))
    assert sample(model(draft_error_rate=0.9), messages, 5) == sample(
        model(draft_error_rate=0.9), messages, 5
    )
    assert len(set(sample(model(draft_error_rate=1.0), messages, 8))) > 1
    unseeded = SimulatedModel(draft_error_rate=1.0)
    assert sample(unseeded, messages, 5) != sample(unseeded, messages, 5)


def test_seed_of_the_call_overrides_the_seed_of_the_model():
    messages = prompt("generate", TASKS[0].generate(random.Random(1), 8))
    first = SimulatedModel(seed=1, draft_error_rate=1.0)
    second = SimulatedModel(seed=2, draft_error_rate=1.0)
    assert first.invoke(messages, seed=5).text == second.invoke(messages, seed=5).text


def test_opinion_of_a_draft_stays_the_same():
    task = TASKS[0].generate(random.Random(1), 8)
    judge = SimulatedModel()
    assert len({p_yes(judge, prompt("classify", task, answer="17")) for _ in range(5)}) == 1


@all_tasks
def test_continues_a_prefix_with_other_comments(task_type: type[Task]):
    for task in generate_tasks(task_type)[:10]:
        answer = flawed(task)
        first = render([task.flaws(answer)[0].comment])
        [text] = sample(
            model(), [*prompt("critique", task, answer=answer), AIMessage(first + "```")]
        )
        comments = parse(first + "```" + text).comments
        assert (comments[0].quote, comments[0].text) == (
            parse(first).comments[0].quote,
            parse(first).comments[0].text,
        )
        assert len(comments) >= 2


def test_streaming_counts_the_same_tokens():
    async def stream() -> list[AIMessage]:
        return [chunk async for chunk in model().astream("What is 128 + 256?")]

    chunks = asyncio.run(stream())
    whole = model().invoke("What is 128 + 256?")
    assert "".join(chunk.text for chunk in chunks) == whole.text == "384"
    usage = {"input_tokens": 6, "output_tokens": 1, "total_tokens": 7}
    assert chunks[-1].usage_metadata == whole.usage_metadata == usage


@all_tasks
def test_solves_the_example_of_each_task(task_type: type[Task]):
    assert model().invoke(task_type.example).text == task_type.parse(task_type.example).solution()


@pytest.mark.parametrize(
    "question", ["Why is the sky blue?", "", "What is 7 times 8?", "x" * 500_000]
)
def test_unknown_question_error_lists_the_tasks(question: str):
    with pytest.raises(
        UnknownTaskError,
        match=r"(?s)- addition: .*- alphabetize: .*- three_sat: .*- functions: .*--model",
    ):
        load("simulated").invoke(question)


def test_replies_do_not_depend_on_the_wording_of_the_prompts():
    model = SimulatedModel(seed=1)
    replies = set()
    for prompt_set in ("default", "plain", "zh"):
        messages = prompts.load(prompt_set).render("generate", question="What is 128 + 256?")
        replies.add(model.invoke(messages).text)
    assert len(replies) == 1
