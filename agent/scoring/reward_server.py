"""Score critiques with a reward model that vLLM serves at /score or /classify.

`/score` receives pairs of texts: the question with the answer, and a critique. `/classify` receives one text for each
critique, with all of these. One request scores all critiques of a call. SELFCRITIC_REWARD_KEY holds the server's API
key, if it needs one. httpx is imported at the first request.
"""

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from selfcritic.agent.errors import InputError, ModelError
from selfcritic.agent.models.error_kinds import classify_error
from selfcritic.agent.models.errors import describe_error
from selfcritic.agent.redaction import redact
from selfcritic.agent.sampling.retry import call_with_retries
from selfcritic.agent.schemas import Critique, Retries
from selfcritic.agent.scoring.reward_input import answer_input, critique_input

_TIMEOUT = 60.0  # seconds
_KEY_VARIABLE = "SELFCRITIC_REWARD_KEY"


class RewardServer:
    """A scorer at a URL such as "http://127.0.0.1:8000/score?model=NAME"."""

    def __init__(
        self,
        address: str,
        retries: Retries | None = None,
        before_request: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        parts = urlsplit(address)
        self.endpoint = parts.path.rstrip("/").rpartition("/")[2]
        if parts.scheme not in ("http", "https") or self.endpoint not in ("score", "classify"):
            raise InputError(
                f"A scorer at an address must be reward-server:http://HOST:PORT/score or …/classify, not '{address}'."
            )
        self.url = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        self.options = dict(parse_qsl(parts.query))
        """Fields of every request, such as `model`."""
        self.retries = retries or Retries()
        self.before_request = before_request
        """Called before each request; an exception prevents the request."""

    async def __call__(
        self, question: str, draft: str, critiques: Sequence[Critique]
    ) -> list[float]:
        """Score critiques in one request; raises ModelError if it fails."""
        answer = answer_input(question, draft)
        texts = [critique_input(critique) for critique in critiques]
        payload: dict[str, Any] = dict(self.options)
        if self.endpoint == "score":
            payload["text_1"] = answer
            payload["text_2"] = texts
        else:
            payload["input"] = [f"{answer}\n\n{text}" for text in texts]
        reply = await self._post(payload)
        return self._parse_scores(reply, len(texts))

    async def _post(self, payload: dict[str, Any]) -> Any:
        httpx = await asyncio.to_thread(importlib.import_module, "httpx")
        key = os.environ.get(_KEY_VARIABLE, "")
        headers = {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            # Loads CA certificates: blocking.
            new_client = await asyncio.to_thread(
                httpx.AsyncClient, timeout=_TIMEOUT, headers=headers
            )
            async with new_client as client:

                async def send() -> Any:
                    if self.before_request is not None:
                        await self.before_request()
                    response = await client.post(self.url, json=payload)
                    response.raise_for_status()
                    return response.json()

                return await call_with_retries(send, self.retries)
        except (httpx.HTTPError, ValueError) as error:
            reason = redact(describe_error(error), key)
            is_rejection = classify_error(error) == "rejected"
            raise ModelError(
                f"The scorer at {self.url} failed: {reason}", is_rejection=is_rejection
            ) from None

    def _parse_scores(self, reply: Any, expected: int) -> list[float]:
        try:
            rows = sorted(reply["data"], key=lambda row: row["index"])
            if self.endpoint == "score":
                scores = [float(row["score"]) for row in rows]
            else:
                scores = [float(row["probs"][-1]) for row in rows]
        except (KeyError, IndexError, TypeError, ValueError):
            excerpt = str(reply)[:200]
            raise ModelError(
                f"{self.url} sent no valid /{self.endpoint} reply: {excerpt}"
            ) from None
        if len(scores) != expected:
            raise ModelError(f"{self.url} sent {len(scores)} scores for {expected} critiques.")
        return scores
