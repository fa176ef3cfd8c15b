"""Build llama.cpp's requests from messages and options."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages

from selfcritic.agent.models.errors import ModelCallError

OPTIONS = frozenset(
    {
        "chat_template_kwargs",
        "frequency_penalty",
        "grammar",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "min_p",
        "presence_penalty",
        "repeat_penalty",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
    }
)
"""Options that llama.cpp receives unchanged."""
_OWN_OPTIONS = frozenset({"n", "stream", "lora_scale"})
_NUM_SEEDS = 2**32 - 1
"""llama.cpp reads the next seed, 2^32 - 1, as random."""


def build_requests(
    messages: list[BaseMessage], options: Mapping[str, Any], *, slots: int, has_lora: bool
) -> list[dict[str, Any]]:
    """Build requests with at most `slots` choices each; `n` choices in total.

    Raises:
        ModelCallError: An option is unknown or cannot apply, or there is no message.
    """
    set_options = {name: value for name, value in options.items() if value is not None}
    _require_known(set_options)
    request = {name: value for name, value in set_options.items() if name in OPTIONS}
    request["messages"] = _convert_messages(messages)
    request["stream"] = True
    request["stream_options"] = {"include_usage": True}
    scale = set_options.get("lora_scale", 1)
    if scale != 1 and not has_lora:
        raise ModelCallError(f"`lora_scale` is {scale}, but the model has no adapter.", "rejected")
    if has_lora:
        request["lora"] = [{"id": 0, "scale": set_options["lora_scale"]}]
    num_choices = set_options.get("n", 1)
    requests = []
    for first in range(0, num_choices, slots):
        part = {**request, "n": min(slots, num_choices - first)}
        if "seed" in part:
            part["seed"] = (part["seed"] + first) % _NUM_SEEDS
        requests.append(part)
    return requests


def _require_known(options: Mapping[str, Any]) -> None:
    unknown = options.keys() - OPTIONS - _OWN_OPTIONS
    if unknown:
        accepted = sorted(OPTIONS | {"lora_scale", "n"})
        raise ModelCallError(
            f"Local models do not accept {', '.join(sorted(unknown))}; they accept {', '.join(accepted)}.",
            "rejected",
        )
    n = options.get("n", 1)
    if not isinstance(n, int) or n < 1:
        raise ModelCallError(f"`n` must be a positive integer, not {n!r}.", "rejected")


def _convert_messages(messages: list[BaseMessage]) -> list[dict[str, Any]]:
    """Convert messages to OpenAI's form, without an empty prefill."""
    if messages and isinstance(messages[-1], AIMessage) and not messages[-1].text:
        messages = messages[:-1]
    if not messages:
        raise ModelCallError("`messages` is empty: send at least one message.", "rejected")
    converted: list[dict[str, Any]] = []
    for message in messages:
        fields = convert_to_openai_messages(message)
        if isinstance(fields, dict):
            converted.append(fields)
    return converted
