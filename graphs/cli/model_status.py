"""Find which models can be used, and what the others need."""

import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from selfcritic.agent.models import PROVIDERS, smollm2
from selfcritic.graphs.cli.model_keys import find_keys


@dataclass(frozen=True)
class ModelStatus:
    """Whether one kind of model can be used."""

    spec: str
    """Form of the name for --model."""
    is_ready: bool
    description: str
    missing: str = ""
    """What is missing, and the command that adds it."""


def list_models() -> Iterator[ModelStatus]:
    """Yield each kind of model, those for real questions first."""
    yield _provider_status(os.environ)
    yield ModelStatus(
        "openai/NAME --api-base URL",
        True,
        "an OpenAI-compatible server, such as vLLM or llama.cpp; a private address needs no key",
    )
    yield _ollama_status()
    yield from _local_statuses()
    yield _tiny_status()
    for name in ("simulated", "scripted"):
        provider = PROVIDERS[name]
        yield ModelStatus(provider.spec, True, provider.description)


def _provider_status(environment: Mapping[str, str]) -> ModelStatus:
    keys = find_keys(environment)
    description = PROVIDERS["litellm"].description
    if keys:
        return ModelStatus("PROVIDER/MODEL", True, f"{description}; found {', '.join(keys)}")
    return ModelStatus(
        "PROVIDER/MODEL",
        False,
        description,
        "no key is set: export OPENAI_API_KEY=…, ANTHROPIC_API_KEY=… or another provider's",
    )


def _ollama_status() -> ModelStatus:
    spec = "ollama_chat/NAME"
    description = "a model of Ollama"
    if shutil.which("ollama"):
        return ModelStatus(spec, True, f"{description}; `ollama list` shows their names")
    missing = "no `ollama` command was found; set OLLAMA_API_BASE if it runs on another machine"
    return ModelStatus(spec, False, description, missing)


def _local_statuses() -> Iterator[ModelStatus]:
    needs_extra = importlib.util.find_spec("xllamacpp") is None
    install = "pip install 'selfcritic[local]'"
    provider = PROVIDERS["local"]
    yield ModelStatus(
        provider.spec,
        not needs_extra,
        "a GGUF file, run in this process; offline",
        f"the extra is missing: {install}" if needs_extra else "",
    )
    commands = []
    if needs_extra:
        commands.append(install)
    if smollm2.find() is None:
        commands.append("selfcritic models pull smollm2")
    yield ModelStatus(
        "local:smollm2",
        not commands,
        "a small language model for tests of your set-up; offline",
        f"run {' and '.join(f'`{command}`' for command in commands)}" if commands else "",
    )


def _tiny_status() -> ModelStatus:
    provider = PROVIDERS["tiny"]
    is_ready = importlib.util.find_spec("ctranslate2") is not None
    missing = "the extra is missing: pip install 'selfcritic[tiny]'"
    return ModelStatus(provider.spec, is_ready, provider.description, "" if is_ready else missing)
