"""The loop against a fake provider: a model for each part, told apart by its name, and what the server saw of it."""

import asyncio
from collections.abc import Sequence
from typing import Any, get_args

from selfcritic.agent import load
from selfcritic.agent.context import Role
from selfcritic.agent.errors import BudgetExhausted, ModelError
from selfcritic.agent.schemas import Retries
from selfcritic.graphs import create_self_critique
from tests.support import event_loop
from tests.support.fake_provider import Body, FakeProvider, Received

PARTS: tuple[Role, ...] = get_args(Role)
KEY = "sk-very-secret-0123456789"
QUICK = Retries(first_wait=0.001, max_wait=0.02)
ENDLESS = {"max_rounds": 100, "patience": 100}


def says(messages: list[Body], index: int) -> str | float:
    """A reply for each role: drafts that differ, verdicts that ask for more, critiques that differ."""
    cue = str(messages[-1]["content"]).rstrip().rsplit("\n", 1)[-1]
    match cue:
        case "Critiqueable:":
            return 0.9
        case "Helpful:":
            return 0.8
        case "Critique:":
            return f"```\nLyon\n```\nRemark {index}."
    return f"Lyon {index}"


def models(provider: FakeProvider, **fields: Any) -> dict[Role, Any]:
    """A model for each part, named after it."""
    return {part: load(f"openai/{part}", api_base=provider.url, api_key=KEY, **fields) for part in PARTS}


def run(provider: FakeProvider, context: str = "", **options: Any) -> dict[str, Any]:
    """What a run comes to."""
    graph = create_self_critique(**{**models(provider), "retries": QUICK, "num_critiques": 2, **options}).compile()
    return event_loop.run(graph.ainvoke({"question": "Which city?", "context": context}))


def run_all(provider: FakeProvider, each: Sequence[dict[str, Any]], **options: Any) -> list[Any]:
    """What each run comes to, all at once; an error that a run may raise stands for it. Run i asks question i."""
    graph = create_self_critique(**{**models(provider), "retries": QUICK, **options}).compile()

    async def one(index: int, more: dict[str, Any]) -> Any:
        try:
            return await graph.ainvoke({"question": asked(index)}, context=more)
        except (BudgetExhausted, ModelError) as error:
            return error

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(one(index, more) for index, more in enumerate(each)))

    return event_loop.run(all_of_them())


def asked(index: int) -> str:
    """The question of a run among many."""
    return f"Question number {index}, which city?"


def of(part: Role) -> Any:
    """Whether a request was a part's."""
    return lambda received: received.body["model"] == part


def about(question: str) -> Any:
    """Whether a request was of the run with that question."""
    return lambda received: question in str(received.body["messages"][-1]["content"])


def with_parameter(name: str, part: Role) -> Any:
    """Whether a request of a part carried a parameter."""
    return lambda received: of(part)(received) and received.body.get(name) is not None


def assert_usage_is_the_servers(usage: Any, provider: FakeProvider, where: Any = lambda received: True) -> None:
    """Calls and tokens, by part, are what the server counted."""
    for part in PARTS:

        def mine(received: Received, part: Role = part) -> bool:
            return of(part)(received) and where(received)

        ours, theirs = usage.by_role.get(part), provider.usage(mine)
        if ours is None:
            assert provider.calls(mine) == 0
            continue
        assert (ours.calls, ours.input_tokens, ours.output_tokens, ours.cached_tokens) == (
            provider.calls(mine),
            theirs.input,
            theirs.output,
            theirs.cached,
        ), part
    assert usage.calls == provider.calls(where)
    assert usage.input_tokens == provider.usage(where).input
