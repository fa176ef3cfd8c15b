"""Saved replies: found again for the same request, and only for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.messages import HumanMessage

from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.schemas import Budget


class NamedModel(LocalChatModel):
    """Replies with its name."""

    model: str

    @property
    def _llm_type(self) -> str:
        return "named"

    def sample(self, messages: Any, n: int, seed: int | None) -> list[Reply]:
        return [Reply(self.model)] * n


def ask(name: str, saved: dict[str, dict[str, Any]], role: str = "critic", **params: Any) -> str:
    async def checkpoint(
        key: str, request: Callable[[], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        if key not in saved:
            saved[key] = await request()
        return saved[key]

    pipeline = RequestPipeline(
        [NamedModel(model=name)], role, BudgetTracker(Budget()), checkpoint=checkpoint, **params
    )
    [reply] = asyncio.run(pipeline.send([HumanMessage("Which city?")]))
    return str(reply.text)


def test_a_saved_reply_is_used_again():
    saved: dict[str, dict[str, Any]] = {}
    assert ask("small", saved) == "small"
    [result] = saved.values()
    result["replies"][0].content = "saved"
    assert ask("small", saved) == "saved"


def test_a_saved_reply_is_not_used_for_another_request():
    saved: dict[str, dict[str, Any]] = {}
    ask("small", saved)
    assert ask("large", saved) == "large"
    ask("small", saved, role="judge")
    ask("small", saved, temperature=1.0)
    assert len(saved) == 4
