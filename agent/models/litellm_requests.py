"""Build the arguments of litellm's requests."""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages

from selfcritic.agent.models.errors import key_variable
from selfcritic.agent.models.litellm_library import requires_key

PLACEHOLDER_KEY = "none"
"""Sent to a private server if no key is set: the clients require one, and the server ignores it."""

_OPENAI_COMPATIBLE = ("openai", "hosted_vllm", "custom_openai")
_PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
_THINKING_BLOCKS = ("thinking", "redacted_thinking", "reasoning")


def build_arguments(
    fields: Mapping[str, Any], messages: list[BaseMessage], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of `litellm.completion`; options of the call override the model's fields."""
    arguments: dict[str, Any] = {}
    for name, value in {**fields, **options}.items():
        if value is not None and value != [] and value != {}:
            arguments[name] = value
    arguments["model"] = _with_provider(arguments["model"], fields["model"])
    if not arguments.get("stream"):
        arguments.pop("stream", None)
    converted = _convert_messages(messages)
    arguments["messages"] = converted
    if messages and isinstance(messages[-1], AIMessage):
        _mark_prefill(arguments)
    if "api_key" not in arguments and needs_placeholder_key(
        arguments["model"], arguments.get("api_base")
    ):
        arguments["api_key"] = PLACEHOLDER_KEY
    if "tools" in arguments:
        arguments["_skip_mcp_handler"] = True  # it needs the packages of litellm's proxy
    arguments["max_retries"] = 0  # litellm's client would send a failed request three times
    arguments["drop_params"] = False
    return arguments


def _with_provider(name: str, default: str) -> str:
    """Add the default model's provider to a name without one."""
    if "/" in name:
        return name
    provider, slash, _ = default.partition("/")
    return provider + slash + name if slash else name


def _convert_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Convert messages to OpenAI's form, without earlier thinking."""
    cleaned = []
    for message in messages:
        if isinstance(message, AIMessage) and isinstance(message.content, list):
            content = [block for block in message.content if not _is_thinking(block)]
            message = message.model_copy(update={"content": content or ""})
        cleaned.append(message)
    converted = convert_to_openai_messages(cleaned)
    if isinstance(converted, dict):
        return [converted]
    return converted


def _is_thinking(block: str | dict[str, Any]) -> bool:
    return isinstance(block, dict) and block.get("type") in _THINKING_BLOCKS


def _mark_prefill(arguments: dict[str, Any]) -> None:
    """Make the provider continue the last message.

    OpenAI-compatible servers take vLLM's options, other providers litellm's `prefix` key.
    """
    provider = arguments["model"].partition("/")[0]
    if provider in _OPENAI_COMPATIBLE:
        body = dict(arguments.get("extra_body") or {})
        body.update({"continue_final_message": True, "add_generation_prompt": False})
        arguments["extra_body"] = body
        return
    arguments["messages"][-1] = {**arguments["messages"][-1], "prefix": True}


def needs_placeholder_key(model: str, api_base: str | None) -> bool:
    """Return whether a model without a key is on a private server; may import litellm."""
    if api_base is None or not is_private(api_base):
        return False
    provider = model.partition("/")[0]
    if os.environ.get(key_variable(provider)):
        return False
    return requires_key(model)


def is_private(address: str) -> bool:
    """Return whether a URL's host is this machine or in a private network."""
    try:
        host = urlsplit(address).hostname
    except ValueError:
        return False
    if not host:
        return False
    host = host.rstrip(".")
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        pass
    return "." not in host or host.endswith(_PRIVATE_SUFFIXES)
