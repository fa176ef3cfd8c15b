"""Reply from a script, for tests and examples.

    ScriptedModel(script=["a draft", 0.9, "a critique"])                one entry per reply, in order
    ScriptedModel(script={"generate": ["a draft"], "classify": [0.9]})  the same, for each prompt name
    ScriptedModel(script=lambda messages: "a draft")                    a function of the messages

An entry is a text, a number (P(Yes) of a verdict with logprobs), or an exception to raise. An exhausted list
raises ScriptExhausted. `requests` holds the messages of all requests.
"""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr

from selfcritic.agent.errors import InputError, ScriptExhausted
from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.prompts import PromptName, parse_prompt

ScriptedReply = str | float | BaseException
Script = (
    list[ScriptedReply]
    | dict[PromptName, list[ScriptedReply]]
    | Callable[[list[BaseMessage]], ScriptedReply]
)


class ScriptedModel(LocalChatModel):
    """A chat model that replies from its script."""

    script: Script
    _requests: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _positions: dict[PromptName | None, int] = PrivateAttr(default_factory=dict)
    _lock: Lock = PrivateAttr(default_factory=Lock)

    @classmethod
    def from_file(cls, path: str) -> Self:
        """Load a script from a JSON file.

        The file has a list of entries, or an object with a list for each prompt name.

        Raises:
            InputError: The file is missing or is not a script.
        """
        try:
            script = json.loads(Path(path).read_text("utf-8"))
            return cls(script=script)
        except (OSError, ValueError) as error:
            raise InputError(f"The script '{path}' cannot be read: {error}") from error

    @property
    def requests(self) -> list[list[BaseMessage]]:
        """The messages of each request, in order of arrival."""
        return self._requests

    def sample(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Take the next n entries; raise the first exception among them."""
        with self._lock:
            self._requests.append(messages)
            entries = [self._next_entry(messages) for _ in range(n)]
        replies = []
        for entry in entries:
            if isinstance(entry, BaseException):
                raise entry
            replies.append(_to_reply(entry))
        return replies

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        if callable(self.script):  # may block: runs in a thread
            return await super()._agenerate(messages, stop, run_manager, **options)
        # Threads would not keep the order of concurrent requests.
        return self._generate(messages, stop, **options)

    def _next_entry(self, messages: list[BaseMessage]) -> ScriptedReply:
        if callable(self.script):
            return self.script(messages)
        if isinstance(self.script, list):
            return self._take(None, self.script)
        role = parse_prompt(messages).name
        if role is None:
            raise ScriptExhausted(
                "The script has no entries for this prompt: its last line is no known cue."
            )
        return self._take(role, self.script.get(role, []))

    def _take(self, role: PromptName | None, entries: list[ScriptedReply]) -> ScriptedReply:
        position = self._positions.get(role, 0)
        if position >= len(entries):
            prompt_name = f" for '{role}'" if role else ""
            raise ScriptExhausted(
                f"The script has no reply number {position + 1}{prompt_name}: add it to `script`."
            )
        self._positions[role] = position + 1
        return entries[position]

    @property
    def _llm_type(self) -> str:
        return "scripted"


def _to_reply(entry: str | float) -> Reply:
    if isinstance(entry, str):
        return Reply(entry)
    if entry > 0.5:
        return Reply("Yes", p_yes=entry)
    return Reply("No", p_yes=entry)
