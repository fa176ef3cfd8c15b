"""Run the loop against a fake provider, with one model per role."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, get_args

from langchain_core.messages import HumanMessage

from selfcritic.agent import load
from selfcritic.agent.context import Role
from selfcritic.agent.errors import BudgetExhausted, ModelError
from selfcritic.agent.schemas import Retries
from selfcritic.graphs import create_self_critique
from selfcritic.prompts import PromptName, parse_prompt
from tests.support import event_loop
from tests.support.completions import Body
from tests.support.fake_provider import FakeProvider, Received

ROLES: tuple[Role, ...] = get_args(Role)
KEY = "sk-very-secret-0123456789"
QUICK = Retries(first_wait=0.001, max_wait=0.02, startup_seconds=0)
ENDLESS = {"max_rounds": 100, "patience": 100}


def prompt_name(messages: list[Body]) -> PromptName | None:
    """Identify the prompt that a request sends."""
    return parse_prompt([HumanMessage(str(messages[-1]["content"]))]).name


def reply(messages: list[Body], index: int) -> str | float:
    """Return distinct drafts and critiques, and verdicts that continue the loop."""
    match prompt_name(messages):
        case "classify":
            return 0.9
        case "helpfulness":
            return 0.8
        case "critique":
            return f"```\nLyon\n```\nRemark {index}."
    return f"Lyon {index}"


def models(provider: FakeProvider, **fields: Any) -> dict[str, Any]:
    """Return a model for each role, named after it."""
    return {
        role: load(f"openai/{role}", api_base=provider.url, api_key=KEY, **fields) for role in ROLES
    }


def run(provider: FakeProvider, context: str = "", **options: Any) -> dict[str, Any]:
    """Run the loop once and return its output."""
    options = {**models(provider), "retries": QUICK, "num_critiques": 2, **options}
    graph = create_self_critique(**options).compile()
    return event_loop.run(graph.ainvoke({"question": "Which city?", "context": context}))


def run_all(
    provider: FakeProvider, contexts: Sequence[dict[str, Any]], **options: Any
) -> list[Any]:
    """Run the loop concurrently, once per context; run i asks `question(i)`.

    Returns each run's output, or the error that it raised.
    """
    options = {**models(provider), "retries": QUICK, **options}
    graph = create_self_critique(**options).compile()

    async def run_one(index: int, context: dict[str, Any]) -> Any:
        try:
            return await graph.ainvoke({"question": question(index)}, context=context)
        except (BudgetExhausted, ModelError) as error:
            return error

    async def gather_runs() -> list[Any]:
        return await asyncio.gather(
            *(run_one(index, context) for index, context in enumerate(contexts))
        )

    return event_loop.run(gather_runs())


def question(index: int) -> str:
    """Return the question of run `index` in `run_all`."""
    return f"Question number {index}, which city?"


def sent_by(role: Role) -> Callable[[Received], bool]:
    """Select the requests of a role."""
    return lambda received: received.body["model"] == role


def about(text: str) -> Callable[[Received], bool]:
    """Select the requests of the run with this question."""
    return lambda received: text in str(received.body["messages"][-1]["content"])


def with_parameter(name: str, role: Role) -> Callable[[Received], bool]:
    """Select the requests of a role that carry a parameter."""
    is_from_role = sent_by(role)
    return lambda received: is_from_role(received) and received.body.get(name) is not None


def assert_usage_matches(
    usage: Any, provider: FakeProvider, where: Any = lambda received: True
) -> None:
    """Assert that calls and tokens per role match the server's counts."""
    for role in ROLES:

        def is_mine(received: Received, role: Role = role) -> bool:
            return sent_by(role)(received) and where(received)

        counted = usage.by_role.get(role)
        served = provider.usage(is_mine)
        if counted is None:
            assert provider.calls(is_mine) == 0
            continue
        assert counted.calls == provider.calls(is_mine), role
        assert counted.input_tokens == served.input, role
        assert counted.output_tokens == served.output, role
        assert counted.cached_tokens == served.cached, role
    assert usage.calls == provider.calls(where)
    assert usage.input_tokens == provider.usage(where).input
