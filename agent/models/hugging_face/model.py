"""Chat model for a transformers folder, which runs in this process."""

import random
from pathlib import Path
from typing import Any, Self

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict, Field, field_validator, model_validator

from selfcritic.agent.models.hugging_face.chat import (
    convert_prompt,
    fence_end,
    split_prefix,
    to_chat_message,
)
from selfcritic.agent.models.hugging_face.engine import (
    Engine,
    Sample,
    SamplingOptions,
    get_engine,
)
from selfcritic.agent.models.hugging_face.folder import (
    ADAPTER_FILE,
    has_weights,
    read_info,
)


class HuggingFaceModel(BaseChatModel):
    """A causal model in a transformers folder, or an adapter of one.

    The weights are loaded by the first request and shared by all models of the folder, also with other strengths of its
    adapter. Prompts are converted to the prompt set that the folder was trained on, if `selfcritic train` wrote it.
    """

    model_config = ConfigDict(extra="forbid")

    folder: str
    """Folder with config.json or adapter_config.json, weights and a tokenizer with a chat template."""
    lora_scale: float = Field(default=1.0, ge=0)
    """Strength of the folder's adapter; 0 is the base."""
    max_tokens: int = Field(default=512, ge=1)
    """Length limit of a reply."""
    temperature: float = Field(default=1.0, ge=0)
    """0 returns the most likely reply."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    """0 for no limit."""
    seed: int | None = None
    """Makes replies repeatable; None samples new ones."""
    supports_prefill: bool = True
    """Whether a final assistant message is continued."""

    @field_validator("folder")
    @classmethod
    def _check_folder(cls, value: str) -> str:
        folder = Path(value).expanduser()
        has_model = (folder / "config.json").is_file() or (folder / ADAPTER_FILE).is_file()
        if not has_model:
            raise ValueError(
                f"'{value}' has no config.json or {ADAPTER_FILE}: pass a folder that transformers saved"
            )
        info = read_info(folder)
        if info is not None and info.kind == "reward":
            raise ValueError(f"'{value}' is a reward model: use it as --scorer reward:{value}")
        if not has_weights(folder):
            raise ValueError(f"'{value}' has no weights (*.safetensors or *.bin): copy them again")
        return str(folder.resolve())

    @model_validator(mode="after")
    def _check_adapter(self) -> Self:
        if self.lora_scale != 1 and not (Path(self.folder) / ADAPTER_FILE).is_file():
            raise ValueError(
                f"lora_scale is the strength of an adapter, and '{self.folder}' has no {ADAPTER_FILE}: leave it out, "
                "or pass the folder `adapter` that `selfcritic train` writes beside `model` with --lora-rank"
            )
        return self

    @property
    def model_name(self) -> str:
        """Folder of the model, and the strength of its adapter."""
        if self.lora_scale == 1:
            return self.folder
        return f"{self.folder}?lora_scale={self.lora_scale}"

    @property
    def is_priced(self) -> bool:
        """Whether the price of a reply is known; local replies are free."""
        return True

    @property
    def engine(self) -> Engine:
        """The model in memory; loaded by the first request."""
        return get_engine(self.folder)

    @property
    def _llm_type(self) -> str:
        return "transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("folder", "lora_scale", "max_tokens", "temperature", "top_p", "top_k", "seed")
        return {name: getattr(self, name) for name in names}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        n: int = 1,
        **options: Any,
    ) -> ChatResult:
        engine = self.engine
        prompt, prefix = split_prefix(messages)
        info = read_info(self.folder)
        if info is not None:
            prompt = convert_prompt(prompt, info)
        chat_messages = [to_chat_message(message) for message in prompt]
        line_end = fence_end(prefix)
        ids = engine.chat.prompt_ids(chat_messages, prefix + line_end)
        [samples] = engine.sample([ids], n, self._sampling_options(options, ids))
        generations = []
        for sample in samples:
            message = self._to_message(sample, line_end, stop or [])
            generations.append(ChatGeneration(message=message))
        num_output = sum(len(sample.token_ids) for sample in samples)
        first = generations[0].message
        if isinstance(first, AIMessage):
            first.usage_metadata = UsageMetadata(
                input_tokens=len(ids), output_tokens=num_output, total_tokens=len(ids) + num_output
            )
        return ChatResult(generations=generations)

    def _sampling_options(self, options: dict[str, Any], prompt: list[int]) -> SamplingOptions:
        """Combine the options of a call with the model's; the seed also depends on the prompt."""
        values: dict[str, Any] = {}
        for name in ("max_tokens", "temperature", "top_p", "top_k", "seed", "lora_scale"):
            value = options.get(name)
            values[name] = getattr(self, name) if value is None else value
        if values["seed"] is not None:
            values["seed"] = random.Random(f"{values['seed']} {prompt}").randrange(2**31)
        return SamplingOptions(**values, with_logprobs=bool(options.get("logprobs")))

    def _to_message(self, sample: Sample, line_end: str, stop: list[str]) -> AIMessage:
        text = line_end + sample.text
        ends = [text.find(sequence) for sequence in stop if sequence in text]
        if ends:
            text = text[: min(ends)]
        finish_reason = "length" if sample.is_truncated and not ends else "stop"
        return AIMessage(
            text,
            response_metadata={
                "model_name": self.model_name,
                "finish_reason": finish_reason,
                "logprobs": {"content": sample.logprobs} if sample.logprobs else None,
                "cost_usd": 0.0,
            },
        )
