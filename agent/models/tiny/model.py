"""The tiny model: a small decoder trained by this repository, in this process, behind the chat model interface.

It reads the role and the data of any prompt set, and says them to the decoder in the words of the set `tiny`, by
which it was trained. The weights that ship lie in `weights/alphabetize`, beside their card; `selfcritic train tiny`
makes others.
"""

import random
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk

from selfcritic.agent.errors import UnknownTaskError
from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.agent.models.tiny.engine import Completion, Engine
from selfcritic.agent.tasks import parse_task
from selfcritic.prompts import VARIABLES, load, parse_prompt

SHIPPED = Path(__file__).parent / "weights" / "alphabetize"
"""The weights that come with the package."""

_VERDICTS = ("classify", "helpfulness")


class TinyModel(LocalChatModel):
    """A language model of a few MB. `seed` makes its replies repeat; None draws fresh ones."""

    folder: Path = SHIPPED
    """Where the exported model lies."""
    temperature: float = 1.0
    seed: int | None = None

    @cached_property
    def engine(self) -> Engine:
        """The weights, read when they are first needed."""
        return Engine(self.folder)

    def draw(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Draw n replies; a last assistant message is the beginning of each and is not said again."""
        prompt, prefix, is_verdict = self._prompt(messages)
        [replies] = self.engine.complete([prompt], n, self._seed_of(seed, prompt), self.temperature, prefix)
        return [_reply(one, is_verdict) for one in replies]

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        seed: int | None = None,
        logprobs: bool = False,
        **ignored: Any,
    ) -> Iterator[ChatGenerationChunk]:
        prompt, prefix, is_verdict = self._prompt(messages)
        if is_verdict or stop:  # a verdict's log-probs, and where a stop sequence begins, are known at the end only
            yield from super()._stream(messages, stop, run_manager, seed, logprobs)
            return
        said = ""
        for piece in self.engine.stream(prompt, self._seed_of(seed, prompt), self.temperature, prefix):
            said += piece
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield self._last_chunk(messages, Reply(said), logprobs)

    def _seed_of(self, seed: int | None, prompt: str) -> int | None:
        """A seed of each prompt's own: drawn by the same numbers, a refinement would slip where its draft did."""
        seed = self.seed if seed is None else seed
        return None if seed is None else random.Random(f"{seed} {prompt}").randrange(2**31)

    def _prompt(self, messages: list[BaseMessage]) -> tuple[str, str, bool]:
        """The prompt in plain words, what the reply begins with, and whether it is a verdict."""
        reading = parse_prompt(messages)
        role = reading.role or "generate"
        data = reading.data if reading.role else {"question": _asked(messages)}
        task = parse_task(data.get("question", ""))
        if task is None or task.name not in self.engine.tasks:
            raise UnknownTaskError(
                f"The tiny model was trained on these families of task only: {', '.join(self.engine.tasks)}. "
                "For any other question name another model: --model on the command line, model= in Python."
            )
        told = {name: "" if name == "context" else data.get(name, "") for name in VARIABLES[role]}
        return load("tiny").render(role, "question", **told)[-1].text, reading.prefix, role in _VERDICTS

    @property
    def _llm_type(self) -> str:
        return "tiny"


def _asked(messages: list[BaseMessage]) -> str:
    """The last message that a person wrote."""
    return next((message.text for message in reversed(messages) if isinstance(message, HumanMessage)), "")


def _reply(completion: Completion, is_verdict: bool) -> Reply:
    return Reply(completion.text, completion.p_yes if is_verdict else None)
