"""Find which models can be used, and what the others need."""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from selfcritic.agent.models import PROVIDERS, smollm2
from selfcritic.graphs.cli.model_keys import find_keys
from selfcritic.graphs.cli.model_server_checks import describe_names
from selfcritic.graphs.cli.servers import ServerError, list_ollama_models, ollama_address

_PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class ModelStatus:
    """Whether one kind of model can be used."""

    spec: str
    """Form of the name for --model."""
    is_ready: bool | None
    """None if it depends on a key or a server that is not known here."""
    description: str
    missing: str = ""
    """What is missing, and the command that adds it."""


def list_models() -> Iterator[ModelStatus]:
    """Yield each kind of model, those for real questions first."""
    yield _provider_status(os.environ)
    yield ModelStatus(
        "openai/NAME --api-base URL",
        None,
        "an OpenAI-compatible server, such as vLLM or llama.cpp; a private address needs no key; "
        "`selfcritic models --api-base URL` lists its names",
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
        None,
        description,
        "no key is set: export OPENAI_API_KEY=…, ANTHROPIC_API_KEY=… or another provider's",
    )


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this environment."""
    return f"pip install 'selfcritic[{extra}]'"


def _ollama_status() -> ModelStatus:
    spec = "ollama_chat/NAME"
    description = "a model of Ollama"
    address = ollama_address()
    if "://" not in address:
        missing = f"OLLAMA_API_BASE needs http://: export OLLAMA_API_BASE=http://{address}"
        return ModelStatus(spec, False, description, missing)
    try:
        names = list_ollama_models(address, _PROBE_SECONDS)
    except ServerError as error:
        missing = f"{error} Start `ollama serve`, or set OLLAMA_API_BASE=http://HOST:11434"
        return ModelStatus(spec, False, description, missing)
    if not names:
        return ModelStatus(spec, False, description, "it has no model: ollama pull NAME")
    listed = describe_names([f"ollama_chat/{name}" for name in names])
    return ModelStatus(spec, True, f"{description}: {listed}")


def _local_statuses() -> Iterator[ModelStatus]:
    needs_extra = importlib.util.find_spec("xllamacpp") is None
    install = install_command("local")
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
    missing = f"the extra is missing: {install_command('tiny')}"
    return ModelStatus(provider.spec, is_ready, provider.description, "" if is_ready else missing)
