"""Critiques are scored as they arrive, with the results of scoring them all at the end."""

import asyncio
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_review, create_self_critique
from selfcritic.prompts import parse_prompt

REVIEW = {"question": "Which city?", "answer": "Lyon"}


class GatedModel(BaseChatModel):
    """Replies once to each request; the last critique can wait for the first verdict on another."""

    waits: bool = True
    _critiques: int = PrivateAttr(default=0)
    _judged: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    names: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "gated"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, **options: Any) -> Any:
        raise NotImplementedError

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **options: Any,
    ) -> ChatResult:
        name = str(parse_prompt([messages[-1]]).name)
        self.names.append(name)
        text = "Yes"
        if name == "critique":
            index = self._critiques
            self._critiques += 1
            if index == 2 and self.waits:
                await asyncio.wait_for(self._judged.wait(), timeout=60)
            text = f"```\nLyon\n```\nRemark {index}."
        if name == "helpfulness":
            self._judged.set()
            text = "No" if "Remark 1" in str(messages) else "Yes"
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        message = AIMessage(text, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])


def review(model: GatedModel, **options: Any) -> Any:
    graph = create_review(model=model, num_critiques=3, num_votes=1, **options).compile()
    return asyncio.run(graph.ainvoke(REVIEW))


def test_scores_a_critique_before_the_last_one_arrives():
    model = GatedModel()
    output = review(model)
    assert [critique["helpfulness"] for critique in dump(output)] == [1.0, 0.0, 1.0]
    assert model.names.count("helpfulness") == 3


def test_results_and_events_are_those_of_scoring_at_the_end():
    early, late = GatedModel(waits=False), GatedModel(waits=False)
    limited = review(late, budget=Budget(calls=100))
    assert dump(review(early)) == dump(limited)
    assert sorted(early.names) == sorted(late.names)
    assert late.names == ["critique"] * 3 + ["helpfulness"] * 3


def dump(output: Any) -> list[dict[str, Any]]:
    [draft] = output["rounds"]
    return [critique.model_dump() for critique in draft.critiques]


async def collect_events(model: GatedModel, **options: Any) -> list[str]:
    graph = create_review(model=model, num_critiques=3, num_votes=1, **options).compile()
    events = []
    async for event in graph.astream(REVIEW, stream_mode="custom"):
        events.append(f"{event['event']} {event.get('index', '')}".strip())
    return events


def test_events_keep_their_order():
    early = asyncio.run(collect_events(GatedModel()))
    late = asyncio.run(collect_events(GatedModel(waits=False), budget=Budget(calls=100)))
    assert early == late
    assert early.index("critique 2") < early.index("scored 0")


@pytest.mark.parametrize("create", [create_review, create_self_critique])
def test_an_own_select_node_gets_no_scores(create: Any):
    def select(state: Any, runtime: Any) -> Any:
        return {"stop_reason": "no_helpful_critique"}

    model = GatedModel(waits=False)
    run_input = REVIEW if create is create_review else {"question": "Which city?"}
    graph = create(model=model, num_critiques=3, num_votes=1, nodes={"select": select}).compile()
    asyncio.run(graph.ainvoke(run_input))
    assert "helpfulness" not in model.names
    assert model.names.count("critique") == 3


def test_a_failed_early_verdict_is_not_asked_again():
    class Failing(GatedModel):
        async def _agenerate(self, messages: list[BaseMessage], **options: Any) -> ChatResult:
            result = await super()._agenerate(messages, **options)
            if self.names.count("helpfulness") == 1 and self.names[-1] == "helpfulness":
                raise ValueError("once")
            return result

    model = Failing(waits=False)
    output = review(model)
    assert [critique["helpfulness"] for critique in dump(output)] == [None, 0.0, 1.0]
    assert model.names.count("helpfulness") == 3
    assert output["error"] == "once."


@pytest.mark.parametrize("scorer", ["evidence", "helpfulness"])
def test_the_judge_is_asked_early_only_for_helpfulness(scorer: Any):
    model = GatedModel(waits=False)
    review(model, scorer=scorer)
    assert model.names.count("helpfulness") == (3 if scorer == "helpfulness" else 0)
