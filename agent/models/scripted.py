"""The scripted model: says what it is told to say. For tests, examples and trying out a graph without a model.

    ScriptedModel(script=["a draft", 0.9, "a critique"])                one entry a reply, in the order asked
    ScriptedModel(script={"generate": ["a draft"], "classify": [0.9]})  the same, apart for each role of the loop
    ScriptedModel(script=lambda messages: "a draft")                    a function of the messages

An entry is a text; a number, which is P(Yes) of a verdict with log-probs; or an exception, which is raised. A list
that has run out raises ScriptExhausted. `requests` holds the messages of every request made.
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
Script = list[ScriptedReply] | dict[PromptName, list[ScriptedReply]] | Callable[[list[BaseMessage]], ScriptedReply]


class ScriptedModel(LocalChatModel):
    """A chat model that replies by its script."""

    script: Script
    _requests: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _told: dict[PromptName | None, int] = PrivateAttr(default_factory=dict)
    _lock: Lock = PrivateAttr(default_factory=Lock)

    @classmethod
    def from_file(cls, path: str) -> Self:
        """Read a script from a JSON file: a list of entries, or an object of such lists by role."""
        try:
            return cls(script=json.loads(Path(path).read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"The script '{path}' cannot be read: {error}") from error

    @property
    def requests(self) -> list[list[BaseMessage]]:
        """The messages of each request, in the order they came."""
        return self._requests

    def draw(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Take the next n entries."""
        with self._lock:
            self._requests.append(messages)
            entries = [self._next(messages) for _ in range(n)]
        for entry in entries:
            if isinstance(entry, BaseException):
                raise entry
        return [_reply(entry) for entry in entries if not isinstance(entry, BaseException)]

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        if callable(self.script):  # which may take its time
            return await super()._agenerate(messages, stop, run_manager, **options)
        return self._generate(messages, stop, **options)  # not in threads: entries are told in the order asked

    def _next(self, messages: list[BaseMessage]) -> ScriptedReply:
        if callable(self.script):
            return self.script(messages)
        role = parse_prompt(messages).name if isinstance(self.script, dict) else None
        entries = self.script.get(role, []) if isinstance(self.script, dict) and role else self.script
        told = self._told.get(role, 0)
        if not isinstance(entries, list) or told >= len(entries):
            raise ScriptExhausted(f"The script has no reply number {told + 1}" + (f" for '{role}'." if role else "."))
        self._told[role] = told + 1
        return entries[told]

    @property
    def _llm_type(self) -> str:
        return "scripted"


def _reply(entry: str | float) -> Reply:
    if isinstance(entry, str):
        return Reply(entry)
    return Reply("Yes" if entry > 0.5 else "No", p_yes=entry)
