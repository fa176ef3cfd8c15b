"""Show how long a step takes, and how many of its replies have arrived."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from rich.text import Text

HINT_SECONDS = 30.0
"""Seconds of a step after which the hint is printed."""
_HINT = (
    "The model is slow: no step ended in {seconds:.0f} s. --num-critiques 2 --max-rounds 1 sends fewer "
    "requests; ?timeout=300 after the model's name waits longer for each; Ctrl-C stops."
)


class RequestProgress(AsyncCallbackHandler):
    """Counts the replies of a step. Rich shows it as the text of a spinner."""

    def __init__(self, show_hint: Callable[[str], None]) -> None:
        self._show_hint = show_hint
        self._has_hint = False
        self._timer: asyncio.TimerHandle | None = None
        self.start_step("drafting")

    def start_step(self, text: str) -> None:
        """Count from zero; `text` names the step."""
        self.stop()
        self._text = text
        self._started = time.monotonic()
        self._pending: set[UUID] = set()
        self._num_replies = 0

    def stop(self) -> None:
        """Cancel the hint."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __rich__(self) -> Text:
        """Render the step: its replies, if there are several, and its seconds."""
        total = self._num_replies + len(self._pending)
        details = []
        if total > 1:
            details.append(f"{self._num_replies} of {total} replies")
        seconds = int(time.monotonic() - self._started)
        if seconds:
            details.append(f"{seconds} s")
        if not details:
            return Text(f"{self._text} …")
        return Text(f"{self._text}: {', '.join(details)}")

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **options: Any,
    ) -> None:
        """Count a request; schedule the hint at the first one of a step."""
        del serialized, messages, options
        self._pending.add(run_id)
        if self._timer is None and not self._has_hint:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(HINT_SECONDS, self._hint)

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **options: Any) -> None:
        """Count a reply."""
        del response, options
        if run_id in self._pending:
            self._pending.remove(run_id)
            self._num_replies += 1

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **options: Any) -> None:
        """Forget a request that failed; a retry counts as a new one."""
        del error, options
        self._pending.discard(run_id)

    def _hint(self) -> None:
        self._has_hint = True
        self._show_hint(_HINT.format(seconds=HINT_SECONDS))
