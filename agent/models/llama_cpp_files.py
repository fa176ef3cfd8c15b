"""Find and verify the files of a local model."""

import os
import sys
from pathlib import Path

from selfcritic.agent.models import smollm2
from selfcritic.agent.models.gguf import GgufError, Metadata, read_metadata

_SMOLLM2 = "smollm2"


def find_weights(model: str) -> str:
    """Return the absolute path of a model's file.

    Raises:
        ValueError: The model is "smollm2" and its weights are not on this machine.
    """
    if model != _SMOLLM2:
        return str(Path(model).expanduser().resolve())
    path = smollm2.find()
    if path is None:
        raise ValueError("the weights are missing: run `selfcritic models pull smollm2`")
    return str(path.resolve())


def read_file(value: str) -> Metadata:
    """Read a GGUF file's metadata.

    Raises:
        ValueError: The file is missing, not GGUF or damaged.
    """
    path = Path(value).expanduser()
    try:
        return read_metadata(path)
    except FileNotFoundError:
        raise ValueError(
            f"there is no file '{value}'. Use local:PATH.gguf or local:smollm2"
        ) from None
    except IsADirectoryError:
        raise ValueError(f"'{value}' is a folder: name a GGUF file in it") from None
    except OSError as error:
        raise ValueError(f"'{value}' cannot be read: {error.strerror}") from None
    except GgufError as error:
        raise ValueError(f"'{value}' {error}") from None


def check_lora(value: str) -> None:
    """Raise ValueError if the file is not a LoRA adapter."""
    if not Path(value).expanduser().is_file():
        raise ValueError(f"there is no file '{value}'")
    if read_file(value).get("general.type") != "adapter":
        raise ValueError(f"'{value}' is not a LoRA adapter in GGUF format")


def check_model(model: str, metadata: Metadata, *, has_template: bool) -> None:
    """Raise ValueError if a file is not a chat model."""
    if metadata.get("general.type") == "adapter":
        raise ValueError(f"'{model}' is a LoRA adapter: use 'local:MODEL.gguf?lora={model}'")
    if not has_template and "tokenizer.chat_template" not in metadata:
        raise ValueError(
            f"'{model}' has no chat template, as a base model that was not trained to follow instructions. Use an "
            "instruction-tuned model, or set chat_template to 'chatml' or to a Jinja file"
        )


def trained_context(metadata: Metadata) -> int | None:
    """Return the longest context that a model was trained with, None if unknown."""
    length = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    if isinstance(length, int) and length > 0:
        return length
    return None


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_template(value: str | None) -> str | None:
    """Return the text of a template's file, or the name "chatml"."""
    if value is None or value == "chatml":
        return value
    try:
        return Path(value).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"chat_template '{value}' is neither 'chatml' nor a readable Jinja file: {error}"
        ) from None
