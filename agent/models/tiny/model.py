"""Chat model interface of the tiny model, which runs in this process.

Prompts of any prompt set are converted to the set `tiny`, which the model was trained on. The weights in
`weights/alphabetize` ship with the package. To train other weights, run `selfcritic train tiny`.
"""

import random
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import field_validator

from selfcritic.agent.errors import UnknownTaskError
from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.agent.models.tiny.engine import (
    MAX_REPLY_TOKENS,
    VOCABULARY_FILE,
    Engine,
    check_folder,
)
from selfcritic.agent.tasks import Alphabetize, Task, ThreeSat, parse_task
from selfcritic.agent.tasks.alphabetize.task import write_questions
from selfcritic.prompts import VARIABLES, load, parse_prompt

SHIPPED = Path(__file__).parent / "weights" / "alphabetize"
"""Folder of the weights that ship with the package."""

_VERDICT_PROMPTS = ("classify", "helpfulness")
_FENCE = "```"
_MAX_NAMED_WORDS = 5
"""Unknown words that an error message quotes."""


class _TinyPrompt(NamedTuple):
    text: str
    prefix: str
    line_end: str
    """End of a fence's line, which is in the fence's token; the reply begins with it."""
    is_verdict: bool


class TinyModel(LocalChatModel):
    """A language model of a few MB, trained on generated tasks."""

    folder: Path = SHIPPED
    """Folder of an exported model."""
    temperature: float = 1.0
    seed: int | None = None
    """Makes replies repeatable; None samples new ones."""

    @field_validator("folder")
    @classmethod
    def _check_folder(cls, folder: Path) -> Path:
        check_folder(folder)
        return folder

    @cached_property
    def engine(self) -> Engine:
        """Return the model, loaded on first use."""
        return Engine(self.folder)

    def sample(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Sample `n` replies.

        A final assistant message is their prefix, which they do not repeat.
        """
        prompt = self._convert(messages)
        prompt_seed = self._seed_for(prompt.text, seed)
        prefix = prompt.prefix + prompt.line_end
        [completions] = self.engine.complete(
            [prompt.text], n, prompt_seed, self.temperature, prefix
        )
        return [
            Reply(
                prompt.line_end + completion.text,
                completion.p_yes if prompt.is_verdict else None,
                completion.is_truncated,
            )
            for completion in completions
        ]

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        seed: int | None = None,
        logprobs: bool = False,
        max_tokens: int | None = None,
        **ignored: Any,
    ) -> Iterator[ChatGenerationChunk]:
        prompt = self._convert(messages)
        needs_whole_reply = prompt.is_verdict or stop or max_tokens is not None
        if needs_whole_reply:
            yield from super()._stream(messages, stop, run_manager, seed, logprobs, max_tokens)
            return
        pieces: list[str] = []
        prompt_seed = self._seed_for(prompt.text, seed)
        prefix = prompt.prefix + prompt.line_end
        for piece in self.engine.stream(prompt.text, prompt_seed, self.temperature, prefix):
            text = piece if pieces else prompt.line_end + piece
            pieces.append(text)
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        is_truncated = len(pieces) >= MAX_REPLY_TOKENS
        reply = Reply("".join(pieces), is_truncated=is_truncated)
        yield self._last_chunk(messages, reply, logprobs)

    def _seed_for(self, prompt: str, seed: int | None) -> int | None:
        """Derive a seed from the prompt.

        With equal seeds, a refinement would repeat its draft's errors.
        """
        if seed is None:
            seed = self.seed
        if seed is None:
            return None
        return random.Random(f"{seed} {prompt}").randrange(2**31)

    def _convert(self, messages: list[BaseMessage]) -> _TinyPrompt:
        """Convert messages to a prompt of the set `tiny`.

        Raises:
            UnknownTaskError: the question is not a task that the model was trained on, or has unknown words.
        """
        parsed = parse_prompt(messages)
        prompt_name = parsed.name or "generate"
        data = parsed.data if parsed.name else {"question": _last_question(messages)}
        task = parse_task(data.get("question", ""))
        if task is None or task.name not in self.engine.tasks:
            raise UnknownTaskError(
                f"The tiny model only handles these task types: {', '.join(self.engine.tasks)}. "
                "Choose another model for other questions: --model on the command line, model= in Python."
            )
        unknown = self.unknown_words(task)
        if unknown:
            raise UnknownTaskError(self._unknown_words_message(unknown))
        data = {**data, "question": _in_trained_wording(task)}
        variables = {name: data.get(name, "") for name in VARIABLES[prompt_name]}
        if "context" in variables:
            variables["context"] = ""
        text = load("tiny").render(prompt_name, "question", **variables)[-1].text
        line_end = "\n" if parsed.prefix.endswith(_FENCE) else ""
        return _TinyPrompt(text, parsed.prefix, line_end, prompt_name in _VERDICT_PROMPTS)

    def unknown_words(self, task: Task) -> list[str]:
        """List the words of a task that are not in the vocabulary."""
        unknown = []
        for word in dict.fromkeys(_names_in(task)):
            if not self.engine.tokenizer.is_known(word):
                unknown.append(word)
        return unknown

    def _unknown_words_message(self, unknown: list[str]) -> str:
        quoted = ", ".join(f"'{word}'" for word in unknown[:_MAX_NAMED_WORDS])
        num_more = len(unknown) - _MAX_NAMED_WORDS
        if num_more > 0:
            quoted += f" and {num_more} more"
        tokenizer = self.engine.tokenizer
        lower_case = [word.lower() for word in unknown]
        hint = "Use only words of"
        if all(map(tokenizer.is_known, lower_case)):
            hint = f"It reads only lower case: write '{lower_case[0]}'. It knows the words of"
        return (
            f"The tiny model does not know {quoted}. {hint} '{self.folder / VOCABULARY_FILE}', or choose another "
            "model: --model on the command line, model= in Python."
        )

    @property
    def _llm_type(self) -> str:
        return "tiny"


def _in_trained_wording(task: Task) -> str:
    """Return the task's question as the model has learned to read it."""
    if not isinstance(task, Alphabetize):
        return task.question
    wordings = write_questions(task.words)
    if task.question in wordings:
        return task.question
    return wordings[0]


def _names_in(task: Task) -> tuple[str, ...]:
    """Return the words of a task that an answer must contain."""
    if isinstance(task, Alphabetize):
        return task.words
    if isinstance(task, ThreeSat):
        return (*task.people, *task.things)
    return ()


def _last_question(messages: list[BaseMessage]) -> str:
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return message.text
    return ""
