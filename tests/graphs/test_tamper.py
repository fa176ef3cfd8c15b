"""The tampering graph: candidates, tests, critic, models and output."""

from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import BudgetExhausted, InputError, ModelError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Budget, Comment
from selfcritic.graphs.tamper import create_tamper
from selfcritic.graphs.tamper_nodes import TamperOptions
from selfcritic.graphs.tamper_state import TamperInput

ANSWER = """\
def clip(x, low, high):
    if x < low:
        return low
    if x > high:
        return high
    return x
"""
TESTS = """
assert clip(5, 1, 3) == 3
assert clip(0, 1, 3) == 1
assert clip(2, 1, 3) == 2
"""
REWRITTEN = ANSWER.replace("return low\n", "return min(x, high)\n")


def record(**fields: Any) -> dict[str, Any]:
    values = {
        "id": "clip",
        "task": "clip",
        "question": "Clip x.",
        "answer": ANSWER,
        "language": "python",
        "metadata": {"tests": TESTS},
    }
    return AnswerRecord.model_validate({**values, **fields}).model_dump(mode="json")


async def tamper(
    state: TamperInput, tampering: TamperOptions | None = None, **options: Any
) -> dict[str, Any]:
    graph = create_tamper(tampering, **options).compile(name="tamper")
    return await graph.ainvoke(state, config={"recursion_limit": 200})


async def test_inserts_silent_flaws_on_different_lines():
    output = await tamper({"record": record(), "num_bugs": 2, "id": "clip#1", "split": "dev"})
    built = AnswerRecord.model_validate(output["result"])
    assert (built.id, built.split, built.origin) == ("clip#1", "dev", "inserted")
    assert built.bugs is not None
    assert len({built.answer.count("\n", 0, bug.start) for bug in built.bugs}) == 2
    for bug in built.bugs:
        assert built.answer[bug.start : bug.end] == bug.quote
        assert "Because of this line alone, clip(" in bug.description
    assert output["counts"]["silent"] >= 2
    assert {flaw["outcome"] for flaw in built.metadata["flaws"]} == {"silent"}


def test_runs_without_an_event_loop_and_leaves_clean_answers_as_they_are():
    graph = create_tamper().compile(name="tamper")
    output = graph.invoke({"record": record(), "num_bugs": 0})
    assert output["result"]["answer"] == ANSWER
    assert output["result"]["origin"] == "clean"


async def test_reports_when_no_candidate_is_silent():
    answer = "def name(x):\n    return x.name\n"
    tests = "import types\nassert name(types.SimpleNamespace(name=1)) == 1\n"
    output = await tamper({"record": record(answer=answer, metadata={"tests": tests})})
    assert output["result"] is None
    assert output["counts"] == {}


async def test_keeps_crashing_flaws_apart():
    answer = "def second(xs):\n    return xs[1]\n"
    tests = "assert second([1, 2]) == 2\n"
    output = await tamper({"record": record(answer=answer, metadata={"tests": tests})})
    assert output["counts"] == {"silent": 1, "crashed": 1} or output["counts"] == {"silent": 1}
    crashing = [data["answer"] for data in output["rejected"]]
    assert crashing == (["def second(xs):\n    return xs[2]\n"] if crashing else [])


@pytest.mark.parametrize(
    ("state", "message"),
    [({}, "`record` is required"), ({"record": {"id": "x"}}, "not an answer record: task: Field")],
)
async def test_raises_for_a_missing_or_invalid_record(state: TamperInput, message: str):
    with pytest.raises(InputError, match=message):
        await tamper(state)


async def test_raises_for_an_answer_that_fails_its_tests():
    with pytest.raises(InputError, match="The answer is not correct: the test `assert clip"):
        await tamper({"record": record(answer=ANSWER.replace("<", ">"))})


class Critic:
    """Writes critiques of the lines of the answer that it knows; counts its requests."""

    def __init__(self, known: list[str]) -> None:
        self._known = known
        self.requests = 0

    def __call__(self, messages: list[BaseMessage]) -> str:
        self.requests += 1
        text = str(messages[-1].content)
        quotes = [quote for quote in self._known if quote in text] or ["def clip"]
        return render([Comment(quote=quote, text="Wrong.") for quote in quotes])


async def test_keeps_flaws_that_a_sample_misses():
    model = ScriptedModel(script=Critic([]))
    output = await tamper({"record": record()}, critic=model)
    built = AnswerRecord.model_validate(output["result"])
    assert built.metadata["flaws"][0]["misses"] == 3
    assert [critique.critic for critique in built.critiques] == ["ScriptedModel"] * 3
    assert len({critique.id for critique in built.critiques}) == 3


async def test_tries_other_flaws_if_all_samples_find_one():
    easy = ["if x <= low:", "if not x < low:", "if x > low:", "if x >= low:", "if x == low:"]
    model = ScriptedModel(script=Critic([*easy, "if x != low:"]))
    output = await tamper({"record": record()}, critic=model)
    [bug] = output["result"]["bugs"]
    assert "high" in bug["quote"]
    assert output["result"]["metadata"]["flaws"][0]["misses"] == 3


async def test_records_an_easy_flaw_if_there_is_no_other():
    model = ScriptedModel(script=Critic(["low:", "high:", "not x"]))
    output = await tamper({"record": record()}, TamperOptions(max_candidates=3), critic=model)
    assert output["result"]["metadata"]["flaws"][0]["misses"] == 0
    assert output["counts"]["caught"] >= 1
    assert len(output["result"]["critiques"]) == 3


async def test_lets_a_model_insert_and_describe():
    replies = [
        "No.",
        f"```python\n{REWRITTEN}```\nBug: Values below the range are not raised.",
        "It returns x for values below the range.",
    ]
    model = ScriptedModel(script=replies)
    output = await tamper(
        {"record": record()}, TamperOptions(insert="model", describe="model"), model=model
    )
    [bug] = output["result"]["bugs"]
    assert bug["quote"] == "return min(x, high)"
    assert bug["description"] == "It returns x for values below the range."
    [origin] = output["result"]["metadata"]["flaws"]
    assert (origin["source"], origin["describer"]) == ("model:ScriptedModel", "model:ScriptedModel")
    assert output["counts"] == {"unusable": 1, "silent": 1}


async def test_a_model_describes_its_own_bug():
    reply = f"```python\n{REWRITTEN}```\nBug: Values below the range are not raised."
    output = await tamper(
        {"record": record()}, TamperOptions(insert="model"), model=ScriptedModel(script=[reply])
    )
    [bug] = output["result"]["bugs"]
    assert bug["description"].startswith("Values below the range are not raised. Because of")


async def test_errors_of_models_end_the_run():
    failing = ScriptedModel(script=[ModelError("The server is down.")] * 9)
    with pytest.raises(ModelError, match="server is down"):
        await tamper({"record": record()}, TamperOptions(insert="model"), model=failing)
    critic = ScriptedModel(script=Critic([]))
    with pytest.raises(BudgetExhausted):
        await tamper({"record": record(), "num_bugs": 2}, critic=critic, budget=Budget(calls=1))
    assert critic.script.requests == 3
