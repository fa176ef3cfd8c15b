"""A reward model behind an address that ends in /score or /classify, as vLLM serves it.

`/score` is given the question with the answer, and the critiques, as a pair of texts each; `/classify` all of it as one
text a critique. One request scores all critiques of a call. The key, where the server asks for one, is taken from
SELFCRITIC_REWARD_KEY. httpx is imported at the first request.
"""

import asyncio
import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from selfcritic.agent.errors import InputError, ModelError
from selfcritic.agent.models.errors import classify_error, describe_error, redact
from selfcritic.agent.sampling.retry import attempts
from selfcritic.agent.schemas import Critique, Retries
from selfcritic.agent.scoring.reward_input import answer_input, critique_input

_TIMEOUT = 60.0  # seconds
_KEY = "SELFCRITIC_REWARD_KEY"


class RewardServer:
    """Scores by a request to a server: "http://127.0.0.1:8000/score?model=NAME"."""

    def __init__(self, address: str, retries: Retries | None = None, before: Callable[[], None] = lambda: None) -> None:
        parts = urlsplit(address)
        self.way = parts.path.rstrip("/").rpartition("/")[2]
        if parts.scheme not in ("http", "https") or self.way not in ("score", "classify"):
            raise InputError(
                f"A served scorer is named reward-server:http://HOST:PORT/score or …/classify, not '{address}'."
            )
        self.url = urlunsplit((*parts[:3], "", ""))
        self.options = dict(parse_qsl(parts.query))
        """What goes into every request, such as the model's name."""
        self.retries = retries or Retries()
        self.before = before
        """Called before each request; may raise to keep it from being sent."""

    async def __call__(self, question: str, draft: str, critiques: Sequence[Critique]) -> list[float]:
        """The server's scores; raises ModelError where they cannot be had."""
        asked, texts = answer_input(question, draft), [critique_input(critique) for critique in critiques]
        payload = (
            {"text_1": asked, "text_2": texts}
            if self.way == "score"
            else {"input": [f"{asked}\n\n{text}" for text in texts]}
        )
        return self._read(await self._post({**self.options, **payload}), len(texts))

    async def _post(self, payload: dict[str, Any]) -> Any:
        httpx = await asyncio.to_thread(importlib.import_module, "httpx")
        key = os.environ.get(_KEY)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            # It reads certificates, which must not hold up the loop.
            async with await asyncio.to_thread(httpx.AsyncClient, timeout=_TIMEOUT, headers=headers) as client:
                async for attempt in attempts(self.retries):
                    with attempt:
                        self.before()
                        response = await client.post(self.url, json=payload)
                        response.raise_for_status()
                        return response.json()
        except (httpx.HTTPError, ValueError) as error:
            text, is_rejection = redact(describe_error(error), key or ""), classify_error(error) == "rejected"
            raise ModelError(f"The scorer at {self.url} failed: {text}", is_rejection=is_rejection) from None
        raise AssertionError("attempts end with a reply or an error")

    def _read(self, reply: Any, expected: int) -> list[float]:
        try:
            rows = sorted(reply["data"], key=lambda row: row["index"])
            scores = [float(row["score"] if self.way == "score" else row["probs"][-1]) for row in rows]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ModelError(f"The reply of {self.url} is not one of /{self.way}: {str(reply)[:200]}") from None
        if len(scores) != expected:
            raise ModelError(f"{self.url} was asked for {expected} scores and sent {len(scores)}.")
        return scores
